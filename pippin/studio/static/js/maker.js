/** Makes a file of a run: a button, the command line that does the same, the progress, and links to the result. */

import { post } from "./api.js";
import { debounced, el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { button, busy, Command, Progress } from "./parts.js";
import { finished } from "./store.js";
import { bytes, t } from "./words.js";

export class Maker {
  /**
   * @param {Object} run
   * @param {string} what see `/api/runs/ID/take`.
   * @param {() => Object} options
   * @param {string} text of the button.
   * @param {(files: Object[]) => void} [made] called with the files.
   */
  constructor(run, what, options, text, made = () => {}) {
    Object.assign(this, { run, what, options, made });
    this.command = new Command();
    this.progress = new Progress();
    this.progress.element.hidden = true;
    this.button = button(text, () => busy(this.button, () => this.make()), { kind: "primary" });
    this.result = el("div.results", { "aria-live": "polite" });
    this.element = el("div.maker", {}, el("div.buttons", {}, this.button), this.progress.element, this.result, this.command.element);
    this.ask = debounced(() => this.showCommand().catch(() => this.command.set(null)), 150);
    this.ask();
  }

  async showCommand() {
    this.command.set((await post(`/api/runs/${this.run.id}/take`, { what: this.what, options: this.options(), dry: true })).command);
  }

  async make() {
    fill(this.result);
    this.progress.element.hidden = false;
    this.progress.set(null, t("making"));
    try {
      const { job, command } = await post(`/api/runs/${this.run.id}/take`, { what: this.what, options: this.options() });
      this.command.set(command);
      const { files, lines } = await finished(job, ({ done, total, message }) => this.progress.set(total ? done / total : null, said(message) ?? ""));
      fill(this.result, files.map(fileLinks), files.length ? null : (lines ?? []).map((line) => el("p.small", {}, said(line))));
      this.made(files);
    } finally {
      this.progress.element.hidden = true;
    }
  }
}

/** Returns the links of a file: to download it, and to open it where that is possible. */
export function fileLinks(file) {
  const name = file.name.split("/").at(-1);
  return el("p.file", {}, el("a.button", { href: file.url, download: "" }, icon("take"), el("span.path", {}, name), el("span.soft.small.figures", {}, bytes(file.bytes))),
    file.view ? el("a.button.quiet", { href: file.view, target: "_blank", rel: "noopener" }, t("open")) : null);
}
