// The line under the header that follows a visitor from page to page: seats on hold, places
// in line. Each leads back to where it is finished.

import { h, replace } from "../dom.js";
import { list } from "../format.js";
import { positionWords } from "../line-words.js";
import { entries, forgetHold, holds, onChange } from "../memory.js";
import { to } from "../routes.js";
import { deadline } from "./countdown.js";

let shown = new AbortController();

export function startStrip() {
  onChange(drawStrip);
  drawStrip();
}

/** Also called at each change of page: a page does not point at itself. */
export function drawStrip() {
  shown.abort();
  shown = new AbortController();
  const rows = [...holds().map(holdRow), ...entries().map(entryRow)].filter(Boolean);
  const strip = document.getElementById("strip");
  replace(strip, h("ul", { class: "wrap" }, rows));
  strip.hidden = rows.length === 0;
}

function holdRow(hold) {
  const href = to.hold(hold.id);
  if (location.pathname === href) return null;
  const left = deadline(hold.expires_at, {
    signal: shown.signal, spoken: false, atEnd: () => setTimeout(forgetHold, 0, hold.id),
  });
  return h("li", {}, `On hold for you: ${list(hold.seats)}, `, left, " left. ",
    h("a", { href }, "Finish your booking"));
}

function entryRow(entry) {
  const href = to.waitlist(entry.id);
  if (location.pathname === href || holds().some(({ id }) => id === entry.offer?.hold_id)) return null;
  if (entry.offer) return offerRow(entry.offer, href);
  const where = entry.position > 0 ? `You are in line: ${lowerFirst(positionWords(entry.position))}. ` : "You are waiting in line. ";
  return h("li", {}, where, h("a", { href }, "See your place"));
}

function offerRow({ seats, expires_at }, href) {
  const left = deadline(expires_at, { signal: shown.signal, spoken: false });
  return h("li", { "data-testid": "strip-offer" }, h("strong", {}, `It is your turn: ${list(seats)}, `), left, " left. ",
    h("a", { href }, "See the offer"));
}

function lowerFirst(words) {
  return words.charAt(0).toLowerCase() + words.slice(1);
}
