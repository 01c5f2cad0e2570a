/** Plan: what Pippin proposes and why, and three plain controls. Everything else is behind "More". */

import { get, post } from "./api.js";
import { debounced, el, fill } from "./dom.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { button, busy, Command, emptyPlace, facts, heading, Progress, report, segments } from "./parts.js";
import { MoreSettings } from "./settings.js";
import { finished, setOf, store } from "./store.js";
import { bytes, duration, number, shortNumber, t } from "./words.js";

/** Lengths that can be chosen, in minutes. */
const MINUTES = [10, 30, 60, 180, 480];

/** Milliseconds without a change before the speed is measured. */
const REST = 800;

/** Settings whose reasons are shown at once; those of the others are behind "More". */
const FIRST_REASONS = ["image_size", "batches", "minutes", "batch_size", "preset"];

export function plan(place, id) {
  if (!id) return chooseSet(place);
  const order = { set: id, image_size: null, quality: "normal" };
  const controls = el("div.stack.controls"), outcome = el("section.card.outcome", { "aria-live": "polite", "aria-label": t("proposal") });
  const why = el("div.reasons"), whyCard = el("section.card", { hidden: true }, el("h2", {}, t("why")), why), command = new Command(), progress = new Progress();
  const start = button(t("startTraining"), () => busy(start, begin), { kind: "primary big", picture: "play" });
  const more = new MoreSettings((changes) => { Object.assign(order, changes); replan(); });
  let qualities = [], stop = null, proposal = null, closed = false;

  fill(place, heading(t("planTitle"), setOf(id)?.name ?? ""),
    el("div.columns.planning", {},
      el("div.stack", {}, controls, more.element),
      el("aside.stack.side", {}, outcome, whyCard)));

  function drawControls() {
    const found = proposal?.settings.find(({ name }) => name === "image_size")?.value;
    const times = Object.fromEntries((proposal?.choices ?? []).map((choice) => [choice.quality, choice.seconds]));
    const sizes = store.session.sizes.map((side) => ({ value: String(side), text: `${side}×${side}`, small: t(`size_${side}`) }));
    const lengths = [{ value: "", text: t("asNeeded"), small: t("asNeededHint") }, ...MINUTES.map((n) => ({ value: String(n), text: duration(60 * n) }))];
    fill(controls,
      segments(t("size"), "size", sizes, String(order.image_size ?? found ?? ""), (value) => change({ image_size: Number(value) })),
      segments(t("quality"), "quality", qualities.map(({ name }) => ({
        value: name, text: t(`quality_${name}`), small: times[name] ? duration(times[name]) : t(`quality_${name}_hint`),
      })), order.quality ?? "", (value) => change({ quality: value, minutes: undefined })),
      segments(t("howLong"), "minutes", lengths, order.minutes ? String(order.minutes) : "", (value) =>
        change(value ? { minutes: Number(value), quality: undefined } : { minutes: undefined, quality: "normal" })));
  }

  /** Changes the order; keeps the keyboard's place, because the controls are drawn again. */
  function change(values) {
    Object.assign(order, values);
    redrawControls();
    replan();
  }

  function redrawControls() {
    const { name, value } = document.activeElement ?? {}, inside = controls.contains(document.activeElement);
    drawControls();
    if (inside) [...controls.querySelectorAll("input")].find((input) => input.name === name && input.value === value)?.focus();
  }

  const replan = debounced(() => propose().catch(report), 250);

  /** Asks for the plan, which is quick, and then for the speed, which takes seconds of trial training, unless it is known. */
  async function propose() {
    stop?.abort();
    const mine = stop = new AbortController();
    outcome.classList.add("old");
    if (!proposal) fill(outcome, el("h2", {}, t("thinking")), progress.element);
    progress.set(null, "");
    for (const speed of [false, true]) {
      const result = await ask(speed, mine.signal);
      if (mine !== stop || closed || !result) return;
      proposal = result;
      const measured = proposal.images_per_second !== null || proposal.fits === false;
      drawProposal(!measured);
      redrawControls();
      more.show(proposal.settings, order);
      if (measured) return;
      await new Promise((resolve) => { setTimeout(resolve, REST); });
      if (mine !== stop || closed) return;
    }
  }

  /** Returns the plan; null if it was given up or is refused. */
  async function ask(speed, signal) {
    try {
      const { job } = await post("/api/plan", { ...order, speed });
      return await finished(job, ({ done, total }) => progress.set(total ? done / total : null, total > 1 ? t("lookedAt", { done, n: total }) : undefined), signal);
    } catch (problem) {
      if (problem.name !== "AbortError" && !closed) {
        fill(outcome, el("p.note.problem", { role: "alert" }, problem.message));
        outcome.classList.remove("old");
      }
      return null;
    }
  }

  /** Draws the proposal; `measuring`: its time and speed are not known yet. */
  function drawProposal(measuring) {
    outcome.classList.remove("old");
    whyCard.hidden = false;
    const { existing } = proposal, unknown = measuring ? null : "–";
    fill(outcome,
      el("p.lead", {}, t("proposalText", { n: proposal.training_images, side: sizeOf(proposal) })),
      facts([[t("time"), proposal.seconds ? duration(proposal.seconds) : unknown], [t("memory"), bytes(proposal.memory_bytes)],
        [t("speed"), proposal.images_per_second ? t("perSecond", { n: shortNumber(proposal.images_per_second) }) : unknown],
        [t("batches"), proposal.batches ? number(proposal.batches) : unknown]]),
      measuring ? el("p.soft.small", {}, t("measuringHint")) : null,
      proposal.fits === false ? el("p.note.problem", {}, said(proposal.advice) ?? t("tooLarge", { free: bytes(proposal.free_bytes) })) : proposal.advice && el("p.note.warning", {}, said(proposal.advice)),
      existing ? el("p.note", {}, icon("train"), el("span", {}, said(existing.text), " ", el("a", { href: `#/train/${existing.run}` }, t("openRun")))) : null,
      start, command.element);
    start.lastChild.textContent = t(existing ? "startAnother" : "startTraining");
    command.set(proposal.command);
    const reasons = proposal.settings.filter(({ name, reason }) => reason && FIRST_REASONS.includes(name));
    fill(why, reasons.map(({ name, value, reason, given }) => el("div.reason", {}, el("p", {}, el("strong", {}, `${t(`setting_${name}`)} `), el("span.figures", {}, typeof value === "number" ? number(value, 6) : String(value))), el("p.soft.small", {}, given ? t("youChose") : said(reason)))),
      proposal.notes.map((note) => el("p.soft.small", {}, said(note))),
      el("p.soft.small", {}, t("onDevice", { engine: proposal.engine, device: proposal.device })));
  }

  async function begin() {
    stop?.abort();
    if (proposal?.existing) order.run = unusedName(proposal.run.split("/").at(-1));
    const made = await post("/api/runs", order);
    location.hash = `#/train/${made.run.id}`;
  }

  drawControls();
  get("/api/settings").then((known) => {
    if (closed) return;
    ({ qualities } = known);
    more.set(known, order);
    drawControls();
    return propose();
  }).catch(report);
  return { close: () => { closed = true; stop?.abort(); } };
}

/** Returns the name of a run with a number that no run has yet. */
function unusedName(name) {
  const taken = new Set(store.runs.map((run) => run.name));
  for (let n = 2; ; n++) if (!taken.has(`${name}-${n}`)) return `${name}-${n}`;
}

const sizeOf = (proposal) => proposal.settings.find(({ name }) => name === "image_size")?.value;

function chooseSet(place) {
  if (!store.sets.length) {
    fill(place, heading(t("planTitle")), emptyPlace("gather", t("noPictures"), t("noPicturesText"), el("a.button.primary", { href: "#/gather" }, t("toGather"))));
    return null;
  }
  if (store.sets.length === 1) { location.replace(`#/plan/${store.sets[0].id}`); return null; }
  fill(place, heading(t("planTitle"), t("whichSet")), el("div.cards", {}, store.sets.map((set) =>
    el("a.card.set-card", { href: `#/plan/${set.id}` }, el("h3", {}, set.name), el("p.soft.small.path", {}, set.kind === "built_in" ? t("builtIn") : set.path)))));
  return null;
}
