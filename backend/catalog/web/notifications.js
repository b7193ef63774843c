// What the server tells this session over the live socket, turned into messages for people
// and into what this tab remembers.

import { get } from "./api.js";
import { list, plural } from "./format.js";
import { onNotice } from "./live.js";
import { entries, forgetEntry, forgetHold, holds, keepEntry, keepHold } from "./memory.js";
import { notice, withdraw } from "./parts/notices.js";
import { to } from "./routes.js";

const offeredHolds = new Map(); // entry → its last offer's hold: what lapses is taken off the screen

export function startNotifications() {
  onNotice((message) => HANDLERS[message.type]?.(message));
}

/** After a reload: are the holds and places this tab remembers still there? */
export function recall() {
  for (const { id } of holds()) {
    check(`/api/holds/${encodeURIComponent(id)}`, ({ status }) => status === "on_hold", keepHold, () => forgetHold(id));
  }
  recallEntries();
}

/** A place whose offer was booked has served its purpose, even before its service has heard. */
export function recallEntries(bookedHoldId = null) {
  const alive = ({ status, offer }) => status === "waiting" || (status === "offered" && offer?.hold_id !== bookedHoldId);
  for (const { id } of entries()) {
    check(`/api/waitlist/${encodeURIComponent(id)}`, alive, keepEntry, () => forgetEntry(id));
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

  offer: ({ entry_id, hold_id, show_id, seats }) => {
    keepEntry({ id: entry_id, show_id });
    offeredHolds.set(entry_id, hold_id);
    notice({
      key: `offer ${hold_id}`,
      title: `${plural(seats.length, "seat")} for you`,
      text: `It is your turn: ${list(seats)}. The offer does not wait for long.`,
      link: { href: to.waitlist(entry_id), label: "See the offer" },
      urgent: true,
    });
  },

  offer_lapsed: ({ entry_id }) => {
    withdraw(`offer ${offeredHolds.get(entry_id)}`);
    withdraw(`expired ${offeredHolds.get(entry_id)}`);
    notice({
      key: `lapsed ${entry_id}`,
      title: "The offer has lapsed",
      text: "It was not accepted in time, so the seats went to the next in line.",
      link: { href: to.waitlist(entry_id), label: "See your place in line" },
    });
  },

  sold: ({ show_id, seats }) => {
    notice({
      key: `sold ${show_id} ${seats.join()}`,
      title: "Sold to somebody else",
      text: `${seats.length === 1 ? "Seat" : "Seats"} ${list(seats)} that you waited for ${seats.length === 1 ? "is" : "are"} sold.`,
      link: { href: to.show(show_id), label: "See the seats" },
    });
  },
};

async function check(path, alive, keep, forget) {
  try {
    const thing = await get(path);
    if (alive(thing)) keep(thing);
    else forget();
  } catch (error) {
    if (error.status >= 400 && error.status < 500 && error.status !== 429) forget();
  }
}
