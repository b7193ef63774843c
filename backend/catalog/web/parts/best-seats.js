// "Find me seats": a party size, whether there must be room for a wheelchair, and one button; the service chooses the seats.

import { h } from "../dom.js";
import { SEATS_MAX } from "../seat-map/selection.js";

const PARTY_AT_FIRST = 2;

/** `onHold(wish, button)` with what to ask the service for; `onSize()` when the party changes. */
export function bestSeats(onHold, onSize) {
  const sizes = Array.from({ length: SEATS_MAX }, (_, index) => index + 1);
  const select = h("select", { id: "party", "data-testid": "party", on: { change: onSize } },
    sizes.map((size) => h("option", { value: size, selected: size === PARTY_AT_FIRST }, size)));
  const button = h("button", { type: "button", class: "button", "data-testid": "best-button" }, "Hold the best seats");
  const accessible = h("input", { type: "checkbox", id: "accessible", "data-testid": "accessible" });
  const party = () => Number(select.value);
  button.addEventListener("click", () => onHold(bestWish(party(), accessible.checked), button));
  const element = h("section", { class: "best", "aria-labelledby": "best-title" },
    h("h2", { id: "best-title" }, "Let us choose"),
    h("p", { class: "field-inline" }, h("label", { for: "party" }, "How many of you?"), select),
    h("p", { class: "field-inline" }, accessible, h("label", { for: "accessible" }, "With room for a wheelchair")),
    button);
  return { element, party };
}

/** What is asked for; places that are kept are not mentioned by those who do not need one. */
export function bestWish(best, accessible) {
  return accessible ? { best, accessible } : { best };
}
