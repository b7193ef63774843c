// The seat map: order, names, arrow keys, and what becomes of picks.

import assert from "node:assert/strict";
import test from "node:test";
import { seatGlyph, seatLabel } from "../web/seat-map/labels.js";
import { layoutOf } from "../web/seat-map/layout.js";
import { neighbour } from "../web/seat-map/movement.js";
import { freeCount, SEATS_MAX, settle, statusOf, toggle } from "../web/seat-map/selection.js";

/** Two rows, an aisle after the second place; row B is wider. Given out of order. */
const layout = layoutOf({
  show_id: "s",
  rows: [
    { label: "B", seats: [seat("B4", 6, 2), seat("B1", 1, 2, "wheelchair"), seat("B2", 2, 2), seat("B3", 5, 2)] },
    { label: "A", seats: [seat("A1", 2, 1), seat("A2", 5, 1)] },
  ],
});

function seat(id, x, y, kind = "standard") {
  return { id, x, y, kind };
}

test("rows go away from the screen, places start at zero", () => {
  assert.deepEqual(layout.rows.map(({ label }) => label), ["A", "B"]);
  assert.deepEqual(layout.rows[1].seats.map(({ id }) => id), ["B1", "B2", "B3", "B4"]);
  assert.equal(layout.seats.get("B1").x, 0);
  assert.equal(layout.seats.get("A1").y, 0);
  assert.equal(layout.columns, 6);
  assert.equal(layout.depth, 2);
});

test("an auditorium without seats is drawn as nothing", () => {
  const empty = layoutOf({ rows: [] });
  assert.equal(empty.columns, 0);
  assert.equal(empty.seats.size, 0);
});

test("every state is said in words and drawn by its own shape", () => {
  const wheelchair = layout.seats.get("B1");
  assert.equal(seatLabel(wheelchair, "free"), "Row B seat 1, wheelchair place, free");
  assert.equal(seatLabel(layout.seats.get("A2"), "held"), "Row A seat 2, on hold by somebody");
  assert.equal(seatLabel(layout.seats.get("A2"), "booked", true), "Row A seat 2, booked, chosen to wait for");
  assert.equal(seatGlyph(wheelchair, "free"), "wheelchair");
  const shapes = ["free", "mine", "held", "booked"].map((status) => seatGlyph(layout.seats.get("A1"), status));
  assert.equal(new Set(shapes).size, 4);
});

test("arrow keys cross aisles and land on the nearest place", () => {
  assert.equal(neighbour(layout, "B2", "ArrowRight"), "B3");
  assert.equal(neighbour(layout, "B4", "ArrowUp"), "A2");
  assert.equal(neighbour(layout, "A1", "ArrowDown"), "B2");
  assert.equal(neighbour(layout, "A1", "ArrowUp"), null);
  assert.equal(neighbour(layout, "B4", "ArrowRight"), null);
  assert.equal(neighbour(layout, "B3", "Home"), "B1");
  assert.equal(neighbour(layout, "A1", "End", { ctrl: true }), "B4");
  assert.equal(neighbour(layout, "A1", "Enter"), null);
});

test("picks toggle and stop at the limit", () => {
  const full = Array.from({ length: SEATS_MAX }, (_, index) => `A${index}`);
  assert.deepEqual(toggle(["A1"], "A1"), { picked: [], full: false });
  assert.deepEqual(toggle(full, "Z9"), { picked: full, full: true });
});

test("a pick that somebody took is lost, the others stay", () => {
  assert.deepEqual(settle(["A1", "A2"], { A2: "held", B1: "booked" }), { picked: ["A1"], lost: ["A2"] });
});

test("mine is what is picked or held here", () => {
  const seen = { taken: { A2: "held", B1: "held", B2: "booked" }, picked: ["A1"], held: ["A2", "B2"] };
  assert.deepEqual(["A1", "A2", "B1", "B2", "B3"].map((id) => statusOf(id, seen)), ["mine", "mine", "held", "booked", "free"]);
  assert.equal(freeCount(6, seen.taken), 3);
});
