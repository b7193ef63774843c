// Gives up a place in line, and the offer if there is one.

import { remove } from "../api.js";
import { h } from "../dom.js";
import { forgetEntry } from "../memory.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { whileBusy } from "./busy.js";
import { errorLine } from "./states.js";

export function leaveButton(entry, words, testId = "leave-waitlist") {
  const error = errorLine();
  const button = h("button", { type: "button", class: "button button-plain", "data-testid": testId }, words);
  button.addEventListener("click", () => whileBusy(button, async () => {
    error.clear();
    try {
      await remove(`/api/waitlist/${encodeURIComponent(entry.id)}`).catch(passOver);
      forgetEntry(entry.id);
      await navigate(to.show(entry.show_id), { instead: true });
    } catch (problem) {
      error.show(problem);
    }
  }));
  return h("span", {}, button, error.element);
}

/** Over by itself already: the wish is fulfilled either way. */
function passOver(error) {
  if (![404, 410].includes(error.status)) throw error;
}
