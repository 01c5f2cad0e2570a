/** One generated picture, large: keep it, change it along directions, and see the training pictures that are nearest. */

import { get, post } from "./api.js";
import { debounced, decoded, el, fill, latest, swapPicture } from "./dom.js";
import { nameOf } from "./favourites.js";
import { icon } from "./icons.js";
import { ask, button, busy, Command, iconButton, report } from "./parts.js";
import { finished } from "./store.js";
import { shortNumber, t } from "./words.js";

/** Directions that are shown at once; the first change the most. */
const FIRST_DIRECTIONS = 5;

/** Largest step along a direction, in standard deviations. */
const FARTHEST = 4;

export class Editor {
  constructor(run, favourites) {
    Object.assign(this, { run, favourites, position: null, which: undefined, directions: null, sliders: new Map() });
    this.image = el("img.large", { alt: "" });
    this.title = el("h2");
    this.heart = iconButton("heart", t("keep"), () => busy(this.heart, () => this.keep()), "");
    this.save = el("a.button.only-icon", { "aria-label": t("savePicture"), title: t("savePicture") }, icon("take"));
    this.edits = el("div.edits");
    this.nearest = el("div.nearest", { "aria-live": "polite" });
    this.command = new Command();
    this.nearestCommand = new Command();
    this.nearestButton = button(t("showNearest"), () => busy(this.nearestButton, () => this.findNearest()), { picture: "search" });
    this.element = el("section.card.editor", { "aria-label": t("chosenPicture") },
      this.image, el("header", {}, this.title, el("div.buttons", {}, this.heart, this.save)), this.edits, this.command.element,
      this.nearestButton, this.nearest, this.nearestCommand.element);
    this.element.hidden = true;
    this.generate = latest(() => this.generateEdited());
    this.drawCommands = debounced(() => this.showCommands().catch(report), 150);
    favourites.onChange(() => this.drawHeart());
  }

  close() {
    this.position = null;
  }

  /** Shows a picture: its position, and its address. */
  show(position, url) {
    this.position = { ...position, edits: { ...position.edits } };
    this.element.hidden = false;
    this.setPicture(url);
    fill(this.nearest);
    for (const [number, { input, text }] of this.sliders) {
      input.value = this.position.edits[number] ?? 0;
      text.textContent = shortNumber(Number(input.value));
    }
    this.edits.hidden = Boolean(position.between);
    if (!this.directions) this.loadDirections();
  }

  setPicture(url) {
    swapPicture(this.image, url);
    const name = nameOf(this.position);
    this.image.alt = this.title.textContent = name;
    this.save.href = url;
    this.save.download = `${this.run.name}-${name}.png`;
    this.drawHeart();
    this.drawCommands();
  }

  /** Shows the commands that generate this picture, and that find its nearest training pictures. */
  async showCommands() {
    const { position, which, run } = this;
    if (!position) return;
    const made = await Promise.all([post(`/api/runs/${run.id}/sample`, { positions: [position], which, dry: true }),
      post(`/api/runs/${run.id}/nearest`, { position, which, dry: true })]);
    if (this.position !== position) return;
    [this.command, this.nearestCommand].forEach((shown, n) => shown.set(made[n].command));
  }

  drawHeart() {
    if (this.position) this.heart.setAttribute("aria-pressed", String(Boolean(this.favourites.at(this.position))));
  }

  async keep() {
    await this.favourites.toggle(this.position);
  }

  async loadDirections() {
    this.directions = [];
    if (this.run.labels?.length) return;
    fill(this.edits, el("p.soft.small", {}, t("findingDirections")));
    try {
      this.directions = (await get(`/api/runs/${this.run.id}/directions`)).directions;
    } catch (problem) {
      fill(this.edits, el("p.soft.small", {}, problem.message));
      return;
    }
    const rows = this.directions.map((direction) => this.slider(direction));
    const reset = button(t("reset"), () => this.reset(), { kind: "quiet" });
    fill(this.edits, el("header", {}, el("h3", {}, t("change")), reset), rows.slice(0, FIRST_DIRECTIONS), rows.length > FIRST_DIRECTIONS &&
      el("details", {}, el("summary", {}, t("moreDirections"), icon("more")), rows.slice(FIRST_DIRECTIONS)));
  }

  slider(direction) {
    const { number } = direction, title = () => direction.name ?? t("direction", { n: number });
    const label = el("span", {}, title()), text = el("output.soft.figures", {}, "0");
    const input = el("input", { type: "range", min: -FARTHEST, max: FARTHEST, step: 0.1, value: this.position?.edits[number] ?? 0, "aria-label": title(),
      oninput: () => {
        text.textContent = shortNumber(Number(input.value));
        this.position.edits[number] = Number(input.value);
        if (!this.position.edits[number]) delete this.position.edits[number];
        this.generate().catch(report);
      } });
    this.sliders.set(String(number), { input, text });
    const rename = iconButton("pen", t("nameDirection"), async () => {
      const name = await this.askName(direction);
      if (!name) return;
      this.directions = (await post(`/api/runs/${this.run.id}/directions`, { number, name })).directions;
      direction.name = name;
      label.textContent = name;
      input.setAttribute("aria-label", name);
    });
    return el("div.edit", {}, el("div.edit-name", {}, label, rename, text), input);
  }

  async askName(direction) {
    const field = el("input", { type: "text", maxlength: 40, value: direction.name ?? "", placeholder: t("directionHint") });
    const command = new Command();
    const showCommand = debounced(async () => {
      const name = field.value.trim();
      const made = name ? await post(`/api/runs/${this.run.id}/directions`, { number: direction.number, name, dry: true }) : {};
      command.set(made.command);
    }, 150);
    field.addEventListener("input", () => showCommand());
    showCommand();
    const question = ask(t("nameDirection"), el("div.stack", {}, el("label.field", {}, el("span.label", {}, t("direction", { n: direction.number })), field), command.element), [["", t("cancel"), "quiet"], ["yes", t("keep"), "primary"]]);
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") question.dialog.close("yes"); });
    field.focus();
    return await question === "yes" ? field.value.trim() : "";
  }

  reset() {
    this.position.edits = {};
    for (const { input, text } of this.sliders.values()) { input.value = 0; text.textContent = "0"; }
    this.generate().catch(report);
  }

  async generateEdited() {
    const position = this.position;
    const { images } = await post(`/api/runs/${this.run.id}/sample`, { positions: [position], which: this.which });
    await decoded(images[0].url);
    if (this.position === position) this.setPicture(images[0].url);
  }

  async findNearest() {
    const position = this.position;
    fill(this.nearest, el("p.soft.small", {}, t("comparing")));
    const { job } = await post(`/api/runs/${this.run.id}/nearest`, { position, which: this.which });
    const found = await finished(job).catch((problem) => { fill(this.nearest); throw problem; });
    if (this.position !== position) return;
    fill(this.nearest, el("p.small", {}, t(found.very_near ? "veryNear" : "notVeryNear")), el("div.crop-row", {}, found.nearest.map(({ url, path, distance }) =>
      el("img", { src: url, alt: path, title: `${path} · ${shortNumber(distance)}` }))));
  }
}
