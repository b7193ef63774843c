// What the server tells this session over the live socket, turned into messages for people and
// into what this browser remembers.

import { get } from "./api.js";
import { attract, release } from "./attention.js";
import { list, plural } from "./format.js";
import { endingWords } from "./line-words.js";
import { heard, live } from "./line.js";
import { onBack, onNotice } from "./live.js";
import { entries, entryOf, forgetEntry, forgetHold, holds, keepEntry, keepHold, onChange } from "./memory.js";
import { notice, withdraw } from "./parts/notices.js";
import { to } from "./routes.js";

const offers = new Map(); // entry → the hold of the offer that is on screen

export function startNotifications() {
  onNotice((message) => {
    HANDLERS[message.type]?.(message);
    remember(message);
  });
  onChange(withdrawOffers);
  onBack(recallEntries);
}

/** After a reload: are the holds and places that are remembered still there? */
export function recall() {
  for (const { id } of holds()) {
    check(`/api/holds/${encodeURIComponent(id)}`, ({ status }) => status === "on_hold", keepHold, () => forgetHold(id));
  }
  recallEntries();
}

/** A place whose offer was booked has served its purpose, even before its service has heard. */
export function recallEntries(bookedHoldId = null) {
  const alive = (entry) => live(entry) && (!bookedHoldId || entry.offer?.hold_id !== bookedHoldId);
  for (const { id } of entries()) {
    check(`/api/waitlist/${encodeURIComponent(id)}`, alive, keepEntry, () => forgetEntry(id));
  }
}

function remember(message) {
  const entry = entryOf(message.entry_id ?? "");
  const now = entry && heard(entry, message);
  if (now) (live(now) ? keepEntry : ({ id }) => forgetEntry(id))(now);
}

/** Taken, passed, lapsed or given to another, in whichever tab: it is no longer to be seen here. */
function withdrawOffers() {
  for (const [entryId, holdId] of offers) {
    if (entryOf(entryId)?.offer?.hold_id === holdId) continue;
    offers.delete(entryId);
    withdraw(`offer ${holdId}`);
    release(holdId);
  }
}

const HANDLERS = {
  hold_expired: ({ hold_id, show_id, seats }) => {
    forgetHold(hold_id);
    withdraw(`offer ${hold_id}`);
    notice({
      key: `expired ${hold_id}`,
      title: "Your hold has run out",
      text: `${seats.length === 1 ? "Seat" : "Seats"} ${list(seats)} went back on sale.`,
      link: { href: to.show(show_id), label: "Choose seats again" },
      urgent: true,
    });
  },

  offer: ({ entry_id, hold_id, show_id, seats, expires_at }) => {
    keepEntry({ id: entry_id, show_id, status: "offered", offer: { hold_id, seats, expires_at } });
    offers.set(entry_id, hold_id);
    attract(hold_id, `★ ${plural(seats.length, "seat")} for you`);
    if (here(entry_id)) return; // the page itself says so
    notice({
      key: `offer ${hold_id}`,
      title: `${plural(seats.length, "seat")} for you`,
      text: `It is your turn: ${list(seats)}. The offer does not wait for long.`,
      link: { href: to.waitlist(entry_id), label: "See the offer" },
      urgent: true,
    });
  },

  offer_lapsed: ({ entry_id }) => {
    withdraw(`expired ${offers.get(entry_id)}`);
    if (!here(entry_id)) over(entry_id, "lapsed");
  },

  closed: ({ entry_id, reason }) => here(entry_id) || over(entry_id, reason),

  sold: ({ show_id, seats }) => {
    notice({
      key: `sold ${show_id} ${seats.join()}`,
      title: "Sold to somebody else",
      text: `${seats.length === 1 ? "Seat" : "Seats"} ${list(seats)} that you waited for ${seats.length === 1 ? "is" : "are"} sold. You keep your place in line.`,
      link: { href: to.show(show_id), label: "See the seats" },
    });
  },
};

function over(entryId, reason) {
  const [title, text] = endingWords(reason);
  notice({ key: `over ${entryId}`, title, text, link: { href: to.waitlist(entryId), label: "See your place in line" } });
}

function here(entryId) {
  return location.pathname === to.waitlist(entryId);
}

async function check(path, alive, keep, forget) {
  try {
    const thing = await get(path);
    if (alive(thing)) keep(thing);
    else forget();
  } catch (error) {
    if (error.status >= 400 && error.status < 500 && error.status !== 429) forget();
  }
}
