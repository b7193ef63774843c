// Puts the client together: which page is whose, and what runs beside every page.

import { onConnection } from "./api.js";
import { startAttention } from "./attention.js";
import { hurry } from "./connection.js";
import { attend, heardElsewhere, stayWhile } from "./live.js";
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
import { startTabs } from "./tabs.js";

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
startAttention();
keepSocketForMessages();
startTabs(heardElsewhere);
startStrip();
start(withStrip(PAGES), document.getElementById("main"));
recall();

/** Messages may come for as long as this visitor holds seats or waits for some. */
function keepSocketForMessages() {
  stayWhile(() => holds()[0]?.show_id ?? entries()[0]?.show_id ?? null);
  onChange(attend);
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
