// The one socket of this client: opened when wanted, opened again after a jittered pause when
// it breaks. It carries messages and does not know what they mean.

import { pauseMs } from "./backoff.js";

const SERVICE_RESTART = 1012;

const stateListeners = new Set();
let handlers = { wanted: () => null, opened() {}, received() {}, lost() {} };
let socket = null;
let state = "connecting";
let attempts = 0;
let reconnectTimer = 0;

/** `wanted()` gives the show to connect for, or null; the others are told what happens. */
export function handle(given) {
  handlers = given;
}

/** Connects unless it is connected, or nothing is wanted. */
export function connect(showId = handlers.wanted()) {
  clearTimeout(reconnectTimer);
  reconnectTimer = 0;
  if (!showId || socket) return;
  const address = new URL(`/api/live?show=${encodeURIComponent(showId)}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(address);
  socket = opened;
  opened.addEventListener("open", () => socket === opened && handlers.opened(showId));
  opened.addEventListener("message", ({ data }) => socket === opened && received(data));
  opened.addEventListener("close", ({ code }) => socket === opened && lost(code));
}

/** The network is back, or the page is seen again: no reason to sit out the pause. */
export function hurry() {
  attempts = 0;
  connect();
}

/** A pause before the next try is under way, or the socket is there. */
export function busy() {
  return socket !== null || reconnectTimer !== 0;
}

export function open() {
  return socket?.readyState === WebSocket.OPEN;
}

export function send(message) {
  socket.send(JSON.stringify(message));
}

export function close() {
  socket?.close(1000);
}

/** It works: what shows on screen is what the server says. The next pause is short again. */
export function live() {
  attempts = 0;
  setState("live");
}

/** What shows on screen may be old. */
export function notLive() {
  setState("connecting");
}

/** "live" or "connecting". */
export function currentState() {
  return state;
}

/** Told the state now and at each change. */
export function onState(listener, signal) {
  stateListeners.add(listener);
  signal?.addEventListener("abort", () => stateListeners.delete(listener), { once: true });
  listener(state);
}

function lost(code) {
  socket = null;
  setState("connecting");
  handlers.lost();
  if (!handlers.wanted()) return;
  if (code === SERVICE_RESTART) attempts = 0; // announced: others are there to take over
  reconnectTimer = setTimeout(connect, pauseMs(attempts, Math.random()));
  attempts += 1;
}

function received(data) {
  const message = parse(data);
  if (message) handlers.received(message);
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
