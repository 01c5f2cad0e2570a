/** One picture of an audit, large: the crops that training sees, its status and the reasons. */

import { get } from "./api.js";
import { debounced, decoded, el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { button, report } from "./parts.js";
import { shortNumber, t } from "./words.js";

/** Returns what became of a picture: a kind, a text, and the icon that marks it in the grid. */
export function stateOf(item) {
  if (item.left_out) return { kind: "out", text: t("state_left_out"), mark: "minus" };
  if (item.duplicate) return { kind: "note", text: t(`state_${item.duplicate}`), mark: "copy" };
  if (item.status === "refused") return { kind: "refused", text: t("state_refused"), mark: "close" };
  if (item.outlier) return { kind: "note", text: t("state_outlier"), mark: "search" };
  if (item.status === "repaired") return { kind: "note", text: t("state_repaired"), mark: "pen" };
  return { kind: "kept", text: t("state_kept"), mark: null };
}

export class PictureInspector {
  /**
   * @param {string} set its ID.
   * @param {(item: Object) => void} toggle leaves a picture out or takes it back.
   * @param {() => boolean} canLeaveOut
   */
  constructor(set, toggle, canLeaveOut) {
    Object.assign(this, { set, toggle, canLeaveOut });
    this.element = el("section.card.inspector", { "aria-live": "polite" }, el("p.soft.small", {}, t("pointAtPicture")));
    this.load = debounced((item) => this.loadDetails(item).catch(report), 140);
  }

  /** Shows a picture; null for none. */
  show(item) {
    if (!item) { this.item = null; fill(this.element, el("p.soft.small", {}, t("nothingHere"))); return; }
    const same = this.item?.n === item.n && this.item?.left_out === item.left_out;
    const samePicture = this.item?.n === item.n;
    this.item = item;
    if (same) return;
    const state = stateOf(item);
    const original = samePicture ? this.original : el("div.original", {}, item.thumb ? el("img", { src: item.thumb, alt: "" }) : icon("close"));
    const crops = samePicture ? this.crops : el("div.crops");
    Object.assign(this, { original, crops });
    const reasons = [...item.reasons, ...item.warnings, item.copy_of && t("copyOf", { name: item.copy_of }),
      item.outlier && t("outlierBy", { score: shortNumber(item.outlier) })].filter(Boolean);
    const size = item.width ? `${item.width}×${item.height}${item.format ? ` · ${item.format}` : ""}` : "";
    fill(this.element, original, el("div.inspector-text", {},
      el("h3.path", {}, item.path), el(`p.state.state-${state.kind}`, {}, state.text), reasons.map((reason) => el("p.small", {}, said(reason))),
      size && el("p.soft.small.figures", {}, size)), crops,
      item.status === "refused" || !this.canLeaveOut() ? null : button(t(item.left_out ? "takeBack" : "leaveOut"), () => this.toggle(this.item), { picture: item.left_out ? "check" : "minus", title: t(item.left_out ? "takeBack" : "leaveOut") }));
    if (!samePicture) this.load(item);
  }

  /** Replaces the thumbnail once the original is decoded. */
  async showOriginal(item, address) {
    const picture = await decoded(address);
    picture.alt = t("originalPicture");
    if (this.item?.n === item.n) fill(this.original, picture);
  }

  async loadDetails(item) {
    const details = await get(`/api/sets/${this.set}/pictures/${item.n}`);
    if (this.item?.n !== item.n) return;
    if (details.original) this.showOriginal(item, details.original).catch(() => null); // the thumbnail stays
    if (details.crop_urls.length) {
      fill(this.crops, el("p.soft.small", {}, t("cropsText", { n: details.crop_urls.length })),
        el("div.crop-row", {}, details.crop_urls.map((url, n) => el("img", { src: url, alt: t("crop", { n: n + 1 }) }))));
    }
  }
}

