// "Wait in line": folded until there is a reason to wait, as when too few seats are free or taken ones were pressed.

import { h, replace } from "../dom.js";
import { list, plural } from "../format.js";
import { available, hasAvailable } from "./available.js";
import { join } from "./joining.js";
import { keepEmail } from "./kept-email.js";
import { errorLine } from "./states.js";
import { wishForm } from "./wish-form.js";

/**
 * `{element, draw({free, party, tooFew, wanted}), open(), waitFor(seat, button)}`. `onAnySeats()` when certain seats are no longer wanted;
 * `onSelect(seats)` when some are free after all, and these were chosen.
 */
export function waitPanel(show, { onAnySeats, onSelect }) {
  const heading = h("span", {});
  const which = h("p", { "data-testid": "wanted" });
  const button = h("button", { type: "submit", class: "button button-main", "data-testid": "join-waitlist" });
  const [error, trouble] = [errorLine(), h("div", {})];
  let wanted = [];
  const name = () => { button.textContent = `Join the line for ${plural(form.size(), "seat")}`; };
  const form = wishForm(show, name);
  const ask = (wish, asking) => {
    error.clear();
    replace(trouble);
    if (wish.email) keepEmail(wish.email);
    return join(show, wish, asking, refused);
  };
  const refused = (problem) => {
    element.open = true;
    if (!hasAvailable(problem)) return error.show(problem);
    const panel = available(problem, (seats) => { replace(trouble); onSelect(seats); });
    replace(trouble, panel);
    return panel.focus();
  };
  const submit = (event) => {
    event.preventDefault();
    ask(form.wish(wanted), button);
  };
  const element = h("details", { class: "panel wait", "data-testid": "wait-panel" },
    h("summary", {}, heading),
    h("form", { on: { submit } },
      h("p", {}, "Seats come back when a hold runs out or a booking is cancelled. They go to the first in line whom they fit."),
      which, form.party, form.conditions, button, error.element, trouble));
  const draw = (now) => {
    wanted = now.wanted;
    form.suggest(wanted.length || now.party);
    name();
    heading.textContent = headingFor(now);
    drawWhich(which, wanted, onAnySeats);
    openOnce(element, now);
  };
  return {
    element,
    draw,
    open: () => { element.open = true; button.focus(); },
    waitFor: (seat, asking) => ask(form.wishForOne(seat), asking),
  };
}

/** "Sold out, for now" is the first thing to be read. */
function headingFor({ free, party, tooFew }) {
  if (free === 0) return "Sold out, for now";
  return tooFew || free < party ? `Not ${plural(party, "seat")} left: wait in line` : "Wait in line";
}

/** It opens when a reason appears, and stays folded when the visitor folds it. */
function openOnce(element, { free, party, tooFew, wanted }) {
  const scarce = tooFew || free < party;
  const reason = `${scarce} ${wanted.length > 1}`;
  if (element.dataset.reason === reason) return;
  element.dataset.reason = reason;
  element.classList.toggle("scarce", scarce);
  if (scarce || wanted.length > 1) element.open = true;
}

function drawWhich(which, wanted, onAnySeats) {
  if (which.dataset.wanted === wanted.join()) return;
  which.dataset.wanted = wanted.join();
  const any = h("button", { type: "button", class: "button button-plain", "data-testid": "any-seats", on: { click: onAnySeats } }, "Any will do");
  replace(which, wanted.length === 0
    ? h("span", { class: "quiet" }, "For any seats. Press taken seats on the map to wait for those alone.")
    : ["Only ", h("strong", {}, list(wanted)), ". ", any]);
}
