// What somebody in line waits for, as the service is asked for it. Pure.

import { minor } from "./format.js";
import { SEATS_MAX } from "./seat-map/selection.js";

/**
 * Only what differs from "any seats" is mentioned: `seats` are the only ones that are good enough; `priceMax` is for one seat, in the
 * money of `currency`, as it was typed.
 */
export function wishOf({ party, seats = [], together = false, accessible = false, priceMax = "", currency, email = "" }) {
  const wish = { party };
  if (seats.length > 0) wish.seats = [...seats];
  if (together && party > 1) wish.together = true;
  if (accessible) wish.kind = "wheelchair";
  if (priceMax.trim() !== "") wish.price_max = minor(priceMax, currency);
  if (email.trim() !== "") wish.email = email.trim();
  return wish;
}

/** The taken seats that somebody would wait for, with one more or one less; `full` when the limit keeps it out. */
export function toggleWanted(wanted, seat) {
  if (wanted.includes(seat)) return { wanted: wanted.filter((each) => each !== seat), full: false };
  if (wanted.length >= SEATS_MAX) return { wanted, full: true };
  return { wanted: [...wanted, seat], full: false };
}

/** Seats that came free are not waited for, but picked. */
export function stillTaken(wanted, taken) {
  return wanted.filter((seat) => taken[seat] !== undefined);
}
