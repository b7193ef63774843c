// Calls a visitor who looks elsewhere, in the ways they allowed and in one tab only.

import { allowSound, chime } from "./chime.js";
import { onSpeaker, speaks } from "./tabs.js";
import { calm, flash } from "./title.js";

const STORE = "marquee.attention";
const CALM_EVENTS = ["pointerdown", "keydown", "focus", "pagehide"];

let called = null; // for what; one thing at a time
let own = { sound: false, flash: false }; // where nothing can be stored

/** `{sound, flash}`: what the visitor allowed, in any tab, at any time before. Nothing at first. */
export function allowed() {
  try {
    return { ...own, ...JSON.parse(localStorage.getItem(STORE)) };
  } catch {
    return own;
  }
}

/** Remembers what is allowed. Called while the visitor touches the page, so that a browser lets it sound. */
export function allow(choice) {
  own = choice;
  try {
    localStorage.setItem(STORE, JSON.stringify(choice));
  } catch {
    // until the tab is closed, then
  }
  if (choice.sound) allowSound();
}

/** Told when another tab allows something else, until the signal aborts. */
export function onAllowed(listener, signal) {
  addEventListener("storage", ({ key }) => key === STORE && listener(allowed()), { signal });
}

/** Sounds, and flashes `words` in the title until the visitor is here, or it is over; `about` says what for. */
export function attract(about, words) {
  if (!speaks()) return;
  const { sound, flash: mayFlash } = allowed();
  if (sound) chime();
  if (!mayFlash) return;
  called = about;
  flash(words, { still: matchMedia("(prefers-reduced-motion: reduce)").matches });
}

/** It is over, or was seen. */
export function release(about = called) {
  if (called === null || called !== about) return;
  called = null;
  calm();
}

/** A visitor who allowed sounds before is heard to touch the page once, so that it may sound this time too. */
export function startAttention() {
  for (const event of CALM_EVENTS) addEventListener(event, () => release(), { capture: true });
  document.addEventListener("visibilitychange", () => document.hidden || release());
  addEventListener("pointerdown", () => allowed().sound && allowSound(), { capture: true });
  addEventListener("keydown", () => allowed().sound && allowSound(), { capture: true });
  onSpeaker((now) => now || release());
}
