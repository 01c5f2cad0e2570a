/** The audit of a picture set as pictures: a click leaves one out or takes it back. */

import { get, post, query } from "./api.js";
import { debounced, el, fill, setAttributes } from "./dom.js";
import { GridView } from "./gridview.js";
import { icon } from "./icons.js";
import { busy, button, chip, Command, heading, Progress, report } from "./parts.js";
import { PictureInspector, stateOf } from "./inspector.js";
import { finished, on, setOf } from "./store.js";
import { number, t } from "./words.js";

/** The filters, in the order of the chips; those without a picture are left away. */
const STATUSES = ["all", "kept", "repaired", "refused", "duplicate", "outlier", "unusual", "left_out"];

/** Pictures up to which the search for outliers continues when the user leaves: a plan waits for it, and it takes seconds. */
const FEW = 1000;

export function pictureSet(place, id) {
  const title = el("div.stack"), chips = el("div.chips", { role: "group", "aria-label": t("filter") });
  const progress = new Progress(), command = new Command();
  const summary = el("p.soft", { "aria-live": "polite" }), searching = el("p.soft.small", { role: "status", hidden: true }, t("findingOutliers"));
  const leaving = new AbortController();
  progress.element.hidden = true;
  let status = "all", search = "", audit = null, counts = null, set = setOf(id), canLeaveOut = false, result = null, closed = false, toggles = 0;

  const grid = new GridView({ label: t("picturesLabel"), load, draw, choose: toggle, point: (item) => inspector.show(item), side: 118 });
  const inspector = new PictureInspector(id, (item) => toggle(item), () => canLeaveOut);
  const field = el("input", { type: "search", "aria-label": t("searchName"), placeholder: t("searchName"),
    oninput: debounced(() => { search = field.value.trim(); reload(); }, 250) });
  const hint = el("p.soft.small", {}, t("clickHint"));
  const again = button(t("lookAgain"), () => busy(again, () => check().then(() => findOutliers())), { kind: "quiet" });
  const results = el("div.columns.audit", { hidden: true },
    el("div.stack", {}, chips, el("div.filters", {}, hint, field), grid.element),
    el("aside.side", { "aria-label": t("chosenPicture") }, inspector.element));
  fill(place, title, progress.element, el("div.summary", {}, summary, searching), results, el("details", {}, el("summary", {}, t("more"), icon("more")),
    el("div.stack", {}, again, command.element)));

  function drawTitle() {
    fill(title, heading(set?.name ?? "", set?.kind === "built_in" ? t("builtIn") : set?.path,
      el("a.button.primary.big", { href: `#/plan/${id}` }, t("toPlan"), icon("next"))));
  }

  async function begin() {
    set ??= await get(`/api/sets/${id}`);
    drawTitle();
    if (set.audit) await showAudit(set.audit);
    else await check();
    await findOutliers();
  }

  /** Audits the set with or without a search for outliers, or waits for the audit that runs already. */
  async function audited(outliers, progressed, signal) {
    const { job } = await get(`/api/sets/${id}`);
    const made = job ? { job } : await post(`/api/sets/${id}/audit`, { image_size: 64, outliers });
    return finished(made.job, progressed, signal);
  }

  /** Checks the files, and shows them. */
  async function check() {
    progress.element.hidden = false;
    progress.set(null, t("looking"));
    try {
      await showAudit(await audited(false, (job) => progress.set(job.total ? job.done / job.total : null,
        job.total ? t("lookedAt", { done: job.done, n: job.total }) : t("looking"))));
    } finally {
      progress.element.hidden = true;
    }
  }

  /** Finds outliers, which loads a network and takes longer, while the pictures are shown already. */
  async function findOutliers() {
    searching.hidden = false;
    try {
      while (!result.searched && !closed) await showAudit(await audited(true, () => {}, counts.all > FEW ? leaving.signal : undefined));
    } finally {
      searching.hidden = true;
    }
  }

  async function showAudit(found) {
    if (closed) return;
    const isNew = audit !== found.audit || JSON.stringify(counts) !== JSON.stringify(found.counts);
    result = found;
    results.hidden = false;
    ({ counts } = result);
    canLeaveOut = set.kind !== "built_in" && result.can_leave_out !== false;
    hint.hidden = !canLeaveOut;
    drawChips();
    if (isNew) await reload();
    if (!command.code.textContent) post(`/api/sets/${id}/audit`, { image_size: 64, outliers: true, dry: true }).then((made) => command.set(made.command));
  }

  function drawChips() {
    const usable = counts.kept + counts.repaired - counts.left_out;
    summary.textContent = t(counts.left_out ? "usableLeftOut" : "usable", { n: usable, left: counts.left_out });
    fill(chips, STATUSES.filter((name) => counts[name] || name === "all").map((name) =>
      chip(t(`status_${name}`), name === status, () => { status = name; drawChips(); reload(); }, number(counts[name] ?? 0))));
  }

  const reload = () => grid.reload().catch(report);

  async function load(offset, limit) {
    const before = toggles, page = await get(query(`/api/sets/${id}/pictures`, { status, search, offset, limit }));
    if (before !== toggles) return load(offset, limit); // the answer may be older than a click
    audit = page.audit;
    if (JSON.stringify(page.counts) !== JSON.stringify(counts)) { ({ counts } = page); drawChips(); }
    if (!page.total) inspector.show(null);
    return page;
  }

  function draw(cell, item) {
    const state = stateOf(item);
    cell.classList.toggle("out", item.left_out);
    cell.classList.toggle("refused", item.status === "refused");
    setAttributes(cell, { "aria-selected": String(!item.left_out && item.status !== "refused"), "aria-label": `${item.path}, ${state.text}` });
    cell.append(item.thumb ? el("img", { src: item.thumb, alt: "", loading: "lazy", decoding: "async", draggable: "false" }) : el("div.no-picture", {}, icon("close")));
    if (state.mark) cell.append(el(`span.mark.mark-${state.kind}`, {}, icon(state.mark)));
  }

  async function toggle(item) {
    if (!canLeaveOut || item.status === "refused") { inspector.show(item); return; }
    const change = (left_out) => {
      const changed = { ...item, left_out };
      grid.update(changed);
      inspector.show(changed);
    };
    change(!item.left_out);
    toggles += 1;
    try {
      const made = await post(`/api/sets/${id}/leave-out`, { audit, pictures: [item.n], left_out: !item.left_out });
      ({ counts } = made);
      if (made.command) command.set(made.command);
      drawChips();
    } catch (problem) {
      change(item.left_out);
      report(problem);
      if (problem.code === "stale") reload();
    }
    toggles += 1;
  }

  const off = on("sets", () => { set = setOf(id) ?? set; });
  begin().catch(report);
  return { close: () => { closed = true; off(); leaving.abort(); grid.close(); } };
}
