// A place in line: what it is told, and how that is said.

import assert from "node:assert/strict";
import test from "node:test";
import { heard, live } from "../web/line.js";
import { endingWords, estimateWords, positionWords, wishWords, worthSaying } from "../web/line-words.js";

const ENTRY = { id: "e1", show_id: "s1", status: "waiting", position: 7, estimate: null, offer: null, party: 2 };
const OFFER = { type: "offer", entry_id: "e1", hold_id: "h1", show_id: "s1", seats: ["A1", "A2"], expires_at: "2026-11-24T20:00:00Z" };

test("a position is taken over as it is told, and the wish stays", () => {
  const now = heard(ENTRY, { type: "queue", entry_id: "e1", show_id: "s1", position: 3, estimate: { minutes: 12, seats_per_hour: 30 } });
  assert.deepEqual([now.position, now.estimate.minutes, now.party, now.pushed], [3, 12, 2, true]);
  assert.equal(heard(now, { type: "queue", entry_id: "e1", position: 2 }).estimate, null);
});

test("what is told of others, or is no news of a line, changes nothing", () => {
  assert.equal(heard(ENTRY, { ...OFFER, entry_id: "e2" }), null);
  assert.equal(heard(ENTRY, { type: "sold", entry_id: "e1" }), null);
  assert.equal(heard(ENTRY, { type: "constructor", entry_id: "e1" }), null);
});

test("a position told before the offer and heard after it does not take the offer away", () => {
  const offered = heard(ENTRY, OFFER);
  assert.deepEqual([offered.status, offered.position, offered.offer.hold_id], ["offered", null, "h1"]);
  assert.equal(heard(offered, { type: "queue", entry_id: "e1", position: 1 }), null);
});

test("a line that is over is over with its reason", () => {
  for (const [message, reason] of [[{ type: "offer_lapsed" }, "lapsed"], [{ type: "closed", reason: "cancelled" }, "cancelled"]]) {
    const now = heard(heard(ENTRY, OFFER), { ...message, entry_id: "e1" });
    assert.deepEqual([live(now), now.reason, now.offer], [false, reason, null]);
  }
  assert.match(endingWords("started")[0], /has started/);
  assert.match(endingWords("cancelled")[0], /is cancelled/);
  assert.match(endingWords("constructor")[0], /is closed/);
  assert.match(endingWords(undefined)[0], /is closed/);
});

test("how far and how long, in words", () => {
  assert.equal(positionWords(1), "You are the first in line");
  assert.equal(positionWords(2), "1 party is before you");
  assert.equal(positionWords(41), "40 parties are before you");
  assert.match(estimateWords({ minutes: 12.4, seats_per_hour: 30 }), /^About 12 minutes, from 30 seats an hour/);
  assert.match(estimateWords({ minutes: 0, seats_per_hour: 1 }), /^About a minute, from 1 seat an hour/);
  assert.match(estimateWords({ minutes: 200, seats_per_hour: 2.54 }), /^About 3 hours, from 2.5 seats an hour/);
  assert.match(estimateWords(null, "too_few_seats_freed"), /too few seats/);
  assert.match(estimateWords(null, "not_before_the_show"), /hardly your turn/);
});

test("what somebody waits for, in words", () => {
  assert.equal(wishWords({ party: 1 }), "1 seat");
  assert.equal(wishWords({ party: 1, together: true }), "1 seat");
  assert.equal(wishWords({ party: 2, together: true }), "2 seats together");
  assert.equal(wishWords({ party: 1, seats: ["F7"] }), "seat F7");
  assert.equal(wishWords({ party: 2, seats: ["F7", "F8"] }), "seats F7 and F8");
  assert.equal(wishWords({ party: 1, seats: ["F7", "F8", "F9"] }), "1 of F7, F8 and F9");
  const price_max = { amount: 1250, currency: "USD" };
  assert.equal(wishWords({ party: 3, kind: "wheelchair", price_max }), "3 seats, with room for a wheelchair, for at most $12.50 each");
});

test("who listens hears each step at the front, and further back that there is progress, once a minute", () => {
  assert.equal(worthSaying(9, 9, 1_000), null);
  assert.equal(worthSaying(40, 39, 5), null, "not one a second");
  assert.equal(worthSaying(40, 31, 61), "30 parties are before you");
  assert.equal(worthSaying(31, 32, 600), null, "going back is no progress");
  assert.equal(worthSaying(3, 2, 1), "1 party is before you");
  assert.equal(worthSaying(2, 1, 1), "You are the first in line");
  assert.equal(worthSaying(1, null, 100), null, "the offer itself is read out");
});
