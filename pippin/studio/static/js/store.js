/** What the page knows of the server: the session, the runs, the picture sets and the jobs, kept up to date by events. */

import { get, openSession, Problem, remove } from "./api.js";
import { said } from "./messages.js";
import { t } from "./words.js";

export const store = { session: null, runs: [], sets: [], details: new Map(), online: true };

const listeners = new Map();
let source = null, watched = null;

/** Calls `act` whenever something with this name changes; returns a function that ends that. */
export function on(name, act) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(act);
  return () => listeners.get(name).delete(act);
}

function emit(name, value) {
  for (const act of [...(listeners.get(name) ?? [])]) act(value);
}

/** Fetches the session; true if the user may use the studio. */
export async function openStore() {
  store.session = await openSession();
  if (!store.session.authenticated) return false;
  const [{ runs }, { sets }] = await Promise.all([get("/api/runs"), get("/api/sets")]);
  Object.assign(store, { runs, sets });
  watch(null);
  return true;
}

/** Listens to the events of the server, and to those of one run. */
export function watch(run) {
  if (source && watched === run) return;
  source?.close();
  watched = run;
  source = new EventSource(run ? `/api/events?run=${run}` : "/api/events");
  source.addEventListener("runs", ({ data }) => { store.runs = JSON.parse(data).runs; emit("runs", store.runs); });
  source.addEventListener("sets", ({ data }) => { store.sets = JSON.parse(data).sets; emit("sets", store.sets); });
  source.addEventListener("run", ({ data }) => {
    const detail = JSON.parse(data);
    store.details.set(detail.id, detail);
    emit("run", detail);
  });
  source.addEventListener("job", ({ data }) => emit("job", JSON.parse(data)));
  source.addEventListener("open", async () => {
    if (!store.online) await openSession().catch(() => null);
    setOnline(true);
  });
  source.addEventListener("error", () => {
    setOnline(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (watched === run) { source = null; watch(run); } }, 2000);
  });
}

function setOnline(online) {
  if (store.online === online) return;
  store.online = online;
  emit("online", online);
}

export const runOf = (id) => store.runs.find((run) => run.id === id) ?? null;
export const setOf = (id) => store.sets.find((set) => set.id === id) ?? null;

/** States in which a process trains the run. */
export const ACTIVE = new Set(["starting", "training", "stopping"]);

const ENDED = new Set(["done", "failed", "cancelled"]);

/** Milliseconds between questions about a job, in case its events are lost. */
const POLL = 3000;

/**
 * Waits for a job's result.
 * @param {Object|string} job the job, or its ID.
 * @param {(job: Object) => void} [progress]
 * @param {AbortSignal} [signal] cancels the job.
 */
export function finished(job, progress = () => {}, signal = undefined) {
  const id = job.id ?? job;
  return new Promise((resolve, reject) => {
    let timer;
    const settle = (value) => {
      if (value.id !== id) return;
      progress(value);
      if (!ENDED.has(value.state)) return;
      off();
      clearInterval(timer);
      if (value.state === "done") resolve(value.result);
      else if (value.state === "cancelled") reject(new DOMException("cancelled", "AbortError"));
      else reject(new Problem(said(value.message) || t("noReason", { n: "" }), "job", 0));
    };
    const off = on("job", settle);
    const ask = () => get(`/api/jobs/${id}`).then(settle).catch((problem) => {
      if (problem.code !== "not_found") return;
      off();
      clearInterval(timer);
      reject(problem);
    });
    timer = setInterval(ask, POLL);
    ask();
    signal?.addEventListener("abort", () => {
      off();
      clearInterval(timer);
      remove(`/api/jobs/${id}`).catch(() => null);
      reject(new DOMException("cancelled", "AbortError"));
    });
  });
}
