// Which seats this visitor has picked, and what becomes of the picks when seats are taken. Pure.

export const SEATS_MAX = 10; // the service takes no more in one hold

/** Picks or unpicks a seat; `full` when the limit keeps it out. */
export function toggle(picked, seatId) {
  if (picked.includes(seatId)) return { picked: picked.filter((id) => id !== seatId), full: false };
  if (picked.length >= SEATS_MAX) return { picked, full: true };
  return { picked: [...picked, seatId], full: false };
}

/** Splits the picks by whether the live picture still has them free. */
export function settle(picked, taken) {
  const lost = picked.filter((id) => taken[id] !== undefined);
  return { picked: picked.filter((id) => taken[id] === undefined), lost };
}

/** free | held | booked | mine; mine is what is picked here or held by this tab. */
export function statusOf(seatId, { taken, picked, held }) {
  if (picked.includes(seatId)) return "mine";
  const status = taken[seatId] ?? "free";
  return status === "held" && held.includes(seatId) ? "mine" : status;
}

/** How many seats are free; picked ones count as free, they are not held yet. */
export function freeCount(capacity, taken) {
  return Math.max(0, capacity - Object.keys(taken).length);
}
