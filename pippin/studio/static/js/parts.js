/** Parts that several places use: buttons, messages, commands to copy, dialogs and segmented choices. */

import { append, el } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./words.js";

/** Returns a button with a text and perhaps an icon. `kind` is a class such as "primary". */
export function button(text, onclick, { kind = "", picture = null, ...attributes } = {}) {
  const classes = ["button", ...kind.split(" ").filter(Boolean)].join(".");
  return el(`button.${classes}`, { type: "button", onclick, ...attributes }, picture && icon(picture), text);
}

export function iconButton(picture, label, onclick, kind = "quiet") {
  return button(null, onclick, { kind: `${kind} only-icon`, picture, "aria-label": label, title: label });
}

const toasts = el("div.toasts", { role: "status", "aria-live": "polite" });

/** Shows a short message for some seconds; problems stay until they are closed. */
export function toast(text, lasting = false) {
  if (!toasts.isConnected) document.body.append(toasts);
  const message = el("div.toast", {}, el("p", {}, text),
    el("button", { type: "button", "aria-label": t("close"), onclick: () => message.remove() }, icon("close")));
  toasts.append(message);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  if (!lasting) setTimeout(() => message.remove(), 5000);
}

/** Removes the messages, which belong to the place that the user leaves. */
export const clearToasts = () => toasts.replaceChildren();

/** Shows what went wrong; a request that was given up is not a problem. */
export function report(problem) {
  if (problem.name === "AbortError") return;
  if (problem.code === undefined) console.error(problem); // neither a refused request nor a picture that cannot be loaded
  toast(problem.message, true);
}

/** Runs an action of a button: while it runs, the button is disabled, and a problem is shown. */
export async function busy(button, act) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await act();
  } catch (problem) {
    report(problem);
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** The command line that does the same as an action, with a button that copies it. */
export class Command {
  constructor() {
    this.code = el("code", { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": t("commandLabel"), translate: "no" });
    this.element = el("div.command", {}, this.code, iconButton("copy", t("copyCommand"), () => this.copy()));
    this.element.hidden = true;
  }

  set(text) {
    this.element.hidden = !text;
    this.code.textContent = text ?? "";
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.code.textContent);
      toast(t("copied"));
    } catch {
      getSelection().selectAllChildren(this.code);
      toast(t("copyByHand"));
    }
  }
}

/**
 * Returns a row of choices of which one is chosen.
 * @param {string} legend
 * @param {{value: string, text: string, small?: string, disabled?: boolean}[]} options
 */
export function segments(legend, name, options, value, change) {
  return el("fieldset.choices", {}, el("legend", {}, legend), el("div.segments", {}, options.map((option) =>
    el("label", {}, el("input", {
      type: "radio", name, value: option.value, checked: option.value === value, disabled: Boolean(option.disabled), onchange: () => change(option.value),
    }), el("span", {}, option.text), option.small ? el("small", {}, option.small) : null))));
}

export function chip(text, pressed, onclick, figure = null) {
  return el("button.chip", { type: "button", "aria-pressed": String(pressed), onclick }, text, figure === null ? null : el("span.figures", {}, figure));
}

/** Returns a list of figures: the name, the value (null if it is still to come), and perhaps a note below. */
export function facts(entries) {
  return el("dl.facts", {}, entries.map(([name, value, note]) => el("div", {}, el("dt", {}, name), el(value === null ? "dd.pending" : "dd", {}, value ?? "…"),
    note ? el("dd.note-below", {}, note) : null)));
}

/** A bar for the progress of a job, with a text below. */
export class Progress {
  constructor() {
    this.bar = el("div");
    this.track = el("div.progress", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("progress") }, this.bar);
    this.text = el("p.soft.small.figures");
    this.element = el("div.stack", {}, this.track, this.text);
  }

  /** @param {number|null} share from 0 to 1; null if unknown. */
  set(share, text) {
    this.bar.style.width = `${100 * (share ?? 0.04)}%`;
    this.track.classList.toggle("unknown", share === null);
    if (share === null) this.track.removeAttribute("aria-valuenow");
    else this.track.setAttribute("aria-valuenow", Math.round(100 * share));
    if (text !== undefined) this.text.textContent = text;
    this.text.hidden = !this.text.textContent;
  }
}

/** Opens a dialog; the promise is fulfilled with what closed it: a button's value, or "". */
export function ask(title, contents, buttons) {
  const dialog = el("dialog", { "aria-label": title });
  const close = iconButton("close", t("close"), () => dialog.close(""));
  append(dialog, [el("header", {}, el("h2", {}, title), close), contents,
    el("div.buttons", {}, buttons.map(([value, text, kind]) => button(text, () => dialog.close(value), { kind })))]);
  document.body.append(dialog);
  dialog.showModal();
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); });
  });
  return Object.assign(closed, { dialog });
}

export const confirm = (title, text, yes, kind = "primary") =>
  ask(title, el("p", {}, text), [["", t("cancel"), "quiet"], ["yes", yes, kind]]).then((value) => value === "yes");

/** Returns the heading of a place, with what belongs beside it. */
export function heading(title, text, ...beside) {
  return el("header.place-head", {}, el("div", {}, el("h1", {}, title), text ? el("p.soft", {}, text) : null), el("div.buttons", {}, beside));
}

export function emptyPlace(picture, title, text, ...actions) {
  return el("div.empty", {}, icon(picture), el("h2", {}, title), el("p", {}, text), el("div.buttons", {}, actions));
}

