// What the status page makes of the balancer's answers.

import assert from "node:assert/strict";
import test from "node:test";
import { picture } from "../src/operate/status/picture.js";

function endpoint(address, changes = {}) {
  return { address, weight: 1, state: "healthy", in_flight: 0, answers: 0, failures: 0, latency: { first: 0, counts: [] }, ...changes };
}

function look(seconds, endpoints, changes = {}) {
  const serving = endpoints.filter(({ state }) => state === "healthy").length;
  return {
    uptime_seconds: seconds,
    requests_in_flight: 0,
    reload: { at: "2026-11-20T18:00:00.123456789Z" },
    sockets_open: 0,
    unrouted: {},
    cache: { results: {}, bytes: 0, entries: 0 },
    latency_bounds_ms: [1, 2, 4],
    pools: [{ name: "main", serving, requests: {}, retries: {}, shed: {}, endpoints, ...changes }],
  };
}

test("one look shows states and no rate", () => {
  const { pools, totals, trouble } = picture([look(5, [endpoint("a"), endpoint("b", { state: "out" })])]);
  assert.deepEqual([pools[0].serving, pools[0].size, pools[0].rate, totals.rate, totals.p99], [1, 2, null, null, null]);
  assert.deepEqual(trouble, ["main: b is out"]);
});

test("rates are of the whole window and of the last moment", () => {
  const at = (seconds, served, failed) =>
    look(seconds, [endpoint("a", { answers: served, failures: failed })], { requests: { "2xx": served - failed, "5xx": failed }, retries: { broken: failed } });
  const { pools: [pool], totals } = picture([at(0, 0, 0), at(9, 80, 4), at(10, 100, 5)]);
  assert.deepEqual([pool.rate, pool.latest, pool.errors, pool.retries], [10, 20, 0.5, 0.5]);
  assert.deepEqual([pool.failed, pool.answered], [5, 100]);
  assert.deepEqual([totals.rate, totals.latest, totals.errors, totals.retries], [10, 20, 0.5, 0.5]);
  assert.deepEqual([pool.endpoints[0].rate, pool.endpoints[0].errors], [10, 0.5]);
});

test("percentiles are of what came in the window, of endpoints, pools and all", () => {
  const old = endpoint("a", { latency: { first: 2, counts: [100] } });
  const now = endpoint("a", { latency: { first: 0, counts: [10, 0, 100] } });
  const other = endpoint("b", { latency: { first: 1, counts: [10] } });
  const { pools: [pool], totals } = picture([look(0, [old]), look(1, [now, other])]);
  assert.equal(pool.endpoints[0].p50, 0.5);
  assert.equal(pool.endpoints[1].p50, 1.5);
  assert.deepEqual([pool.p50, totals.p50, totals.p99 > 1.9], [1, 1, true]);
});

test("endpoints that came and went are no trouble to it", () => {
  const { pools: [pool] } = picture([look(0, [endpoint("a", { answers: 50 })]), look(2, [endpoint("b", { answers: 8 })])]);
  assert.deepEqual(pool.endpoints.map(({ address, rate }) => [address, rate]), [["b", 4]]);
});

test("a pool without anybody, and a list that cannot be found, are to be looked at", () => {
  const discovery = { source: "file x", age_seconds: null, error: "x: no such file" };
  const { trouble } = picture([look(1, [endpoint("a", { state: "out" })], { discovery })]);
  assert.deepEqual(trouble, ["main: nobody serves", "main: x: no such file"]);
});

test("a configuration that was refused is to be looked at", () => {
  const refused = { ...look(1, []), reload: { at: "2026-11-20T18:00:00Z", error: "balancer.toml:7: no" } };
  const { reload, trouble } = picture([look(0, []), refused]);
  assert.deepEqual(reload, { failed: true, words: "configuration of 2026-11-20 18:00:00 UTC refused, the one before it goes on: balancer.toml:7: no" });
  assert.deepEqual(trouble, ["main: nobody serves", reload.words].reverse());
  assert.deepEqual(picture([look(0, [])]).reload, { failed: false, words: "configuration of 2026-11-20 18:00:00 UTC taken over" });
});

test("what the cache answered is a share of what could ask it", () => {
  const at = (seconds, results) => ({ ...look(seconds, []), cache: { results, bytes: 0, entries: 0 } });
  const { totals } = picture([at(0, { hit: 10 }), at(1, { hit: 40, stored: 5, passed: 5 })]);
  assert.deepEqual([totals.cache.hits, totals.cache.of], [30, 40]);
});
