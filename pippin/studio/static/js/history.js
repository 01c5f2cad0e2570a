/** The pictures of a run for the same latents, with a scrubber over all snapshots, and one picture large. */

import { get } from "./api.js";
import { decoded, el, latest, say } from "./dom.js";
import { iconButton, report } from "./parts.js";
import "../canvas.js";
import { t } from "./words.js";

const { sheet, download } = globalThis.pippin.canvas;

/** Milliseconds that each snapshot is shown while the history plays. */
const PACE = 350;

export class History {
  /** @param {(batch: number|null) => void} moved called with the batch that is shown; null: the newest. */
  constructor(run, moved) {
    Object.assign(this, { run, moved, batches: [], live: true, chosen: null, version: undefined, timer: null });
    this.image = el("canvas.sheet", { role: "img", "aria-label": t("sheetLabel") });
    this.picker = el("div.picker", { tabindex: "0", role: "application", "aria-label": t("pickPicture"),
      onclick: (event) => this.pick(event), onkeydown: (event) => this.pickByKey(event) }, this.image, this.frame = el("div.picked", { hidden: true }));
    this.loupe = el("canvas.loupe", { role: "img", "aria-label": t("pickedPicture") });
    this.saveButton = iconButton("take", t("savePicture"), () => download(sheet([this.loupe], this.loupe.width, 1, 0, null), `batch-${this.shownBatch()}-${this.chosen}.png`));
    this.loupeBox = el("figure.loupe-box", { hidden: true }, this.loupe, el("div.buttons", {}, this.saveButton, iconButton("close", t("close"), () => this.choose(null))));
    this.slider = el("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": t("historyLabel"), oninput: () => this.scrub(Number(this.slider.value)) });
    this.text = el("output.figures.small");
    this.player = iconButton("play", t("playHistory"), () => this.play());
    this.liveButton = el("button.chip", { type: "button", "aria-pressed": "true", onclick: () => this.follow() }, t("live"));
    this.scrubber = el("div.scrubber", {}, this.player, this.slider, this.text, this.liveButton);
    this.empty = el("div.no-sheet", {}, el("p.soft", {}, t("firstPictures")));
    this.element = el("section.history", { "aria-label": t("historyLabel") }, el("div.sheet-box", {}, this.empty, this.picker, this.loupeBox), this.scrubber);
    this.picker.hidden = this.scrubber.hidden = true;
    this.load = latest(() => this.loadList());
    this.draw = latest((address) => this.drawSheet(address));
  }

  close() {
    clearInterval(this.timer);
  }

  /** Shows what is new of a run; `detail` is the answer of `/api/runs/ID`. */
  show(detail) {
    this.detail = detail;
    if (detail.snapshots && this.version !== detail.snapshots.version) {
      this.version = detail.snapshots.version;
      this.ready = this.load().catch(report);
    }
    if (this.live) this.update();
  }

  async loadList() {
    this.list = await get(`/api/runs/${this.run}/snapshots`);
    this.batches = this.list.batches;
    this.slider.max = Math.max(0, this.batches.length - 1);
    if (this.live) this.slider.value = this.slider.max;
    this.scrubber.hidden = this.batches.length < 2;
    this.update();
  }

  address(batch) {
    const side = Math.min(1024, Math.round(this.list.columns * this.list.image_size + (this.list.columns - 1) * this.list.gap));
    const full = this.list.columns * (this.list.image_size + this.list.gap);
    const path = this.list.url.replace("{batch}", batch);
    return full > 1100 ? `${path}?side=${side}` : path;
  }

  /** Shows the newest pictures while live, else those of the slider's batch. */
  update() {
    const batch = this.batches[Number(this.slider.value)];
    const newest = this.detail?.latest && this.detail.batches > (this.batches.at(-1) ?? -1) ? this.detail.latest : null;
    const address = this.live && newest ? newest : batch === undefined ? this.detail?.latest : this.address(batch);
    if (!address || !this.list) return;
    this.empty.hidden = true;
    this.picker.hidden = false;
    if (address !== this.wanted) this.draw(this.wanted = address).catch(report);
    say(this.text, t("batchCount", { n: this.shownBatch() }));
    this.slider.setAttribute("aria-valuetext", t("batchCount", { n: this.shownBatch() }));
    this.liveButton.setAttribute("aria-pressed", String(this.live));
    this.moved(this.live ? null : batch);
  }

  /** Draws the pictures of a sheet, without the white between them. */
  async drawSheet(address) {
    const source = await decoded(address).catch(() => null);
    if (!source) { this.wanted = null; return; } // the server was just ended: the next event asks again
    this.source = source;
    this.image.width = source.naturalWidth;
    this.image.height = source.naturalHeight;
    const context = this.image.getContext("2d");
    for (const { left, top, size } of this.tiles()) context.drawImage(source, left, top, size, size, left, top, size, size);
    this.image.dataset.shown = address;
    this.drawLoupe();
  }

  /** Returns the place of each picture in the sheet that is shown, in its pixels. */
  tiles() {
    if (!this.list) return [];
    const { columns, rows, image_size: side, gap } = this.list, scale = this.source.naturalWidth / (columns * side + (columns - 1) * gap);
    return Array.from({ length: columns * rows }, (_, n) => ({
      left: n % columns * (side + gap) * scale, top: Math.floor(n / columns) * (side + gap) * scale, size: side * scale,
    }));
  }

  shownBatch() {
    const batch = this.batches[Number(this.slider.value)];
    return this.live && this.detail?.latest ? Math.max(batch ?? 0, this.detail.batches) : batch ?? 0;
  }

  remark() {
    this.moved(this.live ? null : this.batches[Number(this.slider.value)]);
  }

  scrub(index) {
    this.live = false;
    this.slider.value = index;
    this.update();
  }

  follow() {
    this.stopPlaying();
    this.live = true;
    this.slider.value = this.slider.max;
    this.update();
  }

  play() {
    if (this.timer) { this.stopPlaying(); return; }
    this.player.replaceChildren(...iconButton("pause", "").childNodes);
    this.player.setAttribute("aria-label", t("pausePlaying"));
    let index = Number(this.slider.value) >= Number(this.slider.max) ? 0 : Number(this.slider.value);
    const step = Math.max(1, Math.floor(this.batches.length / 200)); // at most about a minute
    this.scrub(index);
    this.timer = setInterval(() => {
      index = Math.min(index + step, Number(this.slider.max));
      this.scrub(index);
      if (index === Number(this.slider.max)) this.stopPlaying();
    }, PACE);
  }

  stopPlaying() {
    clearInterval(this.timer);
    this.timer = null;
    this.player.replaceChildren(...iconButton("play", "").childNodes);
    this.player.setAttribute("aria-label", t("playHistory"));
  }

  pick(event) {
    const box = this.image.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * this.list.columns), row = Math.floor((event.clientY - box.top) / box.height * this.list.rows);
    const index = row * this.list.columns + column;
    this.choose(index === this.chosen ? null : index);
  }

  pickByKey(event) {
    const columns = this.list?.columns ?? 8, count = columns * (this.list?.rows ?? 8);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (event.key === "Escape") this.choose(null);
    else if (event.key === "Enter" && this.chosen === null) this.choose(0);
    else if (step) this.choose(this.chosen === null ? 0 : Math.min(count - 1, Math.max(0, this.chosen + step)));
    else return;
    event.preventDefault();
  }

  /** Chooses one of the pictures to see it large; null for none. */
  choose(index) {
    this.chosen = index;
    this.frame.hidden = this.loupeBox.hidden = index === null;
    this.drawLoupe();
  }

  drawLoupe() {
    if (this.chosen === null || !this.source || !this.list) return;
    const { columns, rows } = this.list, column = this.chosen % columns, row = Math.floor(this.chosen / columns);
    const { left, top, size } = this.tiles()[this.chosen];
    this.loupe.width = this.loupe.height = Math.round(size);
    this.loupe.getContext("2d").drawImage(this.source, left, top, size, size, 0, 0, this.loupe.width, this.loupe.height);
    Object.assign(this.frame.style, { left: `${100 * column / columns}%`, top: `${100 * row / rows}%`, width: `${100 / columns}%`, height: `${100 / rows}%` });
  }
}

