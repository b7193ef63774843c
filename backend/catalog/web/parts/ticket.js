// A booking as it stands in the list and on its own page.

import { remove } from "../api.js";
import { h, replace } from "../dom.js";
import { dayAndTime, list, money } from "../format.js";
import { whileBusy } from "./busy.js";
import { showCard } from "./show-card.js";
import { errorLine } from "./states.js";

/** `href` gives the ticket a link to its own page; without, it stands there and shows the code for the door. */
export function ticket(booking, show, { href } = {}) {
  const element = h("article", { class: "ticket", "data-testid": "booking", "data-booking-id": booking.id });
  draw(element, booking, show, href);
  return element;
}

function draw(element, booking, show, href) {
  element.dataset.status = booking.status;
  const cancelled = booking.status === "cancelled";
  replace(element,
    showCard(show),
    h("div", { class: "ticket-facts" },
      h("p", { class: "stamp" }, cancelled ? "Cancelled" : "Booked"),
      h("p", {}, h("strong", {}, booking.seats.length === 1 ? "Seat " : "Seats ", list(booking.seats))),
      h("p", { class: "quiet" }, [money(booking.price), `booked ${dayAndTime(booking.booked_at)}`].filter(Boolean).join(" · "))),
    href || cancelled ? null : doorCode(booking),
    h("div", { class: "ticket-actions" },
      href ? h("a", { href }, "Show ticket") : null,
      cancelled ? null : cancelling(booking, (after) => {
        draw(element, { ...booking, ...after, status: "cancelled" }, show, href);
        element.tabIndex = -1;
        element.focus();
      })));
}

/** What is scanned at the door: a picture, and the same as text for whoever cannot show it. */
function doorCode({ id, seats, ticket: signed }) {
  if (!signed) return null;
  const alt = `QR code of the ticket for ${seats.length === 1 ? "seat" : "seats"} ${list(seats)}`;
  return h("figure", { class: "door-code", "data-testid": "ticket-code" },
    h("img", { src: `/api/bookings/${encodeURIComponent(id)}/ticket.svg`, alt, width: 256, height: 256 }),
    h("figcaption", {}, h("p", {}, "Show this at the door."), h("code", {}, signed.code)));
}

/** Two steps, so no booking is lost to a slip of the finger. */
function cancelling(booking, onCancelled) {
  const place = h("div", { class: "actions" });
  const error = errorLine();
  const ask = h("button", { type: "button", class: "button button-plain", "data-testid": "cancel-button" }, "Cancel booking");
  const yes = h("button", { type: "button", class: "button button-danger", "data-testid": "cancel-confirm" }, "Yes, give the seats back");
  const no = h("button", { type: "button", class: "button button-plain" }, "Keep it");
  ask.addEventListener("click", () => { replace(place, yes, no, error.element); yes.focus(); });
  no.addEventListener("click", () => { replace(place, ask); ask.focus(); });
  yes.addEventListener("click", () => whileBusy(yes, async () => {
    error.clear();
    try {
      onCancelled(await remove(`/api/bookings/${encodeURIComponent(booking.id)}`));
    } catch (problem) {
      error.show(problem);
    }
  }));
  return replace(place, ask);
}
