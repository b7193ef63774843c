// Money, time and lists in words.

import assert from "node:assert/strict";
import test from "node:test";
import {
  clockTime, countdown, dayAndTime, dayLabel, daysFrom, isoDay, list, money, plural, runtime, spokenCountdown, times,
} from "../web/format.js";

const plain = (text) => text.replaceAll("\u202f", " "); // newer ICU puts a narrow space before PM

test("money is minor units of its own currency", () => {
  assert.equal(money({ amount: 1250, currency: "USD" }), "$12.50");
  assert.equal(money({ amount: 1250, currency: "JPY" }), "¥1,250");
  assert.equal(money(times({ amount: 1250, currency: "USD" }, 3)), "$37.50");
  assert.equal(money(undefined), "");
});

test("a show's hour is the theater's", () => {
  const instant = "2026-11-24T03:30:00Z";
  assert.equal(plain(clockTime(instant, "America/Chicago")), "9:30 PM");
  assert.equal(plain(clockTime(instant, "America/Los_Angeles")), "7:30 PM");
  assert.equal(plain(dayAndTime(instant, "America/Chicago")), "Mon, Nov 23, 9:30 PM");
  assert.equal(isoDay(instant, "America/Chicago"), "2026-11-23");
  assert.equal(isoDay(instant, "UTC"), "2026-11-24");
});

test("an unknown zone is no reason to show nothing", () => {
  assert.match(clockTime("2026-11-24T03:30:00Z", "Mars/Olympus"), /\d:\d\d/);
});

test("days go on over the end of a month and of summer time", () => {
  assert.deepEqual(daysFrom("2026-10-30", 4), ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]);
  assert.deepEqual(dayLabel("2026-11-01"), { weekday: "Sun", date: "Nov 1" });
});

test("a countdown never goes below zero and rounds up", () => {
  assert.equal(countdown(247), "4:07");
  assert.equal(countdown(59.2), "1:00");
  assert.equal(countdown(-3), "0:00");
  assert.equal(spokenCountdown(247), "4 minutes 7 seconds");
  assert.equal(spokenCountdown(60), "1 minute");
  assert.equal(spokenCountdown(0), "0 seconds");
});

test("lists and counts", () => {
  assert.equal(list([]), "");
  assert.equal(list(["A1"]), "A1");
  assert.equal(list(["A1", "A2", "A3"]), "A1, A2 and A3");
  assert.equal(plural(1, "seat"), "1 seat");
  assert.equal(plural(2, "party is", "parties are"), "2 parties are");
  assert.equal(runtime(129), "2 h 9 min");
  assert.equal(runtime(120), "2 h");
  assert.equal(runtime(null), "");
});
