// The tabs of one browser. One of them speaks for all: the one looked at last. It keeps the socket for
// messages, plays sounds and is read out; what it hears it passes on to the others.

const LOCK = "marquee.speaker";
const CHANNEL = "marquee.tabs";

const listeners = new Set();
let speaking = false;
let channel = null;

/** Whether this tab is the one that speaks. */
export function speaks() {
  return speaking;
}

/** Told whenever that changes, until the signal aborts. */
export function onSpeaker(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
}

/** Passes a message on to the other tabs. */
export function tellTabs(message) {
  channel?.postMessage(message);
}

/** Takes part; `received(message)` for what another tab passes on. */
export function startTabs(received) {
  if (typeof BroadcastChannel === "function") {
    channel = new BroadcastChannel(CHANNEL);
    channel.addEventListener("message", ({ data }) => received(data));
  }
  const stand = candidate(navigator.locks, (now) => {
    speaking = now;
    for (const listener of listeners) listener(now);
  });
  const seen = () => document.hidden || stand();
  document.addEventListener("visibilitychange", seen);
  addEventListener("focus", seen);
  addEventListener("pageshow", seen); // from the back/forward cache, where the lock was lost
  seen();
}

/**
 * Stands in line for the lock, and returns a function that takes it at once from whoever has it. Without locks, as on a page
 * that came without TLS, every tab speaks for itself.
 */
export function candidate(locks, changed) {
  if (!locks) {
    changed(true);
    return () => {};
  }
  let asked = null; // the one request that counts
  const ask = (options, abort = new AbortController()) => {
    const mine = { abort, granted: false, taking: Boolean(options.steal) };
    asked = mine;
    const grant = () => {
      mine.granted = true;
      changed(true);
      return new Promise(() => {}); // until the tab is closed, or another one takes it
    };
    locks.request(LOCK, options, grant).catch(() => mine === asked && lost(mine));
  };
  const queue = () => {
    const abort = new AbortController();
    ask({ signal: abort.signal }, abort);
  };
  const lost = ({ granted }) => {
    if (granted) changed(false);
    queue();
  };
  queue();
  return () => {
    if (asked.granted || asked.taking) return; // both happen: a tab is seen and gets the focus at once
    const { abort } = asked;
    ask({ steal: true });
    abort.abort();
  };
}
