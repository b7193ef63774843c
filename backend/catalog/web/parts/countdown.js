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

/** `atEnd()` is called once, when the server's clock has passed the deadline. */
export function deadline(expiresAt, { testId, signal, atEnd, spoken = true }) {
  const element = h("span", { class: "countdown", role: "timer", "aria-live": "off", "data-testid": testId });
  let speakAt = nextSpoken(secondsUntil(expiresAt));
  const tick = () => {
    const left = secondsUntil(expiresAt);
    const text = countdown(left);
    if (element.textContent !== text) element.textContent = text;
    element.toggleAttribute("data-urgent", left <= URGENT_SECONDS);
    if (spoken && speakAt !== null && left <= speakAt) {
      announce(`${spokenCountdown(speakAt)} left`);
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
