// Seats that cannot be had: names those that are gone, or would be left alone, and offers others, one click each.

import { h } from "../dom.js";
import { list } from "../format.js";

const ALTERNATIVES_MAX = 4;

// What is said above the panel, and above what is offered.
const WORDS = {
  seats_unavailable: { title: "Not these seats", offer: "Free right now:" },
  leaves_single_seat: { title: "One seat would be left over", offer: "These leave none:" },
};

/** Whether a problem is for this panel. */
export function isConflict(problem) {
  return Object.hasOwn(WORDS, problem.code ?? "");
}

/** `onTake(seats, button)` when an alternative is chosen. The panel takes the focus. */
export function conflict(problem, onTake) {
  const { title, offer } = WORDS[problem.code] ?? WORDS.seats_unavailable;
  const alternatives = (problem.body.alternatives ?? []).slice(0, ALTERNATIVES_MAX);
  return h("section", { class: "panel panel-warn", tabindex: -1, role: "alert", "data-testid": "conflict" },
    h("h2", {}, title),
    h("p", {}, problem.message),
    alternatives.length ? h("p", {}, offer) : null,
    alternatives.length ? h("ul", { class: "choices", role: "list" }, alternatives.map((seats) => choice(seats, onTake))) : null);
}

function choice(seats, onTake) {
  const button = h("button", { type: "button", class: "button", "data-testid": "alternative" }, `Hold ${list(seats)}`);
  button.addEventListener("click", () => onTake(seats, button));
  return h("li", {}, button);
}
