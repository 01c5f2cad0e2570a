/** The words of the page in the user's language. */

import { japanese } from "../words/ja.js";
import { english } from "../words/en.js";

const WORDS = { en: english, ja: japanese };

/** Names of the languages, each in itself. */
export const LANGUAGES = { en: "English", ja: "日本語" };

const KEY = "pippin.language";
let language = chosenLanguage();

/** Returns the language that the user chose, else the first of the browser's languages that the page has. */
function chosenLanguage() {
  const stored = localStorage.getItem(KEY);
  if (stored in WORDS) return stored;
  const known = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => tag in WORDS);
  return known ?? "en";
}

export const currentLanguage = () => language;

export function chooseLanguage(tag) {
  localStorage.setItem(KEY, tag);
  language = tag;
}

/**
 * Returns a text in the user's language.
 * @param {string} key its key in `words/en.js`.
 * @param {Object} [values] values for the names in braces. If the text has a form for one and a form for several,
 *   separated by "|", the value `n` chooses; numbers are formatted.
 */
export function t(key, values = {}) {
  const text = WORDS[language][key] ?? english[key] ?? key;
  const forms = text.split("|");
  const form = forms.length > 1 && Number(values.n) !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? "");
  });
}

/** Returns whether there is a text with this key. */
export const hasWord = (key) => key in english;

/** Returns a number as the user's language writes it. */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** Returns a number with three significant digits. */
export function shortNumber(value) {
  return new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(value);
}

/** Returns a duration in words: seconds, minutes or hours. */
export function duration(seconds) {
  if (seconds < 90) return t("seconds", { n: Math.max(1, Math.round(seconds)) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("minutes", { n: minutes });
  const hours = Math.floor(minutes / 60), rest = minutes % 60;
  if (hours >= 10 || rest === 0) return t("hours", { n: Math.round(minutes / 60) });
  return `${t("hours", { n: hours })}${t("hoursAnd")}${t("minutes", { n: rest })}`;
}

/** Returns a number of bytes in words. */
export function bytes(count) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, count)) / Math.log(1000)));
  const style = { style: "unit", unit: units[power], unitDisplay: power ? "short" : "long", maximumSignificantDigits: 2 };
  return new Intl.NumberFormat(language, style).format(count / 1000 ** power);
}

/** Returns a moment as a date and time, or as a time if it is today. */
export function moment(seconds) {
  const date = new Date(1000 * seconds), today = date.toDateString() === new Date().toDateString();
  const day = today ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language, { ...day, hour: "numeric", minute: "2-digit" }).format(date);
}
