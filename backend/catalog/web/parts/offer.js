// Seats offered to somebody in line: how long they are kept, and to take or pass them.

import { h } from "../dom.js";
import { list, plural } from "../format.js";
import { to } from "../routes.js";
import { speaks } from "../tabs.js";
import { deadline } from "./countdown.js";
import { leaveButton } from "./leave-line.js";

/** `atEnd()` once their time has passed; `signal` aborts when something else is shown. */
export function offerPanel(entry, { signal, atEnd }) {
  const { seats, expires_at, hold_id } = entry.offer;
  const one = seats.length === 1;
  const left = deadline(expires_at, { testId: "offer-countdown", signal, atEnd });
  return h("section", { class: "panel panel-good", role: speaks() ? "alert" : null, "data-testid": "offer", "data-hold-id": hold_id },
    h("h2", {}, "It is your turn"),
    h("p", {}, one ? "Seat " : "Seats ", h("strong", {}, list(seats)), one ? " is kept for you." : " are kept for you."),
    h("p", { class: "time-left" }, left, " left to book"),
    h("p", { class: "actions" },
      h("a", { class: "button button-main", href: to.hold(hold_id), "data-testid": "offer-accept" }, `Take ${plural(seats.length, "seat")} and book`),
      leaveButton(entry, "Pass and leave the line", "offer-pass")),
    h("p", { class: "quiet" }, `If you pass, or let the time run out, the next in line is offered ${one ? "it" : "them"}.`));
}
