// Says whether what is on screen is live. By words and shape, not by colour alone.

import { onState } from "../connection.js";
import { h } from "../dom.js";
import { onSpeaker, speaks } from "../tabs.js";

const WORDS = { live: "Live", connecting: "Reconnecting…", elsewhere: "Live by another tab" };

/** `shared`: what is shown may as well be kept by the socket of another tab. */
export function liveState(signal, { shared = false } = {}) {
  const words = h("span", {});
  const element = h("p", { class: "live-state", role: "status", "data-testid": "live-state" },
    h("span", { class: "live-dot", "aria-hidden": "true" }), words);
  let everLive = false;
  let state = "connecting";
  const draw = () => {
    const shown = shared && state !== "live" && !speaks() ? "elsewhere" : state;
    element.dataset.state = shown;
    words.textContent = shown === "connecting" && !everLive ? "Connecting…" : WORDS[shown];
  };
  onState((now) => {
    everLive ||= now === "live";
    state = now;
    draw();
  }, signal);
  onSpeaker(draw, signal);
  return element;
}
