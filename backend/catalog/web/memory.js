// What this tab holds and waits for: ids that outlive a reload, in sessionStorage. It is only
// a memory of where to look; the server says what is true.

const STORE = "marquee.mine";
const KEPT_MAX = 20;

const listeners = new Set();
const mine = load();

/** Told after every change, until the signal aborts. */
export function onChange(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener), { once: true });
}

/** Holds placed or accepted here: `{id, show_id, seats, expires_at}`. */
export function holds() {
  return mine.holds;
}

/** Places in line taken here: `{id, show_id}`. */
export function entries() {
  return mine.entries;
}

export function keepHold({ id, show_id, seats, expires_at }) {
  keep("holds", { id, show_id, seats, expires_at });
}

export function forgetHold(id) {
  forget("holds", id);
}

export function keepEntry({ id, show_id }) {
  keep("entries", { id, show_id });
}

export function forgetEntry(id) {
  forget("entries", id);
}

function keep(kind, thing) {
  const old = mine[kind].find(({ id }) => id === thing.id);
  if (old && JSON.stringify(old) === JSON.stringify(thing)) return;
  mine[kind] = [...mine[kind].filter(({ id }) => id !== thing.id), thing].slice(-KEPT_MAX);
  changed();
}

function forget(kind, id) {
  if (!mine[kind].some((each) => each.id === id)) return;
  mine[kind] = mine[kind].filter((each) => each.id !== id);
  changed();
}

function changed() {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(mine));
  } catch {
    // storage is full or forbidden: the tab still works until it is reloaded
  }
  for (const listener of listeners) listener();
}

function load() {
  try {
    const { holds = [], entries = [] } = JSON.parse(sessionStorage.getItem(STORE)) ?? {};
    return { holds, entries };
  } catch {
    return { holds: [], entries: [] };
  }
}
