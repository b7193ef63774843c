// Which tab speaks, and what is kept for all of them.

import assert from "node:assert/strict";
import test from "node:test";
import { Shelf } from "../web/shelf.js";
import { candidate } from "../web/tabs.js";

/** Web Locks, as much of one lock as is needed: an owner, who may be robbed, and a queue. */
class Locks {
  #owner = null;
  #queue = [];

  request(_name, { signal, steal }, held) {
    return new Promise((resolve, reject) => {
      const request = { held, resolve, reject };
      if (steal) return setTimeout(() => this.#steal(request));
      this.#queue.push(request);
      signal?.addEventListener("abort", () => {
        this.#queue = this.#queue.filter((each) => each !== request);
        reject(signal.reason);
      });
      return this.#next();
    });
  }

  /** The tab of the owner is closed. */
  close() {
    this.#owner = null;
    this.#next();
  }

  #steal(request) {
    this.#owner?.reject(new Error("stolen"));
    this.#grant(request);
  }

  #next() {
    if (!this.#owner && this.#queue.length > 0) this.#grant(this.#queue.shift());
  }

  #grant(request) {
    this.#owner = request;
    request.held().then(request.resolve);
  }
}

const settled = () => new Promise((resolve) => { setTimeout(resolve, 5); });

function tabs(count) {
  const locks = new Locks();
  const speaking = new Set();
  const stand = Array.from({ length: count }, (_, tab) => candidate(locks, (now) => (now ? speaking.add(tab) : speaking.delete(tab))));
  return { locks, speaking, stand };
}

test("of ten tabs one speaks, and it is the one looked at last", async () => {
  const { speaking, stand } = tabs(10);
  assert.deepEqual([...speaking], [0]);
  for (const tab of [7, 3, 3, 7, 0]) {
    stand[tab]();
    stand[tab](); // seen, and given the focus
    await settled();
    assert.deepEqual([...speaking], [tab]);
  }
});

test("when the tab that speaks is closed, another one does, also one that was robbed before", async () => {
  const { locks, speaking, stand } = tabs(2);
  stand[1]();
  await settled();
  speaking.clear();
  locks.close();
  await settled();
  assert.deepEqual([...speaking], [0]);
});

test("without locks each tab speaks for itself", () => {
  const heard = [];
  candidate(undefined, (now) => heard.push(now))();
  assert.deepEqual(heard, [true]);
});

/** A Storage, shared by who is given it. */
class Store extends Map {
  get length() { return this.size; }
  key(index) { return [...this.keys()][index] ?? null; }
  getItem(key) { return this.get(key) ?? null; }
  setItem(key, text) { this.set(key, text); }
  removeItem(key) { this.delete(key); }
}

test("two tabs that keep different things at once both find both", () => {
  const store = new Store([["somebody.else", "{}"]]);
  const [one, other] = [new Shelf("mine.", store), new Shelf("mine.", store)];
  assert.ok(one.put({ id: "b", at: "2" }));
  assert.ok(other.put({ id: "a", at: "1" }));
  assert.deepEqual(one.all("at").map(({ id }) => id), ["a", "b"]);
  assert.ok(!other.put({ id: "b", at: "2" }), "no news");
  assert.ok(one.drop("a") && !other.drop("a"));
  assert.equal(other.get("a"), null);
});

test("a tab without storage remembers for itself, and what is garbled is passed over", () => {
  const full = Object.assign(new Store([["mine.x", "{"]]), { setItem() { throw new Error("full"); } });
  for (const storage of [null, full]) {
    const shelf = new Shelf("mine.", storage);
    assert.ok(shelf.put({ id: "a", at: "1" }));
    assert.deepEqual(shelf.all("at").map(({ id }) => id), ["a"]);
    assert.ok(shelf.drop("a"));
    assert.equal(shelf.get("a"), null);
  }
});
