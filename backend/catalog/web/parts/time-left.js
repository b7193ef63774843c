// The time left to book seats on hold. In the last minute it asks whether more is needed, when the server gives more.
// A visitor who reads or types slowly must not lose the seats to that (WCAG 2.2.1).

import { get, post } from "../api.js";
import { h, replace } from "../dom.js";
import { spokenCountdown } from "../format.js";
import { secondsUntil } from "../clock.js";
import { keepHold } from "../memory.js";
import { refresh } from "../router.js";
import { announce } from "./announcer.js";
import { whileBusy } from "./busy.js";
import { deadline } from "./countdown.js";
import { errorLine } from "./states.js";

const NO_MORE = ["extension_used", "extension_not_offered"];

/** `signal` aborts when the page is left. */
export function timeLeft(hold, signal) {
  const element = h("div", {});
  draw(element, hold, signal);
  return element;
}

function draw(element, hold, signal) {
  const shown = new AbortController();
  signal.addEventListener("abort", () => shown.abort(), { once: true });
  const more = question(hold, (longer) => {
    shown.abort();
    keepHold(longer);
    if (signal.aborted) return;
    draw(element, longer, signal);
    tell(element, longer);
  });
  const left = deadline(hold.expires_at, {
    testId: "hold-countdown", signal: shown.signal, atUrgent: more.ask, atEnd: () => setTimeout(refresh, 1_000),
  });
  replace(element, h("p", { class: "time-left" }, left, " left to book them"), more.element);
}

/** The button is gone: whoever was on it goes on reading where it was. */
function tell(element, hold) {
  const words = h("p", { tabindex: -1, "data-testid": "more-time-given" }, "You have more time now.");
  const lost = document.activeElement === document.body;
  element.append(words);
  if (lost) words.focus({ preventScroll: true });
  else announce(`You have more time now: ${spokenCountdown(secondsUntil(hold.expires_at))} left`);
}

/** `{element, ask()}`: shown once it asks, and the focus stays where it is. */
function question(hold, onExtended) {
  const error = errorLine();
  const button = h("button", { type: "button", class: "button", "data-testid": "extend-button" }, "Give me more time");
  const element = h("div", { class: "more-time", "data-testid": "more-time", hidden: true },
    h("p", {}, "Less than a minute is left. Do you need longer?"), button, error.element);
  button.addEventListener("click", () => whileBusy(button, async () => {
    error.clear();
    try {
      onExtended(await extend(hold));
    } catch (problem) {
      error.show(problem);
      if (problem.status === 410) await refresh();
      if (NO_MORE.includes(problem.code)) takeAway(button, element);
    }
  }));
  const ask = () => {
    if (hold.extendable !== true) return "";
    element.hidden = false;
    return "If you need longer, choose Give me more time";
  };
  return { element, ask };
}

/** The button is of no more use; the words beside it say why. */
function takeAway(button, element) {
  const focused = document.activeElement === button;
  button.hidden = true;
  element.tabIndex = -1;
  if (focused) element.focus({ preventScroll: true });
}

/** Refused because it was given already, in another tab or by an answer that got lost: then it is there. */
async function extend(hold) {
  const path = `/api/holds/${encodeURIComponent(hold.id)}`;
  try {
    return await post(`${path}/extend`, {});
  } catch (problem) {
    if (problem.code !== "extension_used") throw problem;
    const now = await get(path);
    if (now.status === "on_hold" && Date.parse(now.expires_at) > Date.parse(hold.expires_at)) return now;
    throw problem;
  }
}
