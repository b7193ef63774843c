// Says something to a screen reader, politely, without moving the focus. Of many tabs one speaks.

import { speaks } from "../tabs.js";

/** The region is emptied first, so the same words twice are said twice. */
export function announce(words) {
  if (!speaks()) return;
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = words; });
}
