// A place in line, in words. Pure.

import { list, money, plural } from "./format.js";

const ESTIMATE_MINUTES_EXACT = 90; // beyond, hours are exact enough
const NEAR = 3; // at the front every step is worth saying
const SAID_SECONDS_APART = 60; // further back, who listens is not interrupted more often
const UNKNOWN = "Nobody can say how long: too few seats have come back so far.";
const HARDLY = "At the pace at which seats come back it is hardly your turn before the show begins.";

/** "You are the first in line", "3 parties are before you". */
export function positionWords(position) {
  if (!(position > 0)) return "in line";
  return position === 1 ? "You are the first in line" : `${plural(position - 1, "party is", "parties are")} before you`;
}

/** "About 12 minutes, from 30 seats an hour…"; what is not known is said too, with the `why` that the service gives. */
export function estimateWords(estimate, why) {
  if (!estimate) return why === "not_before_the_show" ? HARDLY : UNKNOWN;
  const { minutes, seats_per_hour: rate } = estimate;
  return `About ${spanWords(minutes)}, from ${plural(rounded(rate), "seat")} an hour that come back.`;
}

function spanWords(minutes) {
  if (minutes < 1) return "a minute";
  if (minutes <= ESTIMATE_MINUTES_EXACT) return plural(Math.round(minutes), "minute");
  return plural(Math.round(minutes / 60), "hour");
}

function rounded(rate) {
  return rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate);
}

/** What somebody waits for: "2 seats together", "seat F7", "2 of F7, F8 and F9, for at most $12.50 each". */
export function wishWords({ party, seats = [], together, kind, price_max: price }) {
  const what = seats.length > 0 ? certainSeats(party, seats) : plural(party, "seat");
  return [
    together && party > 1 ? `${what} together` : what,
    kind === "wheelchair" && "with room for a wheelchair",
    price && `for at most ${money(price)} each`,
  ].filter(Boolean).join(", ");
}

function certainSeats(party, seats) {
  if (seats.length === party) return `${party === 1 ? "seat" : "seats"} ${list(seats)}`;
  return `${party} of ${list(seats)}`;
}

const ENDINGS = {
  started: ["The show has started", "Nobody waits for it any more. We are sorry that no seat came back for you in time."],
  cancelled: ["The show is cancelled", "It will not take place, so there is nothing left to wait for."],
  lapsed: ["The offer has lapsed", "It was not taken in time, so the seats went to the next in line."],
};

/** `[heading, sentence]` for a line that is over for this visitor. */
export function endingWords(reason) {
  return Object.hasOwn(ENDINGS, reason ?? "") ? ENDINGS[reason] : ["The line is closed", "There is nothing left to wait for."];
}

/**
 * What is worth interrupting somebody for who listens to the page: each step at the front; further back that there is progress, once
 * a minute. `secondsAgo` is when something was said last. Null when nothing is.
 */
export function worthSaying(before, after, secondsAgo) {
  if (!(after > 0) || after === before) return null;
  if (after > NEAR && (after > before || secondsAgo < SAID_SECONDS_APART)) return null;
  return positionWords(after);
}
