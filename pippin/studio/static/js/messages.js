/** Sentences of the server in the user's language. They are stored in English: reasons, findings and errors. */

import { messages } from "../words/messages.js";
import { currentLanguage } from "./words.js";

/** Words before what the user gave, at the end of an error. */
const RECEIVED = " Received: ";

let compiled = null;

/** Returns the sentences as expressions, beginning with the longest. They are compiled when one is first translated. */
function patterns() {
  compiled ??= Object.entries(messages).map(([english, japanese]) => ({ english: withoutStop(english), japanese }))
    .sort((a, b) => literal(b) - literal(a))
    .map(({ english, japanese }) => ({ japanese, expression: new RegExp(`^${english.split("{}").map(escaped).join("(.+?)")}$`, "s") }));
  return compiled;
}

/** Returns how many characters of a sentence are not values: of two sentences that fit, the one with more is meant. */
function literal({ english }) {
  return english.replaceAll("{}", "").length;
}

function withoutStop(text) {
  return text.replace(/\.$/, "");
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Returns a sentence of the server in the user's language; in English if no translation is known. */
export function said(text) {
  if (!text || currentLanguage() !== "ja") return text;
  const split = text.indexOf(RECEIVED);
  if (split > 0) return `${said(text.slice(0, split))}（入力：${text.slice(split + RECEIVED.length)}）`;
  for (const { expression, japanese } of patterns()) {
    const found = expression.exec(withoutStop(text));
    if (found) return withValues(japanese, found.slice(1).map(said));
  }
  return text;
}

function withValues(text, values) {
  let next = 0;
  return text.replace(/\{(\d*)\}/g, (_, number) => values[number ? number - 1 : next++] ?? "");
}
