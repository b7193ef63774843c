// A place in line, and what it is told: how far it is, what is offered, why it is over. Pure.

/** What a message of the live socket makes of a place in line; null when it is not about this one, or too late. */
export function heard(entry, message) {
  if (message.entry_id !== entry.id || !Object.hasOwn(HEARD, message.type)) return null;
  return HEARD[message.type](entry, message);
}

/** Not over: it is worth remembering. */
export function live({ status }) {
  return status === "waiting" || status === "offered";
}

const HEARD = {
  /** A position told before the offer may arrive after it. */
  queue: (entry, { position, estimate = null, estimate_reason = null }) =>
    (entry.status === "offered" ? null : { ...entry, status: "waiting", position, estimate, estimate_reason, pushed: true }),

  offer: (entry, { hold_id, seats, expires_at }) =>
    ({ ...entry, status: "offered", position: null, estimate: null, offer: { hold_id, seats, expires_at } }),

  offer_lapsed: (entry) => over(entry, "lapsed"),

  closed: (entry, { reason }) => over(entry, reason),
};

function over(entry, reason) {
  return { ...entry, status: "closed", reason, position: null, estimate: null, offer: null };
}
