// "Find me seats": a party size and one button; the service chooses the seats.

import { h } from "../dom.js";
import { SEATS_MAX } from "../seat-map/selection.js";

const PARTY_AT_FIRST = 2;

/** `onHold(count, button)` when asked for; `onSize()` when the party changes. */
export function bestSeats(onHold, onSize) {
  const sizes = Array.from({ length: SEATS_MAX }, (_, index) => index + 1);
  const select = h("select", { id: "party", "data-testid": "party", on: { change: onSize } },
    sizes.map((size) => h("option", { value: size, selected: size === PARTY_AT_FIRST }, size)));
  const button = h("button", { type: "button", class: "button", "data-testid": "best-button" }, "Hold the best seats");
  const party = () => Number(select.value);
  button.addEventListener("click", () => onHold(party(), button));
  const element = h("section", { class: "best", "aria-labelledby": "best-title" },
    h("h2", { id: "best-title" }, "Let us choose"),
    h("p", { class: "field-inline" }, h("label", { for: "party" }, "How many of you?"), select),
    button);
  return { element, party };
}
