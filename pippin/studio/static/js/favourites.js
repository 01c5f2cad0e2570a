/** The favourites of a run, and a strip that shows them. */

import { get, post, remove } from "./api.js";
import { el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./words.js";

/** Returns a text that is equal for equal positions. */
export const keyOf = (position) => JSON.stringify(position, (_, value) => (value && typeof value === "object" && !Array.isArray(value)
  ? Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null && !isEmpty(item)).sort(([a], [b]) => (a < b ? -1 : 1))) : value));

const isEmpty = (value) => typeof value === "object" && value !== null && Object.keys(value).length === 0;

export class Favourites {
  constructor(run) {
    Object.assign(this, { run, list: [], listeners: new Set() });
  }

  async load() {
    this.list = (await get(`/api/runs/${this.run}/favourites`)).favourites;
  }

  /** Calls `act` whenever a favourite was added or removed. */
  onChange(act) {
    this.listeners.add(act);
  }

  at(position) {
    const key = keyOf(position);
    return this.list.find((favourite) => keyOf(favourite.position) === key) ?? null;
  }

  /** Keeps a picture, or removes it if it is kept already. */
  async toggle(position) {
    const kept = this.at(position);
    if (kept) {
      await remove(`/api/runs/${this.run}/favourites/${kept.id}`);
      this.list = this.list.filter(({ id }) => id !== kept.id);
    } else {
      this.list = [...this.list, await post(`/api/runs/${this.run}/favourites`, { position, name: nameOf(position) })];
    }
    this.listeners.forEach((act) => act());
  }

  /** Returns a strip of the favourites; `choose(favourite)` is called on a click. */
  strip(choose) {
    const row = el("div.strip", { role: "group", "aria-label": t("favourites") });
    const draw = () => fill(row, this.list.length ? this.list.map((favourite) =>
      el("button.tile", { type: "button", "aria-label": favourite.name, title: favourite.name, onclick: () => choose(favourite) }, el("img", { src: favourite.url, alt: "" })))
      : el("p.soft.small", {}, icon("heart"), t("noFavourites")));
    draw();
    this.onChange(draw);
    return row;
  }
}

/** Returns a name for a picture: its seed, or how it was made. */
export function nameOf(position) {
  if (position.found) return t("foundPicture");
  if (position.between) return t("betweenPictures");
  const edited = Object.values(position.edits ?? {}).some(Boolean);
  return t(edited ? "editedSeed" : "seedName", { seed: String(position.seed) });
}
