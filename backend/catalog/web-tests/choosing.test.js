// What the service is asked to choose or to keep a place in line for, and which refusals come with an offer.

import assert from "node:assert/strict";
import test from "node:test";
import { bestWish } from "../web/parts/best-seats.js";
import { available, hasAvailable } from "../web/parts/available.js";
import { conflict, isConflict } from "../web/parts/conflict.js";
import { stillTaken, toggleWanted, wishOf } from "../web/wish.js";

/** As much of a document as a panel needs. */
class Fake {
  constructor(tag) {
    Object.assign(this, { tag, children: [], listeners: {} });
  }
  setAttribute() {}
  append(...children) {
    this.children.push(...children);
  }
  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }
  get text() {
    return this.children.map((child) => child.text ?? child).join(" ");
  }
  all(tag) {
    return this.children.flatMap((child) => (child instanceof Fake ? [...(child.tag === tag ? [child] : []), ...child.all(tag)] : []));
  }
}

test("room for a wheelchair is asked for only by those who need it", () => {
  assert.deepEqual(bestWish(2, false), { best: 2 });
  assert.deepEqual(bestWish(2, true), { best: 2, accessible: true });
});

test("seats left alone are told with the fix as a button", () => {
  globalThis.document = { createElement: (tag) => new Fake(tag) };
  const taken = [];
  const problem = { code: "leaves_single_seat", message: "This would leave seat A1 alone.", body: { alternatives: [["A1", "A2"], ["B1", "B2"]] } };
  assert.ok(isConflict(problem));
  const panel = conflict(problem, (seats) => taken.push(seats));
  assert.match(panel.text, /left over.*seat A1 alone.*leave none/);
  const buttons = panel.all("button");
  assert.deepEqual(buttons.map(({ text }) => text), ["Hold A1 and A2", "Hold B1 and B2"]);
  buttons[0].listeners.click();
  assert.deepEqual(taken, [["A1", "A2"]]);
  delete globalThis.document;
});

test("other problems are not for the panel", () => {
  assert.ok(isConflict({ code: "seats_unavailable" }));
  for (const code of ["too_many_holds", "constructor", undefined]) assert.ok(!isConflict({ code }));
});

test("who waits asks for no more than they wish", () => {
  assert.deepEqual(wishOf({ party: 3 }), { party: 3 });
  assert.deepEqual(wishOf({ party: 1, together: true, priceMax: " ", email: "" }), { party: 1 });
  const all = { party: 2, seats: ["F7", "F8"], together: true, accessible: true, priceMax: "12,5", currency: "USD", email: " a@b.example " };
  assert.deepEqual(wishOf(all), {
    party: 2, seats: ["F7", "F8"], together: true, kind: "wheelchair", price_max: { amount: 1250, currency: "USD" }, email: "a@b.example",
  });
  assert.deepEqual(wishOf({ party: 1, priceMax: "1500", currency: "JPY" }).price_max, { amount: 1500, currency: "JPY" });
});

test("taken seats are pressed to be waited for, at most ten, and not once they are free", () => {
  assert.deepEqual(toggleWanted(["F7"], "F8").wanted, ["F7", "F8"]);
  assert.deepEqual(toggleWanted(["F7", "F8"], "F7").wanted, ["F8"]);
  const ten = Array.from({ length: 10 }, (_, index) => `A${index}`);
  assert.deepEqual(toggleWanted(ten, "F7"), { wanted: ten, full: true });
  assert.deepEqual(stillTaken(["F7", "F8"], { F8: "held" }), ["F8"]);
});

test("who would wait for what is free is shown where it is, one click each", () => {
  globalThis.document = { createElement: (tag) => new Fake(tag) };
  const selected = [];
  const problem = { code: "seats_available", message: "It is free.", body: { available: [["A1", "A2"], ["B1", "B2"]] } };
  assert.ok(hasAvailable(problem));
  assert.ok(!hasAvailable({ ...problem, body: { available: [] } }) && !hasAvailable({ code: "already_waiting", body: {} }));
  const buttons = available(problem, (seats) => selected.push(seats)).all("button");
  assert.deepEqual(buttons.map(({ text }) => text), ["Select A1 and A2", "Select B1 and B2"]);
  buttons[1].listeners.click();
  assert.deepEqual(selected, [["B1", "B2"]]);
  delete globalThis.document;
});
