// What the service is asked to choose, and which refusals come with an offer.

import assert from "node:assert/strict";
import test from "node:test";
import { bestWish } from "../web/parts/best-seats.js";
import { conflict, isConflict } from "../web/parts/conflict.js";

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
