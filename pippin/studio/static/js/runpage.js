/** One run, live: its pictures with a scrubber over their history, its curves, its health, and pause, resume and stop. */

import { get, post, query } from "./api.js";
import { Curve } from "./curves.js";
import { debounced, el, fill, latest, say } from "./dom.js";
import { icon } from "./icons.js";
import { said } from "./messages.js";
import { ask, button, busy, Command, facts, Progress, report } from "./parts.js";
import { History } from "./history.js";
import { runSelect } from "./train.js";
import { ACTIVE, on, runOf, setOf, store } from "./store.js";
import { duration, hasWord, number, shortNumber, t } from "./words.js";

const CURVES = [
  ["curveLosses", "log", [["d_loss", "discriminator"], ["g_loss", "generator"]]],
  ["curveKid", "checkups", [["kid", "KID"]]],
  ["curveAugment", "checkups", [["augment", "augmentation"]]],
  ["curveDiversity", "checkups", [["diversity", "diversity"], ["overfitting", "overfitting"]]],
  ["curveLocked", "checkups", [["locked", "generated"], ["locked_real", "real"]]],
  ["curveSpeed", "log", [["images_per_second", "speed"]]],
];

/** Curves that are shown at once; the others are behind "More". */
const FIRST_CURVES = 3;

export function runPage(place, id) {
  const history = new History(id, (batch) => curves.forEach(({ curve }) => curve.mark(batch)));
  const curves = CURVES.map(([title, file, lines]) => ({ file, curve: new Curve(t(title), lines.map(([key, label]) => ({ key, label: t(label) }))) }));
  const head = el("div"), health = el("p.health", { role: "status", "aria-live": "polite" }), progress = new Progress();
  const figures = el("div"), buttons = el("div.buttons"), command = new Command(), findings = el("ol.findings"), about = el("div.stack.small");
  let detail = null, drawnState = null, curveVersion = null;

  const shown = (part) => part.map(({ curve }) => curve.element);
  const output = el("pre.output", { tabindex: "0", "aria-label": t("output") });
  const outputPart = el("details", { ontoggle: ({ target }) => { if (target.open) showOutput(); } }, el("summary", {}, t("output"), icon("more")), output);
  fill(place, head, el("div.columns.training", {},
    el("div.stack", {}, history.element),
    el("aside.stack", {}, el("section.card", { "aria-label": t("progress") }, health, progress.element, figures, buttons, command.element),
      el("section.card.curves", { "aria-label": t("curves") }, shown(curves.slice(0, FIRST_CURVES)),
        el("details", {}, el("summary", {}, t("more"), icon("more")), el("div.stack", {}, shown(curves.slice(FIRST_CURVES)), findings, about, outputPart))))));

  const drawCurves = latest(async () => {
    const found = await get(query(`/api/runs/${id}/curves`, { points: 600 }));
    const entries = { log: rows(found.log), checkups: rows(found.checkups) };
    curves.forEach(({ file, curve }) => curve.draw(entries[file]));
    history.remark();
  });

  function draw(next) {
    if (next.id !== id) return;
    detail = next;
    drawHead();
    drawHealth();
    drawFigures();
    const state = `${detail.state} ${Boolean(detail.held_by)}`;
    if (drawnState !== state) { drawnState = state; drawButtons(); }
    history.show(detail);
    command.set(detail.command);
    fill(findings, detail.findings.map(({ batch, text }) => el("li.small", {}, el("span.soft.figures", {}, `${t("batchCount", { n: batch })}  `), said(text))));
    drawAbout();
    if (detail.log_version && curveVersion !== detail.log_version) { curveVersion = detail.log_version; drawCurves().catch(report); }
  }

  function drawHead() {
    const drawn = [detail.state, detail.name, detail.image_size, detail.batches > 0].join(" ");
    if (head.firstChild?.dataset.drawn === drawn) return;
    fill(head, el("header.place-head", { "data-drawn": drawn },
      el("div", {}, el("h1.path", {}, detail.name), el("p.soft", {}, t(detail.image_size ? "trainedOn" : "startingOn", { name: setOf(detail.set)?.name ?? detail.source, side: detail.image_size, state: t(`run_${detail.state}`) }))),
      el("div.buttons", {}, store.runs.length > 1 ? runSelect(id, "train") : null,
        detail.batches > 0 ? el("a.button", { href: `#/explore/${id}` }, icon("explore"), t("tryIt")) : null)));
  }

  function drawHealth() {
    const { level = "unknown", code, text, values } = detail.health ?? {};
    const sentence = code && hasWord(`health_${code}`) ? t(`health_${code}`, rounded({ ...values, message: said(values?.message) })) : said(text);
    health.className = `health health-${level}`;
    say(health, detail.state === "failed" && detail.message ? said(detail.message) : sentence ?? t(`run_${detail.state}`));
    if (text) health.title = said(text);
  }

  function drawFigures() {
    const { live = {} } = detail, running = detail.state === "training";
    progress.element.hidden = detail.state === "starting" && !detail.message;
    const left = running && live.seconds_left ? t("timeLeft", { time: duration(live.seconds_left) }) : detail.state === "starting" ? detail.message ?? "" : "";
    progress.set(detail.progress ?? (ACTIVE.has(detail.state) ? null : 0), left);
    fill(figures, facts([
      [t("batches"), detail.goal_batches ? `${number(detail.batches)} / ${number(detail.goal_batches)}` : number(detail.batches)],
      [t("trained"), detail.seconds ? duration(detail.seconds) : "–", detail.compile_seconds >= 1 ? t("compiled", { time: duration(detail.compile_seconds) }) : null],
      [t("speed"), live.images_per_second ? t("perSecond", { n: shortNumber(live.images_per_second) }) : "–"],
      [t("bestKid"), detail.best ? shortNumber(detail.best.kid) : "–"],
    ]));
  }

  function drawButtons() {
    const act = (name, verb, options) => {
      const made = button(t(name), () => busy(made, () => post(`/api/runs/${id}/${verb}`)), options);
      return made;
    };
    const mine = !detail.held_by || detail.held_by.here;
    const { state } = detail;
    const stop = button(t("stop"), () => busy(stop, stopTraining), { picture: "stop" });
    const longer = button(t("trainLonger"), () => busy(longer, trainLonger), { picture: "next" });
    const resume = act("resume", "resume", { kind: "primary", picture: "play" }), waits = state === "paused" && detail.held_by;
    const choices = {
      training: [act("pause", "pause", { kind: "primary", picture: "pause" }), stop], starting: [stop],
      stopping: [button(t("saving"), () => null, { disabled: true })], paused: [resume, waits ? stop : longer, waits && el("p.soft.small", {}, t("waitsInMemory"))],
      stopped: [resume, longer], interrupted: [resume], failed: [act("tryAgain", "resume", { kind: "primary", picture: "play" })], finished: [longer],
    };
    const before = buttons.contains(document.activeElement);
    fill(buttons, mine ? choices[state] ?? [] : el("p.soft.small", {}, t("heldElsewhere", { host: detail.held_by.host })));
    if (before) buttons.querySelector("button:not(:disabled)")?.focus();
  }

  async function stopTraining() {
    const command = new Command(), pid = detail.held_by?.pid;
    command.set(pid ? `kill ${pid}` : null);
    const question = ask(t("stopTitle"), el("div.stack", {}, el("p", {}, t("stopText")), command.element), [["", t("cancel"), "quiet"], ["yes", t("stop"), "primary"]]);
    if (await question === "yes") await post(`/api/runs/${id}/stop`);
  }

  async function trainLonger() {
    const field = el("input", { type: "number", min: 1, step: 1, value: "30", "aria-label": t("moreMinutes") });
    const command = new Command(), length = (dry) => ({ minutes: Math.ceil(detail.seconds / 60 + Number(field.value)), dry });
    const showCommand = debounced(async () => {
      command.set(Number(field.value) > 0 ? (await post(`/api/runs/${id}/resume`, length(true))).command : null);
    }, 150);
    field.addEventListener("input", () => showCommand());
    showCommand();
    const question = ask(t("trainLonger"), el("div.stack", {}, el("label.field", {}, el("span.label", {}, t("moreMinutes")), field), command.element), [["", t("cancel"), "quiet"], ["yes", t("resume"), "primary"]]);
    if (await question === "yes" && Number(field.value) > 0) await post(`/api/runs/${id}/resume`, length(false));
  }

  function drawAbout() {
    const { about: facts } = detail;
    if (!facts || about.childElementCount) return;
    fill(about, el("p.soft", {}, t("aboutRun", { n: facts.pictures, held: facts.held_out, engine: facts.engine, machine: facts.machine })));
  }

  async function showOutput() {
    const { lines } = await get(`/api/runs/${id}/output`);
    output.textContent = lines.map(said).join("\n");
  }

  const off = on("run", draw);
  if (store.details.has(id)) draw(store.details.get(id));
  else if (!runOf(id)) get(`/api/runs/${id}`).then(draw).catch(report);
  return { close: () => { off(); history.close(); } };
}

/** Turns columns of figures into entries. */
function rows(columns) {
  const names = Object.keys(columns);
  return (columns.batches ?? []).map((_, n) => Object.fromEntries(names.map((name) => [name, columns[name][n] ?? NaN])));
}

function rounded(values = {}) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "number" && !Number.isInteger(value) ? shortNumber(value) : value]));
}
