// Talks HTTP with the services: JSON in and out, problems as errors, patient when the
// network or a server is away. It knows no page and shows nothing.

import { pause, pauseMs } from "./backoff.js";
import { learn } from "./clock.js";
import { Intents } from "./intents.js";
import { sentence } from "./problems.js";

const ATTEMPTS_MAX = 5;
const TIMEOUT_MS = 20_000;
const KEY_UNDER_WAY = "idempotency_key_under_way"; // our own first try is not done yet
const RETRY_AFTER_SECONDS_MAX = 5; // longer than this, the visitor decides

const intents = new Intents();
const listeners = new Set();

/** What a call ended with when it was not an answer; `message` is for the visitor. */
export class Problem extends Error {
  constructor(body, status) {
    super(sentence({ status, ...body }));
    Object.assign(this, { status, code: body.code, body });
  }
}

/** Told `true` / `false` when answers arrive / stop arriving. */
export function onConnection(listener) {
  listeners.add(listener);
}

/** GET; tried again while the network or the server is away. */
export function get(path, { signal } = {}) {
  return attempt("GET", path, { signal });
}

/** POST with an idempotency key that lives until a definite answer, so retries are safe. */
export async function post(path, body, { signal } = {}) {
  const key = intents.keyFor(path, body);
  try {
    const answer = await attempt("POST", path, { body, key, signal });
    intents.settle(path, body);
    return answer;
  } catch (error) {
    if (definite(error)) intents.settle(path, body);
    throw error;
  }
}

/** DELETE; repeating it changes nothing more. */
export function remove(path) {
  return attempt("DELETE", path, {});
}

async function attempt(method, path, options) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await once(method, path, options);
    } catch (error) {
      if (options.signal?.aborted || tries + 1 >= ATTEMPTS_MAX || !passing(error, method)) throw error;
      await pause(waitMs(error, tries), options.signal);
      options.signal?.throwIfAborted();
    }
  }
}

async function once(method, path, { body, key, signal }) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["idempotency-key"] = key;
  const response = await send(path, { method, headers, body: body && JSON.stringify(body) }, signal);
  if ((response.headers.get("cache-control") ?? "").includes("no-store")) learn(response.headers.get("date"));
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : readJson(response);
}

async function send(path, request, signal) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), TIMEOUT_MS);
  const leave = () => limit.abort();
  signal?.addEventListener("abort", leave, { once: true });
  try {
    const response = await fetch(path, { ...request, signal: limit.signal });
    tell(true);
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    tell(false);
    throw new Problem({ code: "network" }, 0);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    throw new Problem({ code: "network" }, 0); // cut off in the middle of the answer
  }
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const after = Number(response.headers.get("retry-after"));
  if (after > 0) body.retry_after_seconds = after;
  return new Problem(body, response.status);
}

/** Might go away by itself. A payment without an answer is the visitor's to repeat. */
function passing(error, method) {
  if (!(error instanceof Problem)) return false;
  if ((error.body.retry_after_seconds ?? 0) > RETRY_AFTER_SECONDS_MAX) return false;
  if (error.code === "payment_unavailable") return false;
  if (error.code === KEY_UNDER_WAY) return true;
  return [0, 502, 503].includes(error.status) || (method === "GET" && [429, 504].includes(error.status));
}

/** The server decided; after anything else the outcome is unknown and the key must stay. */
export function definite(error) {
  return error instanceof Problem && error.status >= 400 && error.status < 500
    && ![408, 429].includes(error.status) && error.code !== KEY_UNDER_WAY;
}

function waitMs(error, tries) {
  const asked = (error.body.retry_after_seconds ?? 0) * 1000;
  // On top of it: a crowd that was told the same second must not come back in the same instant.
  return asked + pauseMs(tries, Math.random(), { first: 400, most: 4_000 });
}

function tell(connected) {
  for (const listener of listeners) listener(connected);
}
