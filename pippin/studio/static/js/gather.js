/** Gather: choose pictures, and see what becomes of each of them. */

import { get, post } from "./api.js";
import { el, fill } from "./dom.js";
import { chooseFolder } from "./folders.js";
import { icon } from "./icons.js";
import { button, busy, heading, Progress, report, toast } from "./parts.js";
import { pictureSet } from "./pictureset.js";
import { on, store } from "./store.js";
import { filesOf, upload } from "./upload.js";
import { t } from "./words.js";

const go = (set) => { location.hash = `#/gather/${set.id}`; };

export function gather(place, id) {
  return id ? pictureSet(place, id) : start(place);
}

/** The start: a place to drop pictures, and the picture sets that there are. */
function start(place) {
  const progress = new Progress();
  progress.element.hidden = true;
  const files = el("input", { type: "file", multiple: true, accept: "image/*", hidden: true, onchange: () => receive([...files.files]) });
  const drop = el("section.drop", { "aria-label": t("dropHere") }, icon("gather"),
    el("h2", {}, t("dropHere")), el("p.soft", {}, t("dropHint")),
    el("div.buttons", {},
      button(t("chooseFolder"), async () => { const set = await chooseFolder(); if (set) go(set); }, { kind: "primary big", picture: "folder" }),
      button(t("chooseFiles"), () => files.click(), { kind: "big" }), files),
    progress.element);
  const builtIn = button(t("tryApples"), () => busy(builtIn, async () => go(await post("/api/sets", { built_in: "apples" }))), { kind: "quiet", picture: "apple" });
  const sets = el("div.cards");
  fill(place, heading(t("gatherTitle"), t("gatherText")), drop, el("p.buttons", {}, builtIn), el("h2", {}, t("yourPictures")), sets);

  const draw = () => {
    sets.hidden = sets.previousSibling.hidden = store.sets.length === 0;
    fill(sets, store.sets.map(setCard));
  };
  draw();
  const off = on("sets", draw);

  async function receive(list) {
    if (!list.length) return;
    progress.element.hidden = false;
    try {
      const { set, failed } = await upload(list, (done) => progress.set(done / list.length, t("uploading", { done, n: list.length })));
      if (failed.length) toast(t("notUploaded", { n: failed.length, first: failed[0].file.name, why: failed[0].problem.message }), true);
      if (failed.length < list.length) { store.sets = (await get("/api/sets")).sets; go(set); }
    } catch (problem) {
      report(problem);
    }
    progress.element.hidden = true;
  }

  const prevent = (event) => event.preventDefault();
  const over = (event) => { event.preventDefault(); drop.classList.toggle("over", event.type === "dragover"); };
  const dropped = async (event) => { over(event); await receive(await filesOf(event.dataTransfer)); };
  drop.addEventListener("dragover", over);
  drop.addEventListener("dragleave", over);
  drop.addEventListener("drop", dropped);
  addEventListener("dragover", prevent); // a picture that misses the place must not replace the page
  addEventListener("drop", prevent);
  return { close: () => { off(); removeEventListener("dragover", prevent); removeEventListener("drop", prevent); } };
}

function setCard(set) {
  const counts = set.audit?.counts, runs = store.runs.filter((run) => run.set === set.id).length;
  return el("a.card.set-card", { href: `#/gather/${set.id}` },
    el("h3", {}, set.name),
    el("p.soft.small", {}, counts ? t("setCounts", { n: counts.kept + counts.repaired - set.left_out }) : t("notLooked")),
    el("p.soft.small.path", {}, set.kind === "built_in" ? t("builtIn") : set.path),
    runs ? el("p.small", {}, t("setRuns", { n: runs })) : null);
}

