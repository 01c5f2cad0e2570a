/** A dialog that chooses a folder on the machine where the studio runs. */

import { get, post } from "./api.js";
import { el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { arrowKeys } from "./gridview.js";
import { ask, button, busy, confirm, iconButton } from "./parts.js";
import { store } from "./store.js";
import { t } from "./words.js";

/** Asks for a folder; returns the picture set that was made of it, or null. */
export async function chooseFolder() {
  const list = el("div.folders", { role: "group", "aria-label": t("folders") });
  const settle = arrowKeys(list, ".folder");
  const where = el("p.soft.small.path");
  const message = el("p.note.problem", { role: "alert", hidden: true });
  let here = null, made = null;

  const use = button(t("useFolder"), () => busy(use, () => attempt(choose)), { kind: "primary" });
  const question = ask(t("chooseFolder"), el("div.stack", {}, pathField(), where, list, message, el("div.buttons", {}, use)), []);

  async function attempt(act) {
    message.hidden = true;
    try {
      await act();
    } catch (problem) {
      message.textContent = problem.message;
      message.hidden = false;
    }
  }

  function pathField() {
    if (!(store.session.may_name_folders ?? !store.session.remote)) return null;
    const field = el("input", { type: "text", "aria-label": t("folderPath"), placeholder: t("folderPath"), autocomplete: "off", spellcheck: "false" });
    return el("form.path-field", { onsubmit: (event) => { event.preventDefault(); attempt(() => name(field.value.trim())); } },
      field, iconButton("next", t("openFolder"), () => attempt(() => name(field.value.trim()))));
  }

  async function name(path) {
    if (!path) return;
    let place;
    try {
      place = await post("/api/places", { path, confirm: false });
    } catch (problem) {
      if (problem.code !== "confirm") throw problem;
      if (!await confirm(t("letRead"), path, t("allow"))) return;
      place = await post("/api/places", { path, confirm: true });
    }
    await open(place.id);
  }

  async function open(id) {
    here = id ? await get(`/api/places/${id}`) : null;
    const folders = here ? here.folders : (await get("/api/places")).places;
    where.textContent = here ? `${here.path} · ${t("picturesHere", { n: here.pictures })}` : t("startingPoints");
    const up = here ? row(t("upwards"), "up", () => open(here.parent)) : null;
    fill(list, up, folders.map((place) => row(here ? place.name : place.path, "folder", () => open(place.id))),
      folders.length ? null : el("p.soft.small", {}, t("noFolders")));
    use.disabled = !here;
    settle();
    if (document.activeElement?.type !== "text") list.querySelector(".folder")?.focus(); // does not interrupt typing
  }

  function row(name, picture, act) {
    return el("button.folder", { type: "button", onclick: () => attempt(act) }, icon(picture), el("span", {}, name));
  }

  async function choose() {
    made = await post("/api/sets", { place: here.id, confirm: true });
    question.dialog.close("chosen");
  }

  await attempt(() => open(null));
  await question;
  return made;
}
