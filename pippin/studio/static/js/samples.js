/** New pictures; each can be kept, changed along directions, and compared with the training pictures. */

import { post } from "./api.js";
import { debounced, el, fill } from "./dom.js";
import { Editor } from "./editor.js";
import { nameOf } from "./favourites.js";
import { arrowKeys } from "./gridview.js";
import { button, busy, Command, report, segments } from "./parts.js";
import { ACTIVE } from "./store.js";
import { t } from "./words.js";

/** Pictures of each request. */
const COUNT = 24;

/** Largest seed that the button for others chooses. */
const MOST = 100000;

export function pictures(place, run, favourites) {
  const choice = { seed: 0, truncation: 0.8, label: null, which: ACTIVE.has(run.state) || !run.best ? "latest" : "best" };
  const grid = el("div.samples", { role: "group", "aria-label": t("newPictures") });
  const settle = arrowKeys(grid, ".tile");
  const editor = new Editor(run, favourites);
  const command = new Command();
  const seed = el("input", { type: "number", min: 0, step: 1, value: "0", onchange: () => { choice.seed = Math.max(0, Math.floor(Number(seed.value)) || 0); start(); } });
  const others = button(t("others"), () => busy(others, () => { choice.seed = Math.floor(Math.random() * MOST); seed.value = String(choice.seed); return start(); }), { kind: "primary", picture: "explore" });
  const more = button(t("morePictures"), () => busy(more, add), {});
  const restart = debounced(() => start(), 200);
  let shown = 0, round = 0;

  const variety = el("label.field", {}, el("span.label", {}, t("variety")), el("input", { type: "range", min: 0.2, max: 1.4, step: 0.05, value: choice.truncation,
    oninput: ({ target }) => { choice.truncation = Number(target.value); restart(); } }), el("span.ends.soft.small", {}, el("span", {}, t("typical")), el("span", {}, t("daring"))));
  const label = run.labels?.length ? el("label.field", {}, el("span.label", {}, t("label")), el("select", { onchange: ({ target }) => { choice.label = target.value || null; start(); } },
    el("option", { value: "" }, t("allLabels")), run.labels.map((name) => el("option", { value: name }, name)))) : null;
  const which = run.best ? segments(t("weights"), "which", [{ value: "best", text: t("bestWeights") }, { value: "latest", text: t("latestWeights") }], choice.which,
    (value) => { choice.which = value; editor.which = value; start(); }) : null;
  editor.which = choice.which;

  fill(place, favourites.strip((favourite) => editor.show(favourite.position, favourite.url)),
    el("div.columns.exploring", {},
      el("div.stack", {}, el("div.sample-bar", {}, others, el("label.field.seed", {}, el("span.label", {}, t("seed")), seed), variety, label), grid, el("div.buttons", {}, more), command.element),
      el("aside.stack.side", {}, editor.element, which)));

  async function start() {
    shown = 0;
    round += 1;
    await add();
  }

  async function add() {
    const mine = round, { seed: first, ...rest } = choice;
    const made = await post(`/api/runs/${run.id}/sample`, { n: COUNT, seed: first + shown, ...rest }).catch((problem) => { report(problem); return null; });
    if (!made || mine !== round) return;
    const tiles = made.images.map(({ url, position }) => el("button.tile", {
      type: "button", "aria-label": nameOf(position), onclick: ({ currentTarget }) => { choose(currentTarget, position, url); reveal(); },
    }, el("img", { src: url, alt: "", decoding: "async" })));
    if (shown) grid.append(...tiles);
    else { fill(grid, tiles); choose(tiles[0], made.images[0].position, made.images[0].url); }
    shown += COUNT;
    command.set(made.command);
    settle();
  }

  /** On a narrow screen the chosen picture is below the grid: scrolls to it. */
  function reveal() {
    if (!matchMedia("(max-width: 64rem)").matches) return;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    editor.element.scrollIntoView({ block: "start", behavior });
  }

  function choose(tile, position, url) {
    grid.querySelector("[aria-pressed='true']")?.removeAttribute("aria-pressed");
    tile.setAttribute("aria-pressed", "true");
    editor.show(position, url);
  }

  start();
  return { close: () => { round += 1; editor.close(); } };
}
