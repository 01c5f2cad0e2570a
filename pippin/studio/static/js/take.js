/** Take away: pictures, films, a web page, the model and a report; each with the command line that does the same. */

import { get } from "./api.js";
import { el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { fileLinks, Maker } from "./maker.js";
import { report } from "./parts.js";
import { moment, t } from "./words.js";

/** What can be made: its title and text in `words`, its icon, and the options with their values. */
const KINDS = [
  { what: "pictures", picture: "gather", options: { n: [16, 64, 144, 256], truncation: [0.7, 1], format: ["png", "jpg", "webp"] }, start: { n: 64, truncation: 1, format: "png" }, more: { seed: 0 } },
  { what: "walk", picture: "play", options: { format: ["mp4", "webp", "gif"] }, start: { format: "mp4" }, more: { seeds: "0-4", frames: 48, fps: 24 } },
  { what: "story", picture: "train", options: { format: ["mp4", "webp", "gif"] }, start: { format: "mp4" }, more: { seconds: 1.5, fps: 24 } },
  { what: "page", picture: "explore", options: {}, start: {} },
  { what: "model", picture: "apple", options: { format: ["keras", "onnx", "tflite"] }, start: { format: "keras" } },
  { what: "report", picture: "plan", options: {}, start: {} },
  { what: "huggingface", picture: "up", options: {}, start: {} },
  { what: "evaluate", picture: "check", options: { n: [64, 256, 1024] }, start: { n: 256 } },
  { what: "diagram", picture: "folder", options: {}, start: {} },
];

export function take(place, run) {
  const files = el("div.files");
  const refresh = () => get(`/api/runs/${run.id}/files`).then(({ files: list }) => {
    fill(files, list.length ? list.map((file) => el("div.file-row", {}, fileLinks(file), el("span.soft.small", {}, moment(file.changed)))) : el("p.soft.small", {}, t("noFiles")));
  }).catch(report);
  fill(place, el("div.cards.takes", {}, KINDS.map((kind) => card(run, kind, refresh))), el("h2", {}, t("filesMade")), files);
  refresh();
  return null;
}

function card(run, { what, picture, options, start, more = {} }, refresh) {
  const values = { ...start };
  const maker = new Maker(run, what, () => ({ ...more, ...values }), t("make"), refresh);
  const fields = Object.entries(options).map(([name, choices]) => el("label.field", {}, el("span.label.small", {}, t(`option_${name}`)),
    el("select", { onchange: ({ target }) => { values[name] = choices[target.selectedIndex]; maker.ask(); } },
      choices.map((choice) => el("option", { selected: choice === start[name] }, t(`choice_${choice}`))))));
  return el("section.card.take", { "aria-label": t(`take_${what}`) }, el("header", {}, el("h2", {}, icon(picture), t(`take_${what}`))), el("p.soft.small", {}, t(`take_${what}_text`)),
    fields.length ? el("div.option-row", {}, fields) : null, maker.element);
}
