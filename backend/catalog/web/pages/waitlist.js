// One place in line: how far to the front, and the offer when it is this visitor's turn.

import { get } from "../api.js";
import { now as clock } from "../clock.js";
import { h, replace } from "../dom.js";
import { live } from "../line.js";
import { endingWords, estimateWords, positionWords, wishWords, worthSaying } from "../line-words.js";
import { onNotice } from "../live.js";
import { entryOf, forgetEntry, keepEntry, onChange } from "../memory.js";
import { announce } from "../parts/announcer.js";
import { attentionControl } from "../parts/attention-control.js";
import { leaveButton } from "../parts/leave-line.js";
import { liveState } from "../parts/live-state.js";
import { offerPanel } from "../parts/offer.js";
import { showCard } from "../parts/show-card.js";
import { to } from "../routes.js";
import { loadShowIfPossible } from "../shows.js";

const LOOK_AGAIN_MS = 5_000; // as long as the server pushes no position
const LOOK_AFTER_PUSH_MS = 30_000; // the last message may be lost with no successor
const TICK_MS = 1_000;
const AFTER_DEADLINE_MS = 1_200;
const LONG_AGO_MS = 3_600_000;

export async function waitlistPage({ id, signal }) {
  const entry = await read(id, signal);
  const show = await loadShowIfPossible(entry.show_id, signal);
  const view = { id, signal, show, place: h("div", { class: "line-place" }), drawn: "", stop: new AbortController(), lookedAt: clock() };
  view.entry = entry;
  watch(view);
  draw(view);
  const content = h("article", { class: "narrow" },
    h("div", { class: "picker-head" }, h("h1", {}, "Your place in line"), liveState(signal, { shared: true })),
    h("div", { class: "panel" }, showCard(show), h("p", {}, "You wait for ", h("strong", { "data-testid": "wish" }, wishWords(entry)), ".")),
    view.place,
    live(entry) ? attentionControl(signal) : null);
  return { title: "Your place in line", content };
}

/** What is heard in any tab shows here; what is not heard is looked for. */
function watch(view) {
  const { id, signal } = view;
  onChange(() => changed(view), signal);
  onNotice((message) => concerns(message, view) && lookAgain(view), signal);
  const timer = setInterval(() => due(view) && lookAgain(view), TICK_MS);
  const seen = () => document.hidden || lookAgain(view);
  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => { clearInterval(timer); view.stop.abort(); }, { once: true });
  if (!entryOf(id)) return;
  changed(view);
}

function changed(view) {
  const entry = entryOf(view.id);
  if (entry) show(view, entry);
  else if (live(view.entry)) lookAgain(view); // over, as another tab has heard: it will be known how
}

function concerns(message, { id, entry }) {
  return (message.entry_id === id && message.type !== "queue")
    || (message.show_id === entry.show_id && (message.type === "sold" || message.type === "hold_expired"));
}

function due({ entry, lookedAt }) {
  const every = entry.pushed ? LOOK_AFTER_PUSH_MS : LOOK_AGAIN_MS;
  return live(entry) && !document.hidden && clock() - lookedAt >= every;
}

async function lookAgain(view) {
  if (view.looking) return void (view.again = true); // one question at a time; news meanwhile are worth another
  Object.assign(view, { looking: true, again: false, lookedAt: clock() });
  const entry = await read(view.id, view.signal).catch(() => null); // the next look may succeed
  view.looking = false;
  if (view.signal.aborted) return;
  if (entry) show(view, entry);
  if (view.again && entry) await lookAgain(view);
}

async function read(id, signal) {
  const entry = await get(`/api/waitlist/${encodeURIComponent(id)}`, { signal });
  if (live(entry)) keepEntry(entry);
  else forgetEntry(entry.id);
  return entry;
}

function show(view, entry) {
  if (!live(view.entry) && live(entry)) return; // an older answer; what is over stays over
  view.entry = { ...view.entry, ...entry };
  draw(view);
}

/** Draws only what has changed, so buttons under a finger stay where they are. */
function draw(view) {
  const { status, offer, reason } = view.entry;
  const drawn = JSON.stringify([status, offer?.hold_id, reason]);
  if (drawn !== view.drawn) {
    view.stop.abort();
    view.stop = new AbortController();
    view.position = null;
    replace(view.place, view.entry.status === "waiting" ? waiting(view) : (STATES[status] ?? STATES.closed)(view));
    view.place.dataset.status = status;
    view.drawn = drawn;
  }
  view.position?.draw(view.entry);
}

const STATES = {
  offered: (view) => (view.entry.offer ? offered(view) : waiting(view)), // between two offers, for a moment
  fulfilled: () => ended("You got your seats", "Your booking is under My bookings.", h("a", { class: "button", href: "/bookings" }, "My bookings")),
  left: (view) => ended("You left the line", "Your place went to the next.", seatsLink(view)),
  closed: (view) => ended(...endingWords(view.entry.reason), seatsLink(view)),
};

function waiting(view) {
  view.position = positionLines();
  return h("section", { class: "panel" },
    view.position.element,
    h("p", { class: "quiet" }, "We tell you the moment it is your turn, on any page of ours that is open in this browser."),
    leaveButton(view.entry, "Leave the line"));
}

/** The place and the estimate: drawn as often as they change, read out only when that is worth it. */
function positionLines() {
  const [number, words, estimate] = [h("span", { "data-testid": "waitlist-position" }), h("span", {}), h("p", { "data-testid": "estimate" })];
  const element = h("div", {}, h("p", { class: "position" }, number, words), estimate);
  let before = null;
  let saidAt = -LONG_AGO_MS;
  const draw = ({ position, estimate: guess, estimate_reason }) => {
    number.textContent = position ?? "";
    words.textContent = positionWords(position);
    estimate.textContent = estimateWords(guess, estimate_reason);
    const said = before !== null && worthSaying(before, position, (clock() - saidAt) / 1_000);
    if (said) {
      announce([said, guess && estimateWords(guess)].filter(Boolean).join(". "));
      saidAt = clock();
    }
    before = position ?? before;
  };
  return { element, draw };
}

function offered(view) {
  return offerPanel(view.entry, {
    signal: view.stop.signal,
    atEnd: () => setTimeout(lookAgain, AFTER_DEADLINE_MS, view),
  });
}

function ended(heading, words, link) {
  return h("section", { class: "panel", "data-testid": "line-over", role: "status" }, h("h2", {}, heading), h("p", {}, words), h("p", {}, link));
}

function seatsLink({ show }) {
  return h("a", { class: "button", href: to.show(show.id) }, "See the seats");
}
