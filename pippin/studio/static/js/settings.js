/** All settings and the preparation, behind "More": each with its help and the reason for its value. */

import { el, fill, setAttributes } from "./dom.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { ACTIVE, store } from "./store.js";
import { t } from "./words.js";

/** Settings that the plain controls above choose, and those that name something else than a number. */
const ELSEWHERE = new Set(["image_size", "batches", "minutes"]);

export class MoreSettings {
  /** @param {(changes: Object) => void} change called with the parts of the order that changed. */
  constructor(change) {
    this.change = change;
    this.fields = new Map();
    this.body = el("div.stack");
    this.element = el("details.card.more", {}, el("summary", {}, t("more"), icon("more")), this.body);
  }

  /** Draws the fields. `known` is the answer of `/api/settings`. */
  set(known, order) {
    this.order = order;
    const settings = known.settings.filter(({ name }) => !ELSEWHERE.has(name) && name !== "preset");
    fill(this.body, el("div.fields", {}, this.runName(), this.from(), this.preset(known.presets)),
      this.group(t("preparation"), "preparation", known.preparation), this.group(t("settings"), "settings", settings));
  }

  /** Shows the values that the plan chose, where the user gave none. */
  show(settings) {
    for (const { name, value, reason } of settings) {
      const field = this.fields.get(`settings.${name}`);
      if (!field) continue;
      if (field.input.type === "text" || field.input.type === "number") setAttributes(field.input, { placeholder: value ?? "" });
      field.reason.textContent = said(reason) ?? "";
    }
  }

  runName() {
    return labelled(t("runName"), el("input", { type: "text", placeholder: t("runNameHint"), spellcheck: "false",
      onchange: ({ target }) => this.change({ run: target.value.trim() || null }) }));
  }

  from() {
    const runs = store.runs.filter(({ state }) => !ACTIVE.has(state) && state !== "damaged" && state !== "failed");
    return labelled(t("fromRun"), el("select", { onchange: ({ target }) => this.change({ from_run: target.value || null }) },
      el("option", { value: "" }, t("fromNothing")), runs.map(({ id, name }) => el("option", { value: id }, name))));
  }

  preset(presets) {
    return labelled(t("setting_preset"), el("select", { onchange: ({ target }) => this.change({ preset: target.value }) },
      presets.map((name) => el("option", { value: name }, name))));
  }

  group(title, part, known) {
    return el("details", {}, el("summary", {}, title, icon("more")), el("div.fields", {}, known.map((setting) => this.field(part, setting))));
  }

  field(part, { name, help, why, default: normal, type, choices, nullable }) {
    const give = (value) => {
      const values = { ...this.order[part] };
      if (value === "" || value === null) delete values[name];
      else values[name] = value;
      this.change({ [part]: values });
    };
    const input = inputFor({ name, normal, type, choices, nullable }, give);
    const reason = el("span.soft.small");
    this.fields.set(`${part}.${name}`, { input, reason });
    return labelled(name, input, el("span.soft.small", {}, said(help)), why && el("span.soft.small", {}, said(why)), reason);
  }
}

/** Returns an input below its name. The notes describe it, and are no part of its name. */
function labelled(name, input, ...notes) {
  const id = `setting-${++labelled.count}`, described = notes.filter(Boolean);
  setAttributes(input, { id, "aria-describedby": described.length ? `${id}-notes` : null });
  return el("div.field", {}, el("label.label", { for: id }, name), input, described.length ? el("div.notes", { id: `${id}-notes` }, described) : null);
}
labelled.count = 0;

function inputFor({ normal, type, choices }, give) {
  if (choices || type === "bool") {
    const values = choices ?? ["true", "false"];
    const parse = (text) => (type === "bool" && !choices ? text === "true" : values.find((value) => String(value) === text) ?? "");
    return el("select", { onchange: ({ target }) => give(target.value === "" ? "" : parse(target.value)) },
      el("option", { value: "" }, normal === null ? t("automatic") : t("usual", { value: String(normal) })),
      values.map((value) => el("option", { value: String(value) }, String(value))));
  }
  const numeric = type === "int" || type === "float";
  return el("input", { type: numeric ? "number" : "text", step: type === "int" ? "1" : "any", placeholder: normal ?? "",
    onchange: ({ target }) => give(numeric && target.value !== "" ? Number(target.value) : target.value) });
}
