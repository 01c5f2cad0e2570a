/** The page: the rail with the places, and the place that the address names, such as `#/train/RUN`. */

import { el, fill, say } from "./dom.js";
import { explore } from "./explore.js";
import { gather } from "./gather.js";
import { icon } from "./icons.js";
import { askForPassword } from "./login.js";
import { clearToasts, report } from "./parts.js";
import { plan } from "./plan.js";
import { ACTIVE, on, openStore, runOf, store, watch } from "./store.js";
import { train } from "./train.js";
import { chooseLanguage, currentLanguage, LANGUAGES, t } from "./words.js";

const PLACES = { gather, plan, train, explore };

/** Kinds of IDs that a place's address names: a picture set or a run. */
const SUBJECT = { gather: "set", plan: "set", train: "run", explore: "run" };

const last = { set: null, run: null };
let open = null;
const main = el("main", { id: "main", tabindex: "-1" });
const links = {};
const banner = el("div.note.warning", { role: "alert", hidden: true });

function frame() {
  document.documentElement.lang = currentLanguage();
  const items = Object.keys(PLACES).map((name) => {
    links[name] = el("a", { href: `#/${name}` }, icon(name), el("span", {}, t(name)));
    return el("li", {}, links[name]);
  });
  const languages = Object.entries(LANGUAGES).map(([tag, name]) => el("button", {
    type: "button", lang: tag, "aria-pressed": String(tag === currentLanguage()), onclick: () => { chooseLanguage(tag); frame(); show(); },
  }, name));
  const foot = el("div.rail-foot", {}, el("div.languages", { role: "group", "aria-label": t("language") }, languages),
    el("p.soft.small", {}, `Pippin ${store.session.version}`));
  const skip = el("a.skip", { href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, t("skip"));
  fill(document.body, skip, el("div.frame", {},
    el("header.rail", {}, el("a.brand", { href: "#/gather" }, icon("apple"), "Pippin"),
      el("nav", { "aria-label": t("places") }, el("ul.places", {}, items)), foot),
    el("div", {}, banner, main)));
}

/** Shows the place that the address names. */
function show() {
  const [, name, subject, part] = location.hash.split("/");
  const place = name in PLACES ? name : "gather";
  const kind = SUBJECT[place];
  if (subject) last[kind] = subject;
  if (kind === "run" && subject && runOf(subject)?.set) last.set = runOf(subject).set;
  open?.close?.();
  watch(kind === "run" && subject ? subject : null);
  const element = el(`div.place.place-${place}`);
  fill(main, element);
  open = PLACES[place](element, subject || null, part || null) ?? null;
  for (const [key, link] of Object.entries(links)) {
    link.href = `#/${key}${last[SUBJECT[key]] ? `/${last[SUBJECT[key]]}` : ""}`;
    if (key === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (place === "gather" && subject) links.gather.href = "#/gather";
  document.title = `${t(place)} · Pippin`;
  markTraining();
}

/** Shows a dot beside Train while a run is trained. */
function markTraining() {
  if (!links.train) return; // the first events may come before the page is drawn
  const active = store.runs.some((run) => ACTIVE.has(run.state));
  links.train.querySelector(".dot")?.remove();
  if (active) links.train.append(el("span.dot", { role: "img", "aria-label": t("isTraining") }));
}

on("runs", markTraining);
on("online", (online) => {
  banner.hidden = online;
  say(banner, online ? "" : t("noAnswer"));
});
addEventListener("unhandledrejection", (event) => { event.preventDefault(); report(event.reason); });

let place = null;
addEventListener("hashchange", () => {
  const next = location.hash.split("/")[1];
  clearToasts();
  if (!links.train) return;
  show();
  if (next !== place) { main.focus({ preventScroll: true }); scrollTo(0, 0); }
  place = next;
});

openStore().then((allowed) => {
  if (!allowed) { askForPassword(); return; }
  place = location.hash.split("/")[1];
  frame();
  show();
}).catch((problem) => fill(document.body, el("p.note.problem", { role: "alert" }, problem.message)));
