/** Two runs, or two moments of one, side by side: the pictures of the same latents. */

import { get, post } from "./api.js";
import { el, fill, latest } from "./dom.js";
import { nameOf } from "./favourites.js";
import { History } from "./history.js";
import { report, segments } from "./parts.js";
import { store } from "./store.js";
import { t } from "./words.js";

/** Pictures of each run, when new pictures of the same seeds are compared. */
const COUNT = 16;

export function compare(place, run) {
  const other = store.runs.find(({ id, batches }) => id !== run.id && batches > 0);
  let what = "moments";
  const choice = el("div.comparison"), panels = el("div.panels");
  let open = [];
  fill(place, choice, panels);

  function draw() {
    open.forEach((panel) => panel.close());
    fill(choice, segments(t("compareWhat"), "compare", [{ value: "moments", text: t("twoMoments"), small: t("twoMomentsHint") }, { value: "seeds", text: t("sameSeeds"), small: t("sameSeedsHint") }],
      what, (value) => { what = value; draw(); }));
    const make = what === "moments" ? momentPanel : seedPanel;
    open = [make(run.id, "first"), make((what === "seeds" && other ? other : run).id, "last")];
    fill(panels, open.map(({ element }) => element));
  }
  draw();
  return { close: () => open.forEach((panel) => panel.close()) };
}

function runChoice(id, change) {
  return el("select", { "aria-label": t("chooseRun"), onchange: ({ target }) => change(target.value) },
    store.runs.filter(({ batches }) => batches > 0).map((run) => el("option", { value: run.id, selected: run.id === id }, run.name)));
}

/** A panel with a run's history. It starts at the first or the last snapshot. */
function momentPanel(id, start) {
  const body = el("div");
  let history = null;
  const show = latest(async (run) => {
    history?.close();
    history = new History(run, () => null);
    fill(body, history.element);
    history.show(await get(`/api/runs/${run}`));
    await history.ready;
    if (start === "first") history.scrub(0);
  });
  show(id).catch(report);
  return { element: el("section.card.panel", { "aria-label": t("compared") }, runChoice(id, (run) => show(run).catch(report)), body), close: () => history?.close() };
}

/** A panel with new pictures of a run, of the same seeds as in the other panel. */
function seedPanel(id) {
  const grid = el("div.samples.small-samples");
  const show = latest(async (run) => {
    const { images } = await post(`/api/runs/${run}/sample`, { n: COUNT, seed: 0, truncation: 0.8 });
    fill(grid, images.map(({ url, position }) => el("img.tile", { src: url, alt: nameOf(position) })));
  });
  show(id).catch(report);
  return { element: el("section.card.panel", { "aria-label": t("compared") }, runChoice(id, (run) => show(run).catch(report)), grid), close: () => null };
}
