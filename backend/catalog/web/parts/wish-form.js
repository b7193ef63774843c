// The fields of what somebody waits for: how many seats, together, room for a wheelchair, a price, and where to be told.

import { h } from "../dom.js";
import { SEATS_MAX } from "../seat-map/selection.js";
import { wishOf } from "../wish.js";
import { keptEmail } from "./kept-email.js";

/**
 * `{party, conditions, suggest(size), size(), wish(seats), wishForOne(seat)}`: the first two are elements. A suggested size counts until the
 * visitor chooses one here; `onSize()` when they do. Who wishes for one seat, and no more, can be told as well.
 */
export function wishForm(show, onSize) {
  const currency = show.price?.currency ?? "USD";
  const sizes = Array.from({ length: SEATS_MAX }, (_, index) => h("option", { value: index + 1 }, index + 1));
  const select = h("select", { id: "waiting-party", "data-testid": "waitlist-party" }, sizes);
  const together = box("waiting-together", "Only next to each other");
  const accessible = box("waiting-accessible", "With room for a wheelchair");
  const price = h("input", {
    id: "waiting-price", "data-testid": "waiting-price", inputmode: "decimal", size: 7, pattern: "[0-9]+([.,][0-9]{1,2})?", title: "An amount such as 12.50",
  });
  const email = h("input", {
    id: "waiting-email", "data-testid": "waiting-email", type: "email", autocomplete: "email", maxlength: 254, value: keptEmail(),
  });
  let chosen = false;
  const size = () => Number(select.value);
  const resize = () => { together.element.hidden = size() < 2; };
  select.addEventListener("change", () => {
    chosen = true;
    resize();
    onSize();
  });
  return {
    party: h("p", { class: "field-inline" }, h("label", { for: "waiting-party" }, "Seats you need"), select),
    conditions: h("div", {}, together.element, h("details", { class: "more" },
      h("summary", {}, "More wishes"),
      accessible.element,
      field("waiting-price", `At most, for a seat (${currency})`, price),
      field("waiting-email", "E-mail, to be told when no page is open", email))),
    suggest: (suggested) => {
      if (!chosen) select.value = suggested;
      resize();
    },
    size,
    wish: (seats) => wishOf({
      party: size(), seats, together: together.input.checked, accessible: accessible.input.checked,
      priceMax: price.value, currency, email: email.value,
    }),
    wishForOne: (seat) => wishOf({ party: 1, seats: [seat], email: email.value }),
  };
}

function box(id, words) {
  const input = h("input", { type: "checkbox", id, "data-testid": id });
  return { input, element: h("p", { class: "field-inline" }, input, h("label", { for: id }, words)) };
}

function field(id, words, input) {
  return h("p", { class: "field" }, h("label", { for: id }, words), input);
}
