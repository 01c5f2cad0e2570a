/** Train: the runs, and one run while it learns. */

import { el, fill } from "./dom.js";
import { emptyPlace, heading } from "./parts.js";
import { runPage } from "./runpage.js";
import { ACTIVE, on, store } from "./store.js";
import { duration, t } from "./words.js";

export function train(place, id) {
  if (id) return runPage(place, id);
  const active = store.runs.filter(({ state }) => ACTIVE.has(state));
  if (active.length === 1) { location.replace(`#/train/${active[0].id}`); return null; }
  const list = el("div.cards.run-cards");
  const draw = () => {
    if (store.runs.length) fill(place, heading(t("runsTitle"), t("runsText")), fill(list, store.runs.map((run) => runCard(run, "train"))));
    else fill(place, heading(t("runsTitle")), emptyPlace("train", t("noRuns"), t("noRunsText"), el("a.button.primary", { href: "#/gather" }, t("toGather"))));
  };
  draw();
  return { close: on("runs", draw) };
}

/** Returns a card that leads to a run. */
export function runCard(run, place) {
  return el("a.card.run-card", { href: `#/${place}/${run.id}` },
    el("div.run-picture", {}, run.latest ? el("img", { src: run.latest, alt: "", loading: "lazy" }) : null),
    el("h3.path", {}, run.name), el("p.soft.small", {}, runLine(run)));
}

/** Returns a line about a run: its state, its size, and how long it was trained. */
export function runLine(run) {
  return [t(`run_${run.state}`), `${run.image_size}×${run.image_size}`, run.batches ? t("batchCount", { n: run.batches }) : null,
    run.seconds > 1 ? duration(run.seconds) : null].filter(Boolean).join(" · ");
}

/** Returns a choice of runs, as a select that leads to a place. */
export function runSelect(id, place) {
  return el("select.run-select", { "aria-label": t("chooseRun"), onchange: ({ target }) => { location.hash = `#/${place}/${target.value}`; } },
    store.runs.map((run) => el("option", { value: run.id, selected: run.id === id }, run.name)));
}

