// Follows one show over the live socket and gives each message to whom it concerns. How seats
// change is live-seats.js's business, how the socket is kept is connection.js's, which of a
// browser's tabs keeps one for messages is tabs.js's.

import { get } from "./api.js";
import { busy, close, connect, currentState, handle, live, notLive, open, send } from "./connection.js";
import { interrupted, take, unknown } from "./live-seats.js";
import { onSpeaker, speaks, tellTabs } from "./tabs.js";

const NUDGE_MS = 3_000; // no snapshot by then: ask once more, then start anew
const POLL_MS = 4_000; // while the socket is away the seats are read by HTTP
const AUDIT_MS = 30_000; // the last message may be lost with no successor to show the gap
const LINGER_MS = 20_000; // a socket nobody follows is kept this long

const noticeListeners = new Set();
const backListeners = new Set();
let reasonToStay = () => null;
let following = null; // {showId, picture, listener, reading}
let nudgeTimer = 0;
let lingerTimer = 0;

handle({ wanted, opened, received, lost });
onSpeaker((now) => (now ? attend() : closeUnwanted()));

/** Follows one show until the signal aborts; `listener(seats, version)` at every change. */
export function follow(showId, listener, signal) {
  const mine = { showId, picture: unknown(), listener, reading: false };
  following = mine;
  clearTimeout(lingerTimer);
  notLive();
  if (open()) watch();
  else connect();
  const poll = setInterval(() => currentState() !== "live" && readSeats(mine), POLL_MS);
  const audit = setInterval(() => currentState() === "live" && !document.hidden && readSeats(mine), AUDIT_MS);
  signal.addEventListener("abort", () => {
    clearInterval(poll);
    clearInterval(audit);
    unfollow(mine);
  }, { once: true });
  return readSeats(mine);
}

/** Keeps a socket for messages to this session though no show is on screen, if it is this tab's to keep one. */
export function attend() {
  if (!busy() && wanted()) connect(wanted());
}

/** `reason()` gives a show id for as long as messages may still come to this session. */
export function stayWhile(reason) {
  reasonToStay = reason;
}

/** Messages to the session: hold_expired, queue, offer, offer_lapsed, closed, sold. */
export function onNotice(listener, signal) {
  noticeListeners.add(listener);
  signal?.addEventListener("abort", () => noticeListeners.delete(listener), { once: true });
}

/** A message that another tab heard; whoever has a socket heard it too. */
export function heardElsewhere(message) {
  if (!open()) notify(message);
}

/** Told when a socket is there, for the first time or again: messages may have been missed before. */
export function onBack(listener) {
  backListeners.add(listener);
}

function wanted() {
  return following?.showId ?? (speaks() ? reasonToStay() : null);
}

function closeUnwanted() {
  clearTimeout(lingerTimer);
  lingerTimer = setTimeout(() => { if (!wanted()) close(); }, LINGER_MS);
}

function opened(showId) {
  for (const listener of backListeners) listener();
  if (!following) live();
  else if (following.showId !== showId) watch();
  else expectSnapshot();
}

function lost() {
  clearTimeout(nudgeTimer);
  if (following) following.picture = interrupted(following.picture);
}

function received(message) {
  if (message.type === "snapshot" || message.type === "seats") return seatsReceived(message);
  if (speaks()) tellTabs(message);
  notify(message);
}

function notify(message) {
  for (const listener of noticeListeners) listener(message);
}

function seatsReceived(message) {
  if (!following || message.show_id !== following.showId) return;
  update(following, message);
  if (message.type !== "snapshot") return;
  if (!following.picture.asking) clearTimeout(nudgeTimer);
  live();
}

function update(target, message) {
  const before = target.picture;
  const { picture, ask } = take(before, message);
  target.picture = picture;
  if (ask && open()) watch();
  if (picture.known && (!before.known || picture.version !== before.version)) {
    target.listener(picture.seats, picture.version);
  }
}

function watch() {
  send({ type: "watch", show_id: following.showId });
  expectSnapshot();
}

function expectSnapshot() {
  clearTimeout(nudgeTimer);
  nudgeTimer = setTimeout(() => {
    if (!open() || !following) return;
    send({ type: "watch", show_id: following.showId });
    nudgeTimer = setTimeout(close, NUDGE_MS);
  }, NUDGE_MS);
}

function unfollow(mine) {
  if (following !== mine) return;
  following = null;
  clearTimeout(nudgeTimer);
  if (open()) send({ type: "unwatch", show_id: mine.showId });
  closeUnwanted();
}

/** The same picture by HTTP. When it is ahead of the socket, the socket missed something. */
async function readSeats(target) {
  if (target.reading) return; // the last question is still on its way
  target.reading = true;
  const answer = await get(`/api/shows/${encodeURIComponent(target.showId)}/seats`).catch(() => null);
  target.reading = false;
  if (!answer || following !== target) return;
  if (currentState() !== "live" || !target.picture.known) seedFrom(target, answer);
  else if (answer.version > target.picture.version) watch();
}

/** Seeds the picture but keeps waiting for the socket's own snapshot. */
function seedFrom(target, { version, seats }) {
  const { asking } = target.picture;
  update(target, { type: "snapshot", version, seats });
  target.picture = { ...target.picture, asking };
}
