/** The form that asks for the password of a studio. */

import { openSession, post } from "./api.js";
import { el, fill, say } from "./dom.js";
import { icon } from "./icons.js";
import { currentLanguage, t } from "./words.js";

/** Shows the form instead of the page; with the right password, the page is loaded again. */
export function askForPassword() {
  const field = el("input", { type: "password", autocomplete: "current-password", required: true, id: "password" });
  const message = el("p.note.problem", { role: "alert", hidden: true });
  const enter = el("button.button.primary.big", { type: "submit" }, t("enter"));

  async function submit(event) {
    event.preventDefault();
    enter.disabled = true;
    message.hidden = true;
    try {
      await openSession();
      await post("/api/login", { password: field.value });
      location.reload();
    } catch (problem) {
      message.hidden = false;
      say(message, problem.message);
      field.select();
    }
    enter.disabled = false;
  }

  document.documentElement.lang = currentLanguage();
  fill(document.body, el("main.login", {}, el("form.card", { onsubmit: submit }, el("h1.brand", {}, icon("apple"), "Pippin"),
    el("label.field", { for: "password" }, el("span.label", {}, t("password")), field), message, enter)));
  field.focus();
}
