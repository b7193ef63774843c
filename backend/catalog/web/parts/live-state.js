// Says whether the seats on screen are live. By words and shape, not by colour alone.

import { onState } from "../connection.js";
import { h } from "../dom.js";

const WORDS = { live: "Live", connecting: "Reconnecting…" };

export function liveState(signal) {
  const words = h("span", {});
  const element = h("p", { class: "live-state", role: "status", "data-testid": "live-state" },
    h("span", { class: "live-dot", "aria-hidden": "true" }), words);
  let everLive = false;
  onState((state) => {
    everLive ||= state === "live";
    element.dataset.state = state;
    words.textContent = state === "connecting" && !everLive ? "Connecting…" : WORDS[state];
  }, signal);
  return element;
}
