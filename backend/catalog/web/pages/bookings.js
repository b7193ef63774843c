// What this browser has booked.

import { get } from "../api.js";
import { h } from "../dom.js";
import { ticket } from "../parts/ticket.js";
import { to } from "../routes.js";
import { loadShowIfPossible } from "../shows.js";

export async function bookingsPage({ signal }) {
  const { bookings } = await get("/api/bookings", { signal });
  const shows = await showsOf(bookings, signal);
  const content = h("section", { class: "narrow" },
    h("h1", {}, "My bookings"),
    bookings.length
      ? h("ul", { class: "tickets", role: "list", "data-testid": "bookings" }, bookings.map((booking) =>
        h("li", {}, ticket(booking, shows.get(booking.show_id), { href: to.booking(booking.id) }))))
      : h("div", { class: "panel" }, h("p", {}, "Nothing is booked from this browser yet."),
        h("p", {}, h("a", { href: "/" }, "See what is playing"))));
  return { title: "My bookings", content };
}

async function showsOf(bookings, signal) {
  const ids = [...new Set(bookings.map(({ show_id }) => show_id))];
  const shows = await Promise.all(ids.map((id) => loadShowIfPossible(id, signal)));
  return new Map(ids.map((id, index) => [id, shows[index]]));
}
