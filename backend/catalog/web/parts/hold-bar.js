// The picked seats, their price, and the button that holds them.

import { h } from "../dom.js";
import { list, money, plural, times } from "../format.js";

/** `{element, draw(picked), focus()}`; `onHold(button)` is called only while something is picked. */
export function holdBar(show, { onHold, onClear }) {
  let count = 0;
  const words = h("p", {});
  const button = h("button", { type: "button", class: "button button-main", "data-testid": "hold-button" });
  const clear = h("button", { type: "button", class: "button button-plain", on: { click: onClear } }, "Clear");
  const element = h("div", { class: "hold-bar" }, words, button, clear);
  button.addEventListener("click", () => count > 0 && onHold(button));
  const draw = (picked) => {
    count = picked.length;
    words.textContent = summary(show, picked);
    button.textContent = count ? `Hold ${plural(count, "seat")}` : "Hold seats";
    button.disabled = count === 0;
    clear.hidden = count === 0;
    element.toggleAttribute("data-empty", count === 0);
  };
  return { element, draw, focus: () => button.focus() };
}

/** "Seats D4 and D5 · $25.00". */
export function summary(show, picked) {
  if (picked.length === 0) return "No seat picked yet.";
  const total = money(times(show.price, picked.length));
  return `${picked.length === 1 ? "Seat" : "Seats"} ${list(picked)}${total && ` · ${total}`}`;
}
