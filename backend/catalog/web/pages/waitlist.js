// One place in line: how far to the front, and the offer when it is this visitor's turn.

import { get, remove } from "../api.js";
import { h, replace } from "../dom.js";
import { list, plural } from "../format.js";
import { follow, onNotice } from "../live.js";
import { forgetEntry, keepEntry } from "../memory.js";
import { announce } from "../parts/announcer.js";
import { whileBusy } from "../parts/busy.js";
import { deadline } from "../parts/countdown.js";
import { liveState } from "../parts/live-state.js";
import { withdraw } from "../parts/notices.js";
import { showCard } from "../parts/show-card.js";
import { errorLine } from "../parts/states.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { loadShowIfPossible } from "../shows.js";

const LOOK_AGAIN_MS = 5_000; // the position moves without a message
const AFTER_DEADLINE_MS = 1_200;

export async function waitlistPage({ id, signal }) {
  const entry = await read(id, signal);
  const show = await loadShowIfPossible(entry.show_id, signal);
  const place = h("div", { class: "line-place" });
  const view = { id, signal, place, show, drawn: "", stop: new AbortController() };
  follow(entry.show_id, () => {}, signal);
  onNotice((message) => concerns(message, view) && lookAgain(view), signal);
  const timer = setInterval(() => document.hidden || lookAgain(view), LOOK_AGAIN_MS);
  signal.addEventListener("abort", () => { clearInterval(timer); view.stop.abort(); }, { once: true });
  draw(view, entry);
  const content = h("article", { class: "narrow" },
    h("div", { class: "picker-head" }, h("h1", {}, "Your place in line"), liveState(signal)),
    h("div", { class: "panel" }, showCard(show)),
    place);
  return { title: "Your place in line", content };
}

function concerns(message, { id }) {
  return message.entry_id === id || message.type === "sold" || message.type === "hold_expired";
}

async function lookAgain(view) {
  if (view.looking) return void (view.again = true); // one question at a time; news meanwhile are worth another
  view.looking = true;
  const entry = await read(view.id, view.signal).catch(() => null); // the next look may succeed
  view.looking = false;
  if (view.signal.aborted) return;
  if (entry) draw(view, entry);
  if (view.again && entry) {
    view.again = false;
    await lookAgain(view);
  }
}

async function read(id, signal) {
  const entry = await get(`/api/waitlist/${encodeURIComponent(id)}`, { signal });
  if (entry.status === "waiting" || entry.status === "offered") keepEntry(entry);
  else forgetEntry(entry.id);
  return entry;
}

/** Draws only what has changed, so buttons under a finger stay where they are. */
function draw(view, entry) {
  const { status, position, offer } = entry;
  const now = JSON.stringify([status, position, offer?.hold_id]);
  if (now === view.drawn) return;
  const first = view.drawn === "";
  view.offerHold = offer?.hold_id;
  view.drawn = now;
  view.stop.abort();
  view.stop = new AbortController();
  const words = status === "offered" && offer ? offered(view, entry) : (STATES[status] ?? STATES.closed)(view, entry);
  replace(view.place, words);
  view.place.dataset.status = status;
  if (!first && status === "waiting") announce(positionWords(position));
}

function offered(view, { offer }) {
  const left = deadline(offer.expires_at, {
    testId: "offer-countdown", signal: view.stop.signal, atEnd: () => setTimeout(lookAgain, AFTER_DEADLINE_MS, view),
  });
  return h("section", { class: "panel panel-good", role: "alert", "data-testid": "offer" },
    h("h2", {}, "It is your turn"),
    h("p", {}, offer.seats.length === 1 ? "Seat " : "Seats ", h("strong", {}, list(offer.seats)), " on hold for you."),
    h("p", { class: "time-left" }, left, " left to accept and book"),
    h("p", { class: "actions" },
      h("a", { class: "button button-main", href: to.hold(offer.hold_id), "data-testid": "offer-accept" }, "Accept and book"),
      leaveButton(view, "Decline and leave the line")));
}

const STATES = {
  waiting: (view, { position, party }) => h("section", { class: "panel" },
    h("p", { class: "position" }, h("span", { "data-testid": "waitlist-position" }, position), h("span", {}, positionWords(position))),
    h("p", {}, `You wait for ${plural(party, "seat")}. We tell you here the moment it is your turn; keep this page open.`),
    leaveButton(view, "Leave the line")),
  offered: (view, entry) => STATES.waiting(view, entry), // between two offers, for a moment
  fulfilled: () => ended("You got your seats", "Your booking is under My bookings.", h("a", { class: "button", href: "/bookings" }, "My bookings")),
  left: (view) => ended("You left the line", "Your place went to the next.", seatsLink(view)),
  closed: (view) => ended("The line is closed", "There is nothing left to wait for.", seatsLink(view)),
};

function positionWords(position) {
  if (!(position > 0)) return "in line";
  return position === 1 ? "You are the first in line" : `${plural(position - 1, "party is", "parties are")} before you`;
}

function ended(heading, words, link) {
  return h("section", { class: "panel" }, h("h2", {}, heading), h("p", {}, words), h("p", {}, link));
}

function seatsLink({ show }) {
  return h("a", { class: "button", href: to.show(show.id) }, "See the seats");
}

function leaveButton(view, words) {
  const error = errorLine();
  const button = h("button", { type: "button", class: "button button-plain", "data-testid": "leave-waitlist" }, words);
  button.addEventListener("click", () => whileBusy(button, async () => {
    try {
      await remove(`/api/waitlist/${encodeURIComponent(view.id)}`).catch(passOver);
      forgetEntry(view.id);
      withdraw(`offer ${view.offerHold}`);
      await navigate(to.show(view.show.id), { instead: true });
    } catch (problem) {
      error.show(problem);
    }
  }));
  return h("span", {}, button, error.element);
}

function passOver(error) {
  if (![404, 410].includes(error.status)) throw error;
}
