/** Mixing: the layout of some pictures with the style of others, as a table. */

import { post } from "./api.js";
import { el, fill, latest } from "./dom.js";
import { Maker } from "./maker.js";
import { button, busy, report } from "./parts.js";
import { t } from "./words.js";

/** Pictures of each kind. */
const COUNT = 4;

const TRUNCATION = 0.8;

export function mix(place, run) {
  let first = { coarse: 0, fine: COUNT };
  const table = el("div.mixed", { role: "group", "aria-label": t("part_mix") }), fields = el("div.option-row");
  const options = () => ({ coarse: range(first.coarse), fine: range(first.fine), truncation: TRUNCATION });
  const maker = new Maker(run, "mix", options, t("make"));
  const others = button(t("others"), () => busy(others, () => {
    first = { coarse: chance(), fine: chance() };
    drawFields();
    return show();
  }), { kind: "primary", picture: "explore" });
  fill(place, el("div.columns", {}, el("div.stack", {}, el("p.soft", {}, t("mixText")), table),
    el("aside.stack.side", {}, el("section.card", {}, fields, el("div.buttons", {}, others)), el("section.card", {}, maker.element))));

  function drawFields() {
    fill(fields, Object.keys(first).map((kind) => el("label.field", {}, el("span.label", {}, t(`mix_${kind}`)), el("input", { type: "number", min: 0, step: 1, value: String(first[kind]),
      onchange: ({ target }) => { first[kind] = Math.max(0, Math.floor(Number(target.value)) || 0); show().catch(report); } }))));
  }

  const show = latest(async () => {
    const [coarse, fine] = [first.coarse, first.fine].map(seeds);
    maker.ask();
    const { rows } = await post(`/api/runs/${run.id}/mix`, { coarse, fine, truncation: TRUNCATION });
    fill(table, rows.flatMap((row, y) => row.map((url, x) => el("img.tile", { src: url, alt: t("mixed", { layout: String(coarse[y]), style: String(fine[x]) }), title: t("mixed", { layout: String(coarse[y]), style: String(fine[x]) }) }))));
  });

  drawFields();
  show().catch(report);
  return null;
}

const seeds = (seed) => Array.from({ length: COUNT }, (_, n) => seed + n);
const range = (seed) => `${seed}-${seed + COUNT - 1}`;
const chance = () => Math.floor(Math.random() * 10000);
