// When a countdown speaks.

import assert from "node:assert/strict";
import test from "node:test";
import { nextSpoken } from "../web/parts/countdown.js";

test("a countdown speaks now and then, not each second, and not twice at one moment", () => {
  const spoken = [];
  let next = nextSpoken(300);
  for (let left = 300; left >= 0; left -= 0.25) {
    if (next === null || left > next) continue;
    spoken.push(next);
    next = nextSpoken(left);
  }
  assert.deepEqual(spoken, [240, 180, 120, 60, 30, 10]);
});

test("a page opened late does not catch up on what it missed", () => {
  assert.equal(nextSpoken(45), 30);
  assert.equal(nextSpoken(5), null);
});
