// Idempotency keys, pauses between tries, addresses, and the shape of shows.

import assert from "node:assert/strict";
import test from "node:test";
import { pauseMs } from "../web/backoff.js";
import { Intents, uuid } from "../web/intents.js";
import { match, to } from "../web/routes.js";
import { byTheater, tidy } from "../web/shows.js";

test("a retry of one intent keeps its key, another intent has its own", () => {
  const intents = new Intents();
  const first = intents.keyFor("/holds", { seats: ["A1"] });
  assert.equal(intents.keyFor("/holds", { seats: ["A1"] }), first);
  assert.notEqual(intents.keyFor("/holds", { seats: ["A2"] }), first);
  intents.settle("/holds", { seats: ["A1"] });
  assert.notEqual(intents.keyFor("/holds", { seats: ["A1"] }), first);
});

test("without https a key is a version 4 UUID all the same", () => {
  const source = { getRandomValues: (bytes) => globalThis.crypto.getRandomValues(bytes) };
  assert.match(uuid(source), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(uuid(source), uuid(source));
});

test("pauses grow, are spread, and end at their limit", () => {
  assert.equal(pauseMs(0, 0, { first: 400, most: 4_000 }), 200);
  assert.equal(pauseMs(0, 1, { first: 400, most: 4_000 }), 400);
  assert.equal(pauseMs(60, 1, { first: 400, most: 4_000 }), 4_000);
});

test("every page's address leads back to the page", () => {
  for (const name of ["film", "show", "hold", "booking", "waitlist"]) {
    assert.deepEqual(match(to[name]("a/b c")), { name, id: "a/b c" });
  }
  assert.deepEqual(match("/"), { name: "films", id: null });
  assert.deepEqual(match("/bookings"), { name: "bookings", id: null });
  assert.equal(match("/assets/app.js"), null);
  assert.deepEqual(match("/movies/%E0%A4%A"), { name: "film", id: "%E0%A4%A" });
});

test("shows stand under their theater, early ones first", () => {
  const show = (id, theater, starts_at) => ({ id, theater: { id: theater, name: theater }, starts_at });
  const groups = byTheater([
    show("late", "Palace", "2026-11-24T20:00:00Z"),
    show("other", "Arcade", "2026-11-24T19:00:00Z"),
    show("early", "Palace", "2026-11-24T09:00:00-05:00"),
  ]);
  assert.deepEqual(groups.map(({ theater }) => theater.name), ["Arcade", "Palace"]);
  assert.deepEqual(groups[1].shows.map(({ id }) => id), ["early", "late"]);
});

test("an auditorium is a name, however it is spelled", () => {
  assert.equal(tidy({ auditorium: "Hall 1" }).auditorium, "Hall 1");
  assert.equal(tidy({ auditorium: { id: "a", name: "Hall 1" } }).auditorium, "Hall 1");
  assert.equal(tidy({}).auditorium, "");
});
