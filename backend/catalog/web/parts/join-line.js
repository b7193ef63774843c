// Joins the line of a show: shown when fewer seats are free than the party needs, and for
// one certain seat that is taken.

import { post } from "../api.js";
import { h, replace } from "../dom.js";
import { plural } from "../format.js";
import { keepEntry } from "../memory.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { SEATS_MAX } from "../seat-map/selection.js";
import { whileBusy } from "./busy.js";
import { errorLine } from "./states.js";

/** `{element, offer(shown, {free, party}), buttonFor(seat)}`. */
export function joinLine(show) {
  const element = h("div", {});
  let drawn = null;
  const offer = (shown, { free, party }) => {
    const wanted = shown ? `${free === 0} ${party}` : null;
    if (wanted === drawn) return;
    drawn = wanted;
    replace(element, shown ? panel(show, free, party) : null);
  };
  return { element, offer, buttonFor: (seat) => seatButton(show, seat) };
}

function panel(show, free, party) {
  const error = errorLine();
  const sizes = Array.from({ length: SEATS_MAX }, (_, index) => index + 1);
  const select = h("select", { id: "waiting-party", "data-testid": "waitlist-party" },
    sizes.map((size) => h("option", { value: size, selected: size === party }, size)));
  const button = h("button", { type: "button", class: "button button-main", "data-testid": "join-waitlist" }, "Join the line");
  button.addEventListener("click", () => join(show, { party: Number(select.value) }, button, error));
  return h("section", { class: "panel", "aria-labelledby": "line-title" },
    h("h2", { id: "line-title" }, free === 0 ? "Sold out, for now" : `Not ${plural(party, "seat")} left`),
    h("p", {}, "Seats come back when a hold runs out or a booking is cancelled. They are offered in order of arrival."),
    h("p", { class: "field-inline" }, h("label", { for: "waiting-party" }, "Seats you need"), select),
    button, error.element);
}

function seatButton(show, seat) {
  const error = errorLine();
  const button = h("button", { type: "button", class: "button", "data-testid": "wait-for-seat" }, `Wait for seat ${seat}`);
  button.addEventListener("click", () => join(show, { party: 1, seats: [seat] }, button, error));
  return h("span", {}, button, error.element);
}

function join(show, wish, button, error) {
  return whileBusy(button, async () => {
    error.clear();
    try {
      await enter(await post(`/api/shows/${encodeURIComponent(show.id)}/waitlist`, wish));
    } catch (problem) {
      const id = problem.body?.entry_id; // joined before, in a tab that is gone
      if (id) await enter({ id, show_id: show.id });
      else error.show(problem);
    }
  });
}

function enter(entry) {
  keepEntry(entry);
  return navigate(to.waitlist(entry.id));
}
