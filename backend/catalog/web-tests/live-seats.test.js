// The live picture: versions only grow, holes are asked for, nothing is applied twice.

import assert from "node:assert/strict";
import test from "node:test";
import { interrupted, take, unknown } from "../web/live-seats.js";

const snapshot = (version, seats = {}) => ({ type: "snapshot", version, seats });
const changes = (version, changed) => ({ type: "seats", version, changes: changed });

/** Feeds messages one after another; tells how often a snapshot was asked for. */
function feed(picture, ...messages) {
  let asked = 0;
  for (const message of messages) {
    const next = take(picture, message);
    picture = next.picture;
    asked += Number(next.ask);
  }
  return { picture, asked };
}

test("changes that follow a snapshot are applied, and free seats are left out", () => {
  const { picture, asked } = feed(unknown(), snapshot(4, { A1: "held" }), changes(5, { A1: "free", A2: "booked" }));
  assert.deepEqual(picture.seats, { A2: "booked" });
  assert.equal(picture.version, 5);
  assert.equal(asked, 0);
});

test("a repeated or older message changes nothing", () => {
  const { picture, asked } = feed(unknown(), snapshot(4), changes(5, { A1: "held" }), changes(5, { A1: "free" }), changes(3, { A1: "booked" }));
  assert.deepEqual(picture.seats, { A1: "held" });
  assert.equal(asked, 0);
});

test("a hole asks for one snapshot and holds later changes back", () => {
  const { picture, asked } = feed(unknown(), snapshot(4), changes(6, { A1: "held" }), changes(7, { A2: "held" }));
  assert.equal(asked, 1);
  assert.equal(picture.version, 4);
  assert.deepEqual(picture.seats, {});
});

test("changes that overtook the snapshot are applied after it, once", () => {
  const { picture, asked } = feed(unknown(), snapshot(4), changes(6, { A1: "held" }), changes(7, { A2: "held" }), snapshot(6, { A1: "held" }));
  assert.deepEqual(picture.seats, { A1: "held", A2: "held" });
  assert.equal(picture.version, 7);
  assert.equal(asked, 1);
});

test("a snapshot that leaves a hole asks again", () => {
  const { picture, asked } = feed(unknown(), snapshot(4), changes(9, { A1: "held" }), snapshot(6));
  assert.equal(asked, 2);
  assert.equal(picture.version, 6);
  assert.equal(picture.asking, true);
});

test("an older snapshot never turns the picture back", () => {
  const { picture } = feed(unknown(), snapshot(8, { A1: "booked" }), snapshot(5, {}));
  assert.deepEqual(picture.seats, { A1: "booked" });
  assert.equal(picture.version, 8);
});

test("after an interruption changes wait for the snapshot", () => {
  const before = interrupted(feed(unknown(), snapshot(8)).picture);
  const { picture, asked } = feed(before, changes(9, { A1: "held" }));
  assert.equal(asked, 0, "the new socket sends its snapshot unasked");
  assert.equal(picture.version, 8);
  assert.equal(feed(picture, snapshot(8)).picture.version, 9);
});

test("messages of other types are ignored", () => {
  const known = feed(unknown(), snapshot(1)).picture;
  assert.deepEqual(take(known, { type: "weather" }), { picture: known, ask: false });
});

test("any order, any repetition of one history ends in the same seats", () => {
  const history = Array.from({ length: 40 }, (_, index) => changes(index + 1, { [`A${index % 7}`]: index % 3 ? "held" : "free" }));
  const truth = feed(feed(unknown(), snapshot(0)).picture, ...history).picture;
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = generator(seed);
    const messy = history.filter(() => random() > 0.2).flatMap((message) => (random() > 0.8 ? [message, message] : [message]));
    let picture = feed(unknown(), snapshot(0)).picture;
    let version = picture.version;
    for (const message of messy) {
      picture = take(picture, message).picture;
      assert.ok(picture.version >= version, "the version went backwards");
      version = picture.version;
    }
    picture = take(picture, snapshot(truth.version, truth.seats)).picture;
    assert.deepEqual(picture.seats, truth.seats);
  }
});

function generator(seed) {
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}
