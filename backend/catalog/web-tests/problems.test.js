// What a visitor reads when something goes wrong.

import assert from "node:assert/strict";
import test from "node:test";
import { sentence } from "../web/problems.js";

test("lost seats are named", () => {
  assert.equal(sentence({ code: "seats_unavailable", unavailable: ["C7"] }), "Seat C7 has just been taken.");
  assert.equal(sentence({ code: "seats_unavailable", unavailable: ["C7", "C8"] }), "Seats C7 and C8 have just been taken.");
  assert.equal(sentence({ code: "seats_unavailable" }), "There are not that many seats free together.");
});

test("seats that would be left alone are named", () => {
  assert.match(sentence({ code: "leaves_single_seat", seats: ["A3"] }), /^This would leave seat A3 alone/);
  assert.match(sentence({ code: "leaves_single_seat", seats: ["A1", "A4"] }), /^This would leave seats A1 and A4 alone/);
  assert.match(sentence({ code: "leaves_single_seat" }), /^This would leave a single seat alone/);
});

test("a pause that the server asks for is told", () => {
  assert.match(sentence({ code: "rate_limited", retry_after_seconds: 3 }), /Try again in 3 seconds\.$/);
  assert.match(sentence({ status: 503 }), /Try again in a moment\.$/);
});

test("an unknown code falls back to the detail, then to the status, then to something", () => {
  assert.equal(sentence({ code: "brand_new", detail: "the projector is being repaired", status: 409 }), "The projector is being repaired.");
  assert.match(sentence({ code: "brand_new", status: 410 }), /Too late/);
  assert.match(sentence({ code: "constructor", status: 500 }), /went wrong/);
  assert.match(sentence({}), /went wrong/);
});

test("why nobody can wait like this is said with what would do", () => {
  assert.match(sentence({ code: "price_max_too_low", price: { amount: 1250, currency: "USD" } }), /cost more than that: \$12\.50 each\.$/);
  assert.match(sentence({ code: "never_together", status: 422 }), /next to each other/);
  for (const code of ["show_started", "show_cancelled"]) assert.match(sentence({ code, status: 410 }), /^This show/);
});
