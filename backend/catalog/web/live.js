// The one live socket of this client: connects, comes back after a jittered pause, and gives
// each message to whom it concerns. What a message means for the seats is live-seats.js's.

import { pauseMs } from "./backoff.js";
import { get } from "./api.js";
import { interrupted, take, unknown } from "./live-seats.js";

const NUDGE_MS = 3_000; // no snapshot by then: ask once more, then start anew
const POLL_MS = 4_000; // while the socket is away the seats are read by HTTP
const AUDIT_MS = 30_000; // the last message may be lost with no successor to show the gap
const LINGER_MS = 20_000; // a socket nobody follows is kept this long
const SERVICE_RESTART = 1012;

const noticeListeners = new Set();
const stateListeners = new Set();
let reasonToStay = () => null;
let following = null; // {showId, picture, listener}
let socket = null;
let state = "connecting";
let attempts = 0;
let reconnectTimer = 0;
let nudgeTimer = 0;
let lingerTimer = 0;

/** Follows one show until the signal aborts; `listener(seats, version)` at every change. */
export function follow(showId, listener, signal) {
  const mine = { showId, picture: unknown(), listener };
  following = mine;
  clearTimeout(lingerTimer);
  setState("connecting");
  if (open()) watch();
  else connect();
  const poll = setInterval(() => state !== "live" && readSeats(mine), POLL_MS);
  const audit = setInterval(() => state === "live" && !document.hidden && readSeats(mine), AUDIT_MS);
  signal.addEventListener("abort", () => {
    clearInterval(poll);
    clearInterval(audit);
    unfollow(mine);
  }, { once: true });
  return readSeats(mine);
}

/** Keeps a socket for messages to this session though no show is on screen. */
export function attend(showId) {
  if (!socket && !reconnectTimer) connect(showId);
}

/** `reason()` gives a show id for as long as messages may still come to this session. */
export function stayWhile(reason) {
  reasonToStay = reason;
}

/** Messages to the session: hold_expired, offer, offer_lapsed, sold. */
export function onNotice(listener, signal) {
  noticeListeners.add(listener);
  signal?.addEventListener("abort", () => noticeListeners.delete(listener), { once: true });
}

/** "live" or "connecting", now and at each change. */
export function onState(listener, signal) {
  stateListeners.add(listener);
  signal?.addEventListener("abort", () => stateListeners.delete(listener), { once: true });
  listener(state);
}

/** The network is back, or the page is seen again: no reason to sit out the pause. */
export function hurry() {
  if (socket || !wanted()) return;
  attempts = 0;
  connect();
}

function connect(showId = wanted()) {
  clearTimeout(reconnectTimer);
  reconnectTimer = 0;
  if (!showId || socket) return;
  const address = new URL(`/api/live?show=${encodeURIComponent(showId)}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(address);
  socket = opened;
  opened.addEventListener("open", () => socket === opened && connected(showId));
  opened.addEventListener("message", ({ data }) => socket === opened && received(data));
  opened.addEventListener("close", ({ code }) => socket === opened && lost(code));
}

function connected(showId) {
  if (!following) setState("live");
  else if (following.showId !== showId) watch();
  else expectSnapshot();
}

function lost(code) {
  socket = null;
  clearTimeout(nudgeTimer);
  setState("connecting");
  if (following) following.picture = interrupted(following.picture);
  if (!wanted()) return;
  if (code === SERVICE_RESTART) attempts = 0; // announced: others are there to take over
  reconnectTimer = setTimeout(connect, pauseMs(attempts, Math.random()));
  attempts += 1;
}

function received(data) {
  const message = parse(data);
  if (!message) return;
  const { type } = message;
  if (type === "snapshot" || type === "seats") seatsReceived(message);
  else for (const listener of noticeListeners) listener(message);
}

function seatsReceived(message) {
  if (!following || message.show_id !== following.showId) return;
  update(following, message);
  if (message.type !== "snapshot") return;
  attempts = 0;
  if (!following.picture.asking) clearTimeout(nudgeTimer);
  setState("live");
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
    nudgeTimer = setTimeout(() => socket?.close(), NUDGE_MS);
  }, NUDGE_MS);
}

function unfollow(mine) {
  if (following !== mine) return;
  following = null;
  clearTimeout(nudgeTimer);
  if (open()) send({ type: "unwatch", show_id: mine.showId });
  lingerTimer = setTimeout(() => { if (!wanted()) socket?.close(1000); }, LINGER_MS);
}

/** The same picture by HTTP. When it is ahead of the socket, the socket missed something. */
async function readSeats(target) {
  const { showId } = target;
  const answer = await get(`/api/shows/${encodeURIComponent(showId)}/seats`).catch(() => null);
  if (!answer || following !== target) return;
  const { picture } = target;
  if (state !== "live" || !picture.known) seedFrom(target, answer);
  else if (answer.version > picture.version) watch();
}

/** Seeds the picture but keeps waiting for the socket's own snapshot. */
function seedFrom(target, { version, seats }) {
  const { asking } = target.picture;
  update(target, { type: "snapshot", version, seats });
  target.picture = { ...target.picture, asking };
}

function open() {
  return socket?.readyState === WebSocket.OPEN;
}

function wanted() {
  return following?.showId ?? reasonToStay();
}

function send(message) {
  socket.send(JSON.stringify(message));
}

function parse(data) {
  try {
    const message = JSON.parse(data);
    return message && typeof message === "object" ? message : null;
  } catch {
    return null;
  }
}

function setState(next) {
  if (next === state) return;
  state = next;
  for (const listener of stateListeners) listener(state);
}
