/** A walk between favourites, or between pictures that chance chooses: a loop to watch, to scrub and to keep as a film. */

import { post } from "./api.js";
import { decoded, el, fill } from "./dom.js";
import { button, busy, iconButton, report, segments } from "./parts.js";
import { Maker } from "./maker.js";
import { t } from "./words.js";

/** Pictures of a walk that chance chooses. */
const STOPS = 4;

/** Most pictures of a walk, and preview frames from one to the next. */
const MOST = 16, FRAMES = 24;

const PER_SECOND = 20;

export function walk(place, run, favourites) {
  let from = favourites.list.length >= 2 ? "favourites" : "chance", seeds = chance(), frames = [], playing = false, at = 0, clock = null, round = 0, closed = false;
  const canvas = el("canvas.large", { role: "img", "aria-label": t("walkPicture") });
  const slider = el("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": t("walkPosition"), oninput: () => { pause(); show(Number(slider.value)); } });
  const player = iconButton("play", t("play"), () => (playing ? pause() : play()));
  const source = el("div"), stops = el("div.strip");
  const others = button(t("others"), () => busy(others, () => { seeds = chance(); return load(); }), { picture: "explore" });
  const maker = new Maker(run, "walk", () => ({ ...(from === "favourites" ? { favourites: favourites.list.slice(0, MOST).map(({ id }) => id) } : { seeds: seeds.join(",") }), frames: 48, fps: 24, format: "mp4" }), t("saveFilm"));

  fill(place, el("div.columns.walking", {}, el("div.stack", {}, el("div.stage", {}, canvas), el("div.scrubber", {}, player, slider)),
    el("aside.stack.side", {}, el("section.card", {}, source, stops, others), el("section.card", {}, maker.element))));

  function chance() {
    return Array.from({ length: STOPS }, () => Math.floor(Math.random() * 10000));
  }

  const positions = () => (from === "favourites" ? favourites.list.slice(0, MOST).map(({ position }) => position) : seeds.map((seed) => ({ seed, truncation: 0.8 })));

  function drawSource() {
    const few = favourites.list.length < 2;
    fill(source, segments(t("walkBetween"), "walk", [{ value: "favourites", text: t("favourites"), small: few ? t("fewFavourites") : null, disabled: few }, { value: "chance", text: t("chance") }],
      from, (value) => { from = value; drawSource(); load(); }));
    others.hidden = from !== "chance";
  }

  async function load() {
    const mine = ++round;
    canvas.parentNode.setAttribute("aria-busy", "true");
    try {
      const made = await post(`/api/runs/${run.id}/walk`, { positions: positions(), frames: Math.min(FRAMES, Math.floor(512 / positions().length)) });
      const loaded = await Promise.all(made.images.map(({ url }) => decoded(url)));
      if (mine !== round || closed) return;
      frames = loaded;
      slider.max = frames.length - 1;
      const every = Math.round(frames.length / positions().length);
      maker.ask();
      fill(stops, positions().map((_, n) => frames[n * every]).filter(Boolean).map((frame, n) =>
        el("button.tile", { type: "button", "aria-label": t("stopNumber", { n: n + 1 }), onclick: () => { pause(); show(n * every); } }, el("img", { src: frame.src, alt: "" }))));
      show(0);
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
    } catch (problem) {
      report(problem);
    } finally {
      canvas.parentNode.removeAttribute("aria-busy");
    }
  }

  function show(index) {
    at = index;
    const frame = frames[index];
    if (!frame) return;
    if (canvas.width !== frame.naturalWidth) canvas.width = canvas.height = frame.naturalWidth;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(frame, 0, 0);
    slider.value = index;
    slider.setAttribute("aria-valuetext", t("frameOf", { n: index + 1, all: frames.length }));
  }

  function play() {
    if (!frames.length) return;
    playing = true;
    drawPlayer();
    let last = null, rest = 0;
    const step = (now) => {
      rest += last === null ? 0 : (now - last) / 1000 * PER_SECOND;
      last = now;
      if (rest >= 1) { show((at + Math.floor(rest)) % frames.length); rest %= 1; }
      if (playing) clock = requestAnimationFrame(step);
    };
    clock = requestAnimationFrame(step);
  }

  function pause() {
    playing = false;
    cancelAnimationFrame(clock);
    drawPlayer();
  }

  function drawPlayer() {
    player.replaceChildren(...iconButton(playing ? "pause" : "play", "").childNodes);
    player.setAttribute("aria-label", t(playing ? "pausePlaying" : "play"));
  }

  drawSource();
  load();
  return { close: () => { closed = true; pause(); } };
}
