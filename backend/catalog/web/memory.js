// What this browser holds and waits for, the same in all its tabs: where to look, and what was last
// heard. It is only a memory; the server says what is true.

import { Shelf } from "./shelf.js";

const PREFIX = "marquee.mine.";

const listeners = new Set();
const held = new Shelf(`${PREFIX}hold.`, storage());
const waiting = new Shelf(`${PREFIX}entry.`, storage());

addEventListener("storage", ({ key }) => (key === null || key.startsWith(PREFIX)) && changed());

/** Told after every change, in whichever tab it was made, until the signal aborts. */
export function onChange(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
}

/** Holds placed or accepted: `{id, show_id, seats, expires_at}`. */
export function holds() {
  return held.all("expires_at");
}

/** Places in line that are not over, as they were last heard of. */
export function entries() {
  return waiting.all("joined_at");
}

/** One place in line, if it is not over. */
export function entryOf(id) {
  return waiting.get(id);
}

export function keepHold({ id, show_id, seats, expires_at }) {
  if (held.put({ id, show_id, seats, expires_at })) changed();
}

export function forgetHold(id) {
  if (held.drop(id)) changed();
}

export function keepEntry(entry) {
  if (waiting.put({ ...waiting.get(entry.id), ...entry })) changed();
}

export function forgetEntry(id) {
  if (waiting.drop(id)) changed();
}

function changed() {
  for (const listener of [...listeners]) listener();
}

/** Where it is forbidden, each tab remembers for itself until it is reloaded. */
function storage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
