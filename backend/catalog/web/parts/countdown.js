// A deadline that counts down on screen each second, and is spoken only now and then.

import { secondsUntil } from "../clock.js";
import { h } from "../dom.js";
import { countdown, spokenCountdown } from "../format.js";
import { announce } from "./announcer.js";

const SPOKEN_AT_SECONDS = [240, 180, 120, 60, 30, 10];
const URGENT_SECONDS = 60;
const TICK_MS = 250;

/** The next moment to speak at, once `left` seconds remain. Pure. */
export function nextSpoken(left) {
  return SPOKEN_AT_SECONDS.find((moment) => moment < left) ?? null;
}

/**
 * `atEnd()` is called once, when the server's clock has passed the deadline; `atUrgent()` once, when a minute is left or
 * less, and the words it returns are spoken with the time.
 */
export function deadline(expiresAt, { testId, signal, atEnd, atUrgent, spoken = true }) {
  const element = h("span", { class: "countdown", role: "timer", "aria-live": "off", "data-testid": testId });
  let speakAt = nextSpoken(secondsUntil(expiresAt));
  let urgent = false;
  const tick = () => {
    const left = secondsUntil(expiresAt);
    const text = countdown(left);
    if (element.textContent !== text) element.textContent = text;
    const words = !urgent && left > 0 && left <= URGENT_SECONDS && atUrgent?.();
    urgent = left <= URGENT_SECONDS;
    element.toggleAttribute("data-urgent", urgent);
    if (spoken && (words || (speakAt !== null && left <= speakAt))) {
      announce([`${spokenCountdown(words ? left : speakAt)} left`, words].filter(Boolean).join(". "));
      speakAt = nextSpoken(left);
    }
    if (left <= 0) {
      clearInterval(timer);
      atEnd?.();
    }
  };
  const timer = setInterval(tick, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  tick();
  return element;
}
