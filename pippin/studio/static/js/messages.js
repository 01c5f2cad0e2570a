/** Sentences of the server in the user's language. They are sent in English: reasons, findings, errors, output. */

import { messages } from "../words/messages.js";
import { currentLanguage } from "./words.js";

/** Words before what the user gave, at the end of an error. */
const RECEIVED = " Received: ";

/** A place for a value in a translation, a number, and what a value does not contain; as in `pippin/translation`. */
const HOLE = /\{(\d*)(!t|!k|:n)?\}/;
const NUMBER = /^[-+−~]?[0-9][0-9.,:/%×]*(?:e[-+]?[0-9]+)?$/;
const SENTENCE_END = /[.?!] [\p{Lu}\p{Lo}]|; [a-z]/u;
const CLOSING = "。、：；）」";
const MOST_PARTS = 4;

let catalogue = null;

/** Returns the catalogue, parsed when a sentence is first translated: sentences, and templates, the longest first. */
function parsed() {
  const entries = Object.entries(messages).map(([english, japanese]) => [withoutStop(english), japanese]);
  return {
    sentences: new Map(entries.filter(([english]) => !english.includes("{}"))),
    templates: entries.filter(([english]) => english.includes("{}")).map(template)
      .sort((a, b) => b.literal - a.literal),
  };
}

function template([english, japanese]) {
  const pieces = english.split("{}"), parts = japanese.split(HOLE), holes = [];
  let following = 0;
  for (let at = 1; at < parts.length; at += 3) holes.push({ value: parts[at] ? parts[at] - 1 : following++, kind: parts[at + 1] ?? "", after: parts[at + 2] });
  return { first: pieces[0], middle: pieces.slice(1, -1), last: pieces.at(-1), start: parts[0], holes, literal: pieces.join("").length };
}

function withoutStop(text) {
  return text.replace(/\.$/, "");
}

/** Returns a sentence of the server in the user's language; in English where no translation is known. */
export function said(text) {
  if (!text || currentLanguage() !== "ja") return text;
  catalogue ??= parsed();
  return sentence(text);
}

function sentence(text) {
  const split = text.indexOf(RECEIVED);
  if (split > 0) {
    const received = text.slice(split + 1);
    return `${sentence(text.slice(0, split))}（${find(received) ?? received}）`;
  }
  const found = find(text);
  if (found !== null) return found;
  if (text.includes("  ")) return text.split("  ").map(sentence).join("  ");
  for (const [separator, mark] of [[". ", "。"], ["; ", "；"]]) {
    if (text.includes(separator)) return text.split(separator).map(sentence).join(mark).replaceAll(`。${mark}`, "。");
  }
  return text;
}

/** Returns the translation by the template that fits best, or null. */
function find(given) {
  const text = withoutStop(given);
  const known = catalogue.sentences.get(text) ?? catalogue.sentences.get(text.slice(0, 1).toLowerCase() + text.slice(1));
  if (known !== undefined) return known;
  for (const each of catalogue.templates) {
    const values = match(each, text), filled = values && fill(each, values);
    if (filled !== null) return filled;
  }
  return null;
}

function match({ first, middle, last, holes }, text) {
  const end = text.length - last.length, values = [];
  let position = first.length;
  if (position > end || !text.startsWith(first) || !text.endsWith(last)) return null;
  for (const piece of middle) {
    const found = text.indexOf(piece, position);
    if (found < 0 || found + piece.length > end) return null;
    values.push(text.slice(position, found));
    position = found + piece.length;
  }
  values.push(text.slice(position, end));
  return holes.every(({ value, kind }) => fits(values[value], kind)) ? values : null;
}

function fits(value, kind) {
  if (kind === ":n") return NUMBER.test(value);
  return Boolean(kind) || !SENTENCE_END.test(value);
}

function fill({ start, holes }, values) {
  let text = start;
  for (const { value, kind, after } of holes) {
    let shown = values[value];
    if (kind === "!k" && find(shown) === null) return null;
    if (kind) shown = kind === ":n" ? shown : phrase(shown);
    if (kind && after && CLOSING.includes(after[0])) shown = shown.replace(/。$/, "");
    text += shown + after;
  }
  return text;
}

/** Returns a value in the user's language; of a list with commas, the phrases that are known. */
function phrase(text) {
  if (!text.includes(", ")) return find(text) ?? text;
  const phrases = [];
  let parts = text.split(", "), all = true;
  while (parts.length) {
    let count = 1, known = null;
    while (count <= MOST_PARTS && count <= parts.length && (known = find(parts.slice(0, count).join(", "))) === null) count += 1;
    phrases.push(known ?? parts[0]);
    all &&= known !== null;
    parts = parts.slice(known === null ? 1 : count);
  }
  return (all ? null : find(text)) ?? phrases.join("、");
}
