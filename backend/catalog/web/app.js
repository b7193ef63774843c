// Puts the client together: which page is whose, and what runs beside every page.

import { onConnection } from "./api.js";
import { hurry } from "./connection.js";
import { attend, stayWhile } from "./live.js";
import { entries, holds, onChange } from "./memory.js";
import { recall, startNotifications } from "./notifications.js";
import { bookingPage } from "./pages/booking.js";
import { bookingsPage } from "./pages/bookings.js";
import { filmPage } from "./pages/film.js";
import { filmsPage } from "./pages/films.js";
import { holdPage } from "./pages/hold.js";
import { showPage } from "./pages/show.js";
import { waitlistPage } from "./pages/waitlist.js";
import { drawStrip, startStrip } from "./parts/strip.js";
import { start } from "./router.js";

const PAGES = {
  films: filmsPage,
  film: filmPage,
  show: showPage,
  hold: holdPage,
  bookings: bookingsPage,
  booking: bookingPage,
  waitlist: waitlistPage,
};

startConnectionLine();
startNotifications();
keepSocketForMessages();
startStrip();
start(withStrip(PAGES), document.getElementById("main"));
recall();

/** Messages may come for as long as this tab holds seats or waits for some. */
function keepSocketForMessages() {
  const reason = () => holds()[0]?.show_id ?? entries()[0]?.show_id ?? null;
  const stay = () => reason() && attend(reason());
  stayWhile(reason);
  onChange(stay);
  stay();
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", () => document.hidden || hurry());
}

function startConnectionLine() {
  const line = document.getElementById("connection");
  const show = (connected) => {
    const words = connected ? "" : "The connection is lost. Trying again…";
    if (line.textContent !== words) line.textContent = words;
    line.hidden = connected;
  };
  onConnection(show);
  addEventListener("offline", () => show(false));
  addEventListener("online", () => show(true));
}

function withStrip(pages) {
  return Object.fromEntries(Object.entries(pages).map(([name, page]) => [name, (context) => {
    drawStrip();
    return page(context);
  }]));
}
