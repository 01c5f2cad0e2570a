/** Explore: new pictures, walks between favourites, a photo found again, comparisons, and what can be taken away. */

import { get } from "./api.js";
import { compare } from "./compare.js";
import { el, fill } from "./dom.js";
import { Favourites } from "./favourites.js";
import { find } from "./find.js";
import { arrowKeys } from "./gridview.js";
import { mix } from "./mix.js";
import { emptyPlace, heading, report } from "./parts.js";
import { pictures } from "./samples.js";
import { runOf, store } from "./store.js";
import { take } from "./take.js";
import { runCard, runLine, runSelect } from "./train.js";
import { t } from "./words.js";
import { walk } from "./walk.js";

const PARTS = { pictures, walk, mix, find, compare, take };

export function explore(place, id, part) {
  if (!id) return chooseRun(place);
  const run = runOf(id), name = part in PARTS ? part : "pictures";
  const tabs = el("div.chips.tabs", { role: "tablist", "aria-label": t("explore") }, Object.keys(PARTS).map((key) => el("a.chip", {
    href: `#/explore/${id}/${key}`, role: "tab", "aria-selected": String(key === name), tabindex: key === name ? 0 : -1,
  }, t(`part_${key}`))));
  arrowKeys(tabs, ".chip");
  const body = el("div.stack", { role: "tabpanel", "aria-label": t(`part_${name}`) });
  const focused = sessionStorage.getItem("pippin.tab") === "1";
  tabs.addEventListener("click", () => sessionStorage.setItem("pippin.tab", "1"));
  sessionStorage.removeItem("pippin.tab");
  fill(place, heading(run?.name ?? "", run ? runLine(run) : "", store.runs.length > 1 ? runSelect(id, "explore") : null), tabs, body);
  tabs.querySelector("[aria-selected='true']").scrollIntoView({ block: "nearest", inline: "center" });
  if (focused) tabs.querySelector("[aria-selected='true']").focus();
  let open = null, closed = false;
  const favourites = new Favourites(id);
  Promise.all([run ?? get(`/api/runs/${id}`), favourites.load()]).then(([found]) => {
    if (closed) return;
    if (!found.batches) fill(body, emptyPlace("explore", t("notYet"), t("notYetText"), el("a.button.primary", { href: `#/train/${id}` }, t("toTrain"))));
    else open = PARTS[name](body, found, favourites);
  }).catch(report);
  return { close: () => { closed = true; open?.close?.(); } };
}

function chooseRun(place) {
  const runs = store.runs.filter(({ batches }) => batches > 0);
  if (runs.length === 1) { location.replace(`#/explore/${runs[0].id}`); return null; }
  if (!runs.length) fill(place, heading(t("explore")), emptyPlace("explore", t("noRuns"), t("noRunsText"), el("a.button.primary", { href: "#/gather" }, t("toGather"))));
  else fill(place, heading(t("explore"), t("whichRun")), el("div.cards.run-cards", {}, runs.map((run) => runCard(run, "explore"))));
  return null;
}
