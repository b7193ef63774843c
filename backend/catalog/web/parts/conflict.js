// Somebody was faster: names the seats that are gone and offers others, one click each.

import { h } from "../dom.js";
import { list } from "../format.js";

const ALTERNATIVES_MAX = 4;

/** `onTake(seats, button)` when an alternative is chosen. The panel takes the focus. */
export function conflict(problem, onTake) {
  const alternatives = (problem.body.alternatives ?? []).slice(0, ALTERNATIVES_MAX);
  return h("section", { class: "panel panel-warn", tabindex: -1, role: "alert", "data-testid": "conflict" },
    h("h2", {}, "Not these seats"),
    h("p", {}, problem.message),
    alternatives.length ? h("p", {}, "Free right now:") : null,
    alternatives.length ? h("ul", { class: "choices", role: "list" }, alternatives.map((seats) => choice(seats, onTake))) : null);
}

function choice(seats, onTake) {
  const button = h("button", { type: "button", class: "button", "data-testid": "alternative" }, `Hold ${list(seats)}`);
  button.addEventListener("click", () => onTake(seats, button));
  return h("li", {}, button);
}
