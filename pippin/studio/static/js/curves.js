/** Curves over batches, drawn as SVG. */

import { el } from "./dom.js";
import { number, shortNumber, t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320, HEIGHT = 132, LEFT = 40, RIGHT = 10, TOP = 10, BOTTOM = 20;

/** Largest number of points of a drawn line: two for each pixel that a wide curve has. Others are averaged. */
const MAX_POINTS = 640;

/**
 * A titled curve with one or several lines, and a marker that follows the scrubber.
 * Points that are not finite are left out.
 */
export class Curve {
  /**
   * @param {string} title
   * @param {{key: string, label: string}[]} lines the figures to draw, and what they are called.
   */
  constructor(title, lines) {
    this.lines = lines;
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.legend = el("span.legend", {}, lines.length > 1 ? lines.map(({ label }, index) => el(`span.key.line-${index}`, {}, label)) : null);
    this.now = el("output.now");
    this.element = el("figure.curve", {}, el("figcaption", {}, el("span", {}, title), this.now, this.legend), this.svg);
    this.element.hidden = true; // until there is a line to draw
    this.title = title;
  }

  /** Draws entries: objects with `batches` and the lines' figures. */
  draw(entries) {
    const series = this.lines.map(({ key }) => entries.filter((entry) => Number.isFinite(entry[key]))
      .map((entry) => [entry.batches, entry[key]]));
    const points = series.flat();
    this.element.hidden = series.every((line) => line.length < 2);
    if (this.element.hidden) return;
    const [left, right] = extent(points.map(([x]) => x)), [low, high] = roundedRange(...extent(points.map(([, y]) => y)));
    this.x = (batch) => LEFT + (batch - left) / (right - left || 1) * (WIDTH - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    this.marker = shape("line", { class: "marker", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.svg.replaceChildren(
      ...[low, (low + high) / 2, high].flatMap((value) => [
        shape("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
        text(shortNumber(value), { x: LEFT - 6, y: y(value) + 3.5, "text-anchor": "end" }),
      ]),
      text(number(left), { x: LEFT, y: HEIGHT - 5 }),
      text(number(right), { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }),
      ...series.map((line, index) => shape("polyline", {
        class: `series line-${index}`, points: thinned(line).map(([a, b]) => `${this.x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" "),
      })),
      this.marker,
    );
    const newest = series.map((line) => line.at(-1)?.[1]).filter((value) => value !== undefined).map(shortNumber);
    this.now.textContent = newest.join(" · ");
    this.svg.setAttribute("aria-label", t("curveLabel", { title: this.title, value: newest.join(", "), batches: right }));
  }

  /** Marks a batch, or none. */
  mark(batch) {
    if (!this.marker) return;
    const x = batch === null ? null : this.x(batch), inside = x !== null && x >= LEFT - 1 && x <= WIDTH - RIGHT + 1;
    this.marker.setAttribute("visibility", inside ? "visible" : "hidden");
    if (inside) for (const end of ["x1", "x2"]) this.marker.setAttribute(end, x);
  }
}

function shape(kind, attributes) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function text(content, attributes) {
  const element = shape("text", attributes);
  element.textContent = content;
  return element;
}

function extent(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/** Returns the range of an axis: from 0 if that is near, else a little more than the values need. */
function roundedRange(low, high) {
  if (low >= 0 && low < 0.5 * high) low = 0;
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low === 0 ? 0 : low - room, high + room];
}

/** Returns a line with at most `MAX_POINTS` points, each the mean of its neighbours. */
function thinned(line) {
  if (line.length <= MAX_POINTS) return line;
  const size = line.length / MAX_POINTS;
  return Array.from({ length: MAX_POINTS }, (_, n) => {
    const part = line.slice(Math.floor(n * size), Math.floor((n + 1) * size));
    return [0, 1].map((axis) => part.reduce((sum, point) => sum + point[axis], 0) / part.length);
  });
}
