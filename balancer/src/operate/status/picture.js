// What the page shows, made from the looks of the last seconds. Pure: looks in, a picture of plain values out.

import { grown, growth, merged, momentText, percentile, rate, total, whole } from "./figures.js";

/** The picture of these looks, of which the last one is now. */
export function picture(looks) {
  const span = (from) => ({ now: looks.at(-1), before: from, seconds: looks.at(-1).uptime_seconds - from.uptime_seconds });
  const [window, moment] = [span(looks[0]), span(looks.at(-2) ?? looks[0])];
  const pools = window.now.pools.map((pool) => poolPicture(pool, window, moment));
  const reload = reloadPicture(window.now.reload);
  const trouble = [...(reload.failed ? [reload.words] : []), ...pools.flatMap((pool) => pool.trouble)];
  return { pools, totals: totalsPicture(pools, window, moment), trouble, reload };
}

/** When the configuration was last read, and what came of it. */
function reloadPicture({ at, error }) {
  const failed = error !== undefined;
  const outcome = failed ? `refused, the one before it goes on: ${error}` : "taken over";
  return { failed, words: `configuration of ${momentText(at)} ${outcome}` };
}

function poolPicture(pool, window, moment) {
  const [before, last] = [window, moment].map((span) => named(span.before.pools, pool.name));
  const endpoints = pool.endpoints.map((endpoint) => endpointPicture(endpoint, before, last, window, moment));
  const counts = endpoints.map((endpoint) => endpoint.counts);
  const out = endpoints.filter((endpoint) => !endpoint.serves);
  return {
    ...traffic(pool.requests, before?.requests, last?.requests, window, moment),
    ...latencies(window.now, counts.reduce(merged, whole(undefined, window.now.latency_bounds_ms.length))),
    name: pool.name,
    policy: pool.policy,
    serving: pool.serving,
    size: pool.endpoints.length,
    discovery: pool.discovery,
    limits: pool.limits,
    in_flight: endpoints.reduce((sum, endpoint) => sum + endpoint.in_flight, 0),
    retries: rate(total(pool.retries), total(before?.retries), window.seconds),
    shed: rate(total(pool.shed), total(before?.shed), window.seconds),
    endpoints,
    trouble: troubleOf(pool, out),
  };
}

/** Requests of all classes, and those that were our side's fault. */
function traffic(now, before, last, window, moment) {
  const all = growth(total(now), total(before));
  const failed = growth(now["5xx"], before?.["5xx"]);
  return {
    rate: rate(total(now), total(before), window.seconds),
    latest: rate(total(now), total(last), moment.seconds),
    errors: rate(now["5xx"], before?.["5xx"], window.seconds),
    latest_errors: rate(now["5xx"], last?.["5xx"], moment.seconds),
    answered: all,
    failed,
  };
}

function endpointPicture(endpoint, poolBefore, poolLast, window, moment) {
  const [before, last] = [poolBefore, poolLast].map((pool) => addressed(pool?.endpoints, endpoint.address));
  const buckets = window.now.latency_bounds_ms.length;
  const counts = grown(whole(endpoint.latency, buckets), whole(before?.latency, buckets));
  return {
    ...endpoint,
    ...latencies(window.now, counts),
    counts,
    serves: endpoint.state === "healthy",
    rate: rate(endpoint.answers, before?.answers, window.seconds),
    latest: rate(endpoint.answers, last?.answers, moment.seconds),
    errors: rate(endpoint.failures, before?.failures, window.seconds),
  };
}

function latencies(look, counts) {
  const of = (share) => percentile(look.latency_bounds_ms, counts, share);
  return { p50: of(0.5), p99: of(0.99), counts };
}

function totalsPicture(pools, window, moment) {
  const { now, before, seconds } = window;
  const sum = (read, span) =>
    rate(allOf(span.now, read), allOf(span.before, read), span.seconds);
  const counts = pools.map((pool) => pool.counts);
  const empty = whole(undefined, now.latency_bounds_ms.length);
  return {
    ...latencies(now, counts.reduce(merged, empty)),
    rate: sum((pool) => total(pool.requests), window),
    latest: sum((pool) => total(pool.requests), moment),
    errors: sum((pool) => pool.requests["5xx"] ?? 0, window),
    latest_errors: sum((pool) => pool.requests["5xx"] ?? 0, moment),
    retries: sum((pool) => total(pool.retries), window),
    shed: sum((pool) => total(pool.shed), window),
    unrouted: rate(total(now.unrouted), total(before.unrouted), seconds),
    cache: cachePicture(now.cache, before.cache),
    in_flight: now.requests_in_flight,
    sockets: now.sockets_open,
  };
}

/** Of the requests on routes with a cache, those it answered. */
function cachePicture(now, before) {
  const came = (result) => growth(now.results[result], before.results[result]);
  const hits = came("hit") + came("stale") + came("revalidated");
  return { hits, of: Object.keys(now.results).reduce((sum, result) => sum + came(result), 0), bytes: now.bytes, entries: now.entries };
}

/** What somebody should look at, in words. */
function troubleOf(pool, out) {
  const trouble = [];
  if (pool.serving === 0) trouble.push(`${pool.name}: nobody serves`);
  else trouble.push(...out.map((endpoint) => `${pool.name}: ${endpoint.address} is ${endpoint.state}`));
  if (pool.discovery?.error) trouble.push(`${pool.name}: ${pool.discovery.error}`);
  return trouble;
}

function allOf(look, read) {
  return look.pools.reduce((sum, pool) => sum + read(pool), 0);
}

function named(pools, name) {
  return pools.find((pool) => pool.name === name);
}

function addressed(endpoints, address) {
  return endpoints?.find((endpoint) => endpoint.address === address);
}
