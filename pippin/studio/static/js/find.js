/** Finds a photo: the generated picture that is nearest to it, which can then be changed and kept. */

import { post, query } from "./api.js";
import { el, fill } from "./dom.js";
import { Editor } from "./editor.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { button, Command, Progress, report } from "./parts.js";
import { finished, store } from "./store.js";
import { shortNumber, t } from "./words.js";

/** Steps of the search, and milliseconds that each picture on its way is shown. */
const STEPS = 200, PACE = 220;

export function find(place, run, favourites) {
  const progress = new Progress(), command = new Command(), result = el("div.stack"), editor = new Editor(run, favourites);
  progress.element.hidden = true;
  const file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => search(file.files[0]) });
  const choose = button(t("choosePhoto"), () => file.click(), { kind: "primary", picture: "search" });
  const drop = el("section.drop.small-drop", { "aria-label": t("dropPhoto") }, icon("search"), el("h2", {}, t("dropPhoto")), el("p.soft", {}, t("findText")), choose, file, progress.element);
  const over = (event) => { event.preventDefault(); drop.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave"]) drop.addEventListener(kind, over);
  drop.addEventListener("drop", (event) => { over(event); search(event.dataTransfer.files[0]); });
  const prevent = (event) => event.preventDefault();
  addEventListener("dragover", prevent);
  addEventListener("drop", prevent);
  fill(place, el("div.columns", {}, el("div.stack", {}, drop, result, command.element), el("aside.side", {}, editor.element)));
  let stop = null, timer = null;

  async function search(photo) {
    if (!photo) return;
    if (photo.size > (store.session.limits?.photo_bytes ?? Infinity)) { report(new Error(t("photoTooLarge"))); return; }
    stop?.abort();
    stop = new AbortController();
    choose.disabled = true;
    progress.element.hidden = false;
    progress.set(null, t("searching"));
    try {
      const made = await post(query(`/api/runs/${run.id}/find`, { name: photo.name, steps: STEPS }), photo);
      command.set(made.command);
      show(await finished(made.job, ({ done, total }) => progress.set(total ? done / total : null, t("searching")), stop.signal));
    } catch (problem) {
      report(problem);
    }
    progress.element.hidden = true;
    choose.disabled = false;
  }

  function show(found) {
    clearInterval(timer);
    const image = el("img", { src: found.image, alt: t("foundPicture") }), way = found.trajectory ?? [];
    fill(result, el("div.pair", {}, figure(found.photo, t("yourPhoto")), el("figure", {}, image, el("figcaption", {}, t("nearestGenerated")))),
      el("p.small", {}, said(found.verdict) ?? ""), el("p.soft.small.figures", {}, t("distance", { n: shortNumber(found.distance) })));
    editor.show(found.position, found.image);
    if (way.length > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      let n = 0;
      timer = setInterval(() => { image.src = n < way.length ? way[n++] : found.image; if (n >= way.length) { clearInterval(timer); image.src = found.image; } }, PACE);
    }
  }

  return { close: () => { stop?.abort(); clearInterval(timer); editor.close(); removeEventListener("dragover", prevent); removeEventListener("drop", prevent); } };
}

const figure = (url, text) => el("figure", {}, el("img", { src: url, alt: text }), el("figcaption", {}, text));
