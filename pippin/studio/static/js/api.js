/** Requests to the studio's server. */

import { said } from "./messages.js";
import { t } from "./words.js";

/** A request that failed; its message is a sentence for the user. */
export class Problem extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

let token = "";

/** Fetches the session, which holds the token for requests that change something. */
export async function openSession() {
  const session = await call("GET", "/api/session");
  token = session.token;
  return session;
}

async function call(method, path, body, options = {}) {
  const raw = body instanceof Blob;
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-Pippin-Token"] = token;
  if (body !== undefined) headers["Content-Type"] = raw ? "application/octet-stream" : "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: raw ? body : body && JSON.stringify(body), signal: options.signal });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Problem(t("noAnswer"), "offline", 0);
  }
  const contents = await response.json().catch(() => null);
  if (response.ok && contents === null) throw new Problem(t("noAnswer"), "offline", 0); // it ended in the middle of an answer
  if (response.ok) return contents;
  const { code = "internal", message = t("noReason", { n: response.status }) } = contents?.error ?? {};
  if (code === "forbidden" && !options.again && method !== "GET") {
    const before = token; // the server has another token after a restart
    await openSession();
    if (token !== before) return call(method, path, body, { ...options, again: true });
  }
  if (code === "unauthorised" && path !== "/api/login") location.assign("/login");
  throw new Problem(said(message), code, response.status);
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body = {}, options) => call("POST", path, body, options);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

/** Returns a path with a query; values that are null or empty are left out. */
export function query(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
