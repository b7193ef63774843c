// Nobody needs to wait: what they would wait for is free, and can be selected with one click.

import { h } from "../dom.js";
import { list } from "../format.js";

const SHOWN_MAX = 4;

/** Whether a problem is for this panel. */
export function hasAvailable(problem) {
  return problem.code === "seats_available" && (problem.body?.available ?? []).length > 0;
}

/** `onSelect(seats)` when they are chosen. The panel takes the focus. */
export function available(problem, onSelect) {
  const choices = problem.body.available.slice(0, SHOWN_MAX);
  return h("section", { class: "panel panel-good", tabindex: -1, role: "alert", "data-testid": "available" },
    h("h3", {}, "Free right now"),
    h("p", {}, problem.message),
    h("ul", { class: "choices", role: "list" }, choices.map((seats) => {
      const button = h("button", { type: "button", class: "button", "data-testid": "select-available" }, `Select ${list(seats)}`);
      button.addEventListener("click", () => onSelect(seats));
      return h("li", {}, button);
    })));
}
