/**
 * A grid of pictures of any number, of which only the visible rows are in the page.
 *
 * The page's own scroll bar moves it. The arrow keys move from picture to picture, Home and End to the first and the
 * last, PageUp and PageDown by a screen, and Enter or Space chooses.
 */

import { debounced, el } from "./dom.js";

/** Items that are requested at once. */
const PAGE = 200;

/** Rows that are drawn above and below the screen, so that scrolling shows no gap. */
const SPARE_ROWS = 3;

const GAP = 8;

export class GridView {
  /**
   * @param {Object} options
   * @param {string} options.label what the grid shows, for screen readers.
   * @param {(offset: number, limit: number) => Promise<{total: number, items: Object[]}>} options.load
   * @param {(cell: HTMLElement, item: Object) => void} options.draw fills a cell with an item.
   * @param {(item: Object, cell: HTMLElement) => void} options.choose
   * @param {(item: Object, cell: HTMLElement) => void} [options.point] called when the keyboard or a pointer is on it.
   * @param {number} [options.side] smallest width of a cell in pixels.
   */
  constructor({ label, load, draw, choose, point = () => {}, side = 120 }) {
    Object.assign(this, { load, draw, choose, point, side, items: new Map(), cells: new Map(), total: 0, current: 0, loading: new Set() });
    this.element = el("div.gridview", { role: "listbox", "aria-label": label, "aria-multiselectable": "true" });
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.element.addEventListener("click", (event) => this.withItem(event, (item, cell) => { this.focus(item.position); this.choose(item, cell); }));
    this.element.addEventListener("pointerover", (event) => this.withItem(event, this.point));
    this.element.addEventListener("focusin", (event) => this.withItem(event, this.point));
    this.onScroll = () => { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.render(); }); };
    this.loadVisible = debounced(() => this.loadPages(), 60);
    addEventListener("scroll", this.onScroll, { passive: true });
    this.observer = new ResizeObserver(this.onScroll);
    this.observer.observe(this.element);
    this.version = 0;
  }

  /** Stops listening to the page. */
  close() {
    removeEventListener("scroll", this.onScroll);
    this.observer.disconnect();
    this.version += 1;
  }

  /** Loads everything again; keeps the place, the focus, and the cells whose items are the same. */
  async reload() {
    this.version += 1;
    this.items.clear();
    this.loading.clear();
    await this.loadPage(this.firstVisiblePage());
    for (const [position, cell] of this.cells) {
      if (position >= this.total) { cell.remove(); this.cells.delete(position); }
      else if (!this.items.has(position)) { cell.replaceChildren(); cell.drawn = null; }
      cell.setAttribute("aria-setsize", this.total);
    }
    this.current = Math.min(this.current, Math.max(0, this.total - 1));
    this.render();
  }

  /** Draws one item again. */
  update(item) {
    this.items.set(item.position, item);
    const cell = this.cells.get(item.position);
    if (cell) this.fill(cell, item);
  }

  layout() {
    const width = this.element.clientWidth;
    const columns = Math.max(3, Math.floor((width + GAP) / (this.side + GAP)));
    return { columns, size: (width - (columns - 1) * GAP) / columns };
  }

  visibleRows() {
    const { size } = this.layout(), top = this.element.getBoundingClientRect().top;
    const first = Math.floor(-top / (size + GAP)) - SPARE_ROWS;
    return [Math.max(0, first), Math.max(0, first) + Math.ceil(innerHeight / (size + GAP)) + 2 * SPARE_ROWS];
  }

  firstVisiblePage() {
    return Math.floor(this.visibleRows()[0] * this.layout().columns / PAGE);
  }

  render() {
    const { columns, size } = this.layout();
    if (size <= 0) return;
    this.element.style.height = `${Math.max(0, Math.ceil(this.total / columns) * (size + GAP) - GAP)}px`;
    const [top, bottom] = this.visibleRows(), first = top * columns, last = Math.min(this.total, bottom * columns);
    for (const [position, cell] of this.cells) {
      if ((position < first || position >= last) && cell !== document.activeElement) {
        cell.remove();
        this.cells.delete(position);
      }
    }
    for (let position = first; position < last; position++) this.place(position, columns, size);
    this.loadVisible();
  }

  place(position, columns, size) {
    let cell = this.cells.get(position);
    if (!cell) {
      cell = el("div.cell", { role: "option", "data-position": position, "aria-posinset": position + 1, "aria-setsize": this.total });
      this.cells.set(position, cell);
      const item = this.items.get(position);
      if (item) this.fill(cell, item);
      this.element.append(cell);
    }
    cell.tabIndex = position === this.current ? 0 : -1;
    cell.style.width = cell.style.height = `${size}px`;
    cell.style.transform = `translate(${position % columns * (size + GAP)}px, ${Math.floor(position / columns) * (size + GAP)}px)`;
  }

  fill(cell, item) {
    const text = JSON.stringify(item);
    if (cell.drawn === text) return;
    cell.drawn = text;
    cell.replaceChildren();
    this.draw(cell, item);
  }

  loadPages() {
    const { columns } = this.layout(), [top, bottom] = this.visibleRows();
    const last = Math.min(this.total, bottom * columns) - 1;
    for (let page = Math.floor(top * columns / PAGE); page <= last / PAGE; page++) {
      if (!this.items.has(page * PAGE)) this.loadPage(page);
    }
  }

  async loadPage(page) {
    if (this.loading.has(page)) return;
    this.loading.add(page);
    const version = this.version;
    try {
      const { total, items } = await this.load(page * PAGE, PAGE);
      if (version !== this.version) return;
      this.total = total;
      items.forEach((item, n) => this.update({ ...item, position: page * PAGE + n }));
    } finally {
      this.loading.delete(page);
    }
  }

  withItem(event, act) {
    const cell = event.target.closest(".cell"), item = cell && this.items.get(Number(cell.dataset.position));
    if (item) act(item, cell);
  }

  focus(position) {
    const { columns, size } = this.layout();
    this.cells.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = Math.min(this.total - 1, Math.max(0, position));
    this.place(this.current, columns, size);
    const cell = this.cells.get(this.current);
    cell.focus({ preventScroll: true });
    cell.scrollIntoView({ block: "nearest" });
  }

  onKey(event) {
    const { columns, size } = this.layout(), screen = columns * Math.max(1, Math.floor(innerHeight / (size + GAP)) - 1);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: screen, PageUp: -screen, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      const target = this.current + steps[event.key];
      if (target >= 0 && target < this.total || !event.key.startsWith("Arrow")) this.focus(target);
      event.preventDefault();
    } else if (event.key === "Enter" || event.key === " ") {
      this.withItem(event, this.choose);
      event.preventDefault();
    }
  }
}

/** Lets the arrow keys, Home and End move the focus among the elements of a group; Tab leaves it. */
export function arrowKeys(group, selector) {
  const list = () => [...group.querySelectorAll(selector)].filter((element) => !element.disabled && !element.hidden);
  const settle = (current) => list().forEach((element) => { element.tabIndex = element === current ? 0 : -1; });
  group.addEventListener("focusin", (event) => { if (event.target.matches(selector)) settle(event.target); });
  group.addEventListener("keydown", (event) => {
    const elements = list(), index = elements.indexOf(event.target);
    if (index < 0) return;
    const row = elements.filter((element) => Math.abs(element.offsetTop - elements[0].offsetTop) < 2).length;
    const target = { ArrowRight: index + 1, ArrowLeft: index - 1, ArrowDown: index + row, ArrowUp: index - row, Home: 0, End: elements.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    elements[target]?.focus();
  });
  return () => { const elements = list(); if (!elements.some((element) => element.tabIndex === 0)) settle(elements[0]); };
}
