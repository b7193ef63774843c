// One booking: the ticket.

import { get } from "../api.js";
import { h } from "../dom.js";
import { ticket } from "../parts/ticket.js";
import { setQuery } from "../router.js";
import { loadShowIfPossible } from "../shows.js";

export async function bookingPage({ id, query, signal }) {
  const booking = await get(`/api/bookings/${encodeURIComponent(id)}`, { signal });
  const show = await loadShowIfPossible(booking.show_id, signal);
  const fresh = query.has("new") && booking.status === "booked";
  if (query.has("new")) setQuery({ new: "" });
  const content = h("section", { class: "narrow" },
    h("h1", {}, fresh ? "Booked. Enjoy the film!" : "Your booking"),
    ticket(booking, show),
    h("p", {}, h("a", { href: "/bookings" }, "All my bookings")));
  return { title: fresh ? "Booked" : "Your booking", content };
}
