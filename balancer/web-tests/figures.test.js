// What two looks at counters say.

import assert from "node:assert/strict";
import test from "node:test";
import {
  CURVE, WINDOW, bytesText, durationText, growth, grown, latencyText, lengthen, merged, percentile, points, rate, rateText,
  remember, shareText, whole,
} from "../src/operate/status/figures.js";

test("looks are kept for the window and forgotten when the balancer began anew", () => {
  let looks = [];
  for (let second = 1; second <= 3 * WINDOW; second += 1) looks = remember(looks, { uptime_seconds: second });
  assert.equal(looks.length, WINDOW + 1);
  assert.equal(looks.at(-1).uptime_seconds - looks[0].uptime_seconds, WINDOW);
  assert.deepEqual(remember(looks, { uptime_seconds: 2 }), [{ uptime_seconds: 2 }]);
});

test("a counter that fell was counted from nothing", () => {
  assert.equal(growth(7, 5), 2);
  assert.equal(growth(3, 5), 3);
  assert.equal(growth(3, undefined), 3);
  assert.equal(rate(30, 10, 10), 2);
  assert.equal(rate(30, 10, 0), null);
});

test("percentiles lie inside their bucket", () => {
  const bounds = [1, 2, 4, 8];
  assert.equal(percentile(bounds, [0, 0, 0, 0], 0.5), null);
  assert.equal(percentile(bounds, [0, 10, 0, 0], 0.5), 1.5);
  assert.equal(percentile(bounds, [50, 49, 0, 1], 0.5), 1);
  assert.equal(percentile(bounds, [50, 49, 0, 1], 1), 8);
  const p99 = percentile(bounds, [90, 5, 5, 0], 0.99);
  assert.ok(p99 > 2 && p99 <= 4, `${p99}`);
});

test("a histogram without its zeros is the same one", () => {
  assert.deepEqual(whole({ first: 2, counts: [5, 0, 1] }, 6), [0, 0, 5, 0, 1, 0]);
  assert.deepEqual(whole(undefined, 3), [0, 0, 0]);
  assert.deepEqual(grown([3, 4], [1, 4]), [2, 0]);
  assert.deepEqual(grown([3, 0], [1, 4]), [3, 0]);
  assert.deepEqual(merged([1, 2], [3, 4]), [4, 6]);
});

test("a curve ends at the right and touches the top", () => {
  assert.equal(points([0, 4, 2], CURVE - 1, 12), `${CURVE - 3}.0,11.0 ${CURVE - 2}.0,1.0 ${CURVE - 1}.0,6.0`);
  assert.equal(points([0, null], CURVE - 1, 12).split(" ").length, 2);
  let curve = [];
  for (let value = 0; value < 2 * CURVE; value += 1) curve = lengthen(curve, value);
  assert.deepEqual([curve.length, curve.at(-1)], [CURVE, 2 * CURVE - 1]);
});

test("figures are short", () => {
  assert.deepEqual([null, 0, 0.25, 12.34, 4321, 12_345, 234_567].map(rateText), ["–", "0", "0.25", "12.3", "4321", "12.3k", "235k"]);
  assert.deepEqual([null, 0.31, 12.34, 250.4, 1234, 61_000].map(latencyText), ["–", "0.31 ms", "12.3 ms", "250 ms", "1.2 s", "61 s"]);
  assert.deepEqual([shareText(0, 0), shareText(1, 3), shareText(3, 3)], ["–", "33.3 %", "100 %"]);
  assert.deepEqual([0.4, 59, 61, 3600, 90_061].map(durationText), ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]);
  assert.deepEqual([512, 2048, 64 * 1024 * 1024].map(bytesText), ["512 B", "2.0 KiB", "64.0 MiB"]);
});
