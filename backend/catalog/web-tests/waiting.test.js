// What the panel of the line asks for, whichever of its buttons is pressed.

import assert from "node:assert/strict";
import test from "node:test";

/** As much of an element as the panel needs. */
class Fake {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, listeners: {}, dataset: {}, value: "", classList: { toggle() {} } });
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  removeAttribute(name) {
    delete this.attributes[name];
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }
  find(testId) {
    if (this.attributes["data-testid"] === testId) return this;
    for (const child of this.children) {
      const found = child instanceof Fake && child.find(testId);
      if (found) return found;
    }
    return null;
  }
}

/** A refusal, so that nobody goes to another page. */
function refuse(asked) {
  return async (path, { body }) => {
    asked.push([path, JSON.parse(body)]);
    return new Response(JSON.stringify({ code: "closed", status: 422 }), { status: 422 });
  };
}

test("an address is left with one seat that is waited for by the button beside it, too", async () => {
  const before = { addEventListener: globalThis.addEventListener, fetch: globalThis.fetch };
  const asked = [];
  Object.assign(globalThis, { addEventListener() {}, document: { createElement: (tag) => new Fake(tag) }, fetch: refuse(asked) });
  const { waitPanel } = await import("../web/parts/wait-panel.js");
  const panel = waitPanel({ id: "tonight" }, { onAnySeats() {}, onSelect() {} });
  panel.element.find("waiting-price").value = "1";
  await panel.waitFor("A1", new Fake("button"));
  panel.element.find("waiting-email").value = " late@theater.example ";
  await panel.waitFor("A2", new Fake("button"));
  const path = "/api/shows/tonight/waitlist";
  assert.deepEqual(asked, [
    [path, { party: 1, seats: ["A1"] }],
    [path, { party: 1, seats: ["A2"], email: "late@theater.example" }],
  ]);
  Object.assign(globalThis, before);
  delete globalThis.document;
});
