// What a visitor does on the seat map: picks, sees picks taken by others, holds, is refused, would wait for what is taken.

import { definite, post } from "../api.js";
import { h, replace } from "../dom.js";
import { list, plural } from "../format.js";
import { holds, keepHold, onChange } from "../memory.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { seatGrid } from "../seat-map/grid.js";
import { freeCount, SEATS_MAX, settle, statusOf, toggle } from "../seat-map/selection.js";
import { stillTaken, toggleWanted } from "../wish.js";
import { announce } from "./announcer.js";
import { bestSeats } from "./best-seats.js";
import { whileBusy } from "./busy.js";
import { conflict, isConflict } from "./conflict.js";
import { holdBar, summary } from "./hold-bar.js";
import { errorLine } from "./states.js";
import { waitPanel } from "./wait-panel.js";

/** The picker's parts, to be laid out by the page; `seatsChanged(taken)` brings it to life. */
export function makePicker(show, layout, signal) {
  let nowKnown;
  const known = new Promise((resolve) => { nowKnown = resolve; });
  const picker = {
    show, layout, signal, known, nowKnown,
    taken: null, picked: [],
    wanted: [], // taken seats that the visitor would wait for
    holding: false, // a hold is on its way: what turns held now may be ours
    unsure: false, // it may have reached the server: asking again with the same picks is safe
    tooFew: false, // the service could not find enough seats for the party
    error: errorLine(),
    trouble: h("div", {}),
    own: h("div", {}),
    hint: h("p", { class: "seat-hint", role: "status" }),
    free: h("p", { class: "quiet", "data-testid": "free-count" }),
  };
  picker.grid = seatGrid(layout, { onPress: (seat) => pressed(picker, seat), signal });
  picker.best = bestSeats((wish, button) => hold(picker, wish, button), () => { picker.tooFew = false; draw(picker); });
  picker.wait = waitPanel(show, {
    onAnySeats: () => want(picker, []),
    onSelect: (seats) => { want(picker, []); pick(picker, seats); picker.bar.focus(); },
  });
  picker.bar = holdBar(show, {
    onHold: (button) => hold(picker, { seats: picker.picked }, button),
    onClear: () => { pick(picker, []); picker.grid.focus(); },
  });
  picker.seatsChanged = (taken) => seatsChanged(picker, taken);
  onChange(() => draw(picker), signal);
  draw(picker);
  return picker;
}

/** Somebody's seats changed; picks that were taken by others are given up and named. */
function seatsChanged(picker, taken) {
  picker.taken = taken;
  picker.wanted = stillTaken(picker.wanted, taken);
  picker.nowKnown();
  if (!picker.holding && !picker.unsure) dropLost(picker);
  draw(picker);
}

function dropLost(picker) {
  const { picked, lost } = settle(picker.picked, picker.taken);
  picker.picked = picked;
  if (lost.length === 0) return;
  picker.error.show(`${lost.length === 1 ? "Seat" : "Seats"} ${list(lost)} ${lost.length === 1 ? "has" : "have"} just been taken by somebody else.`);
}

function pressed(picker, seat) {
  if (!picker.taken || picker.holding) return;
  picker.error.clear();
  const status = statusOf(seat, view(picker));
  if (status === "held" || status === "booked") return takenPressed(picker, seat, status);
  if (status === "mine" && !picker.picked.includes(seat)) return hint(picker, `You hold seat ${seat} already.`);
  const { picked, full } = toggle(picker.picked, seat);
  hint(picker, full ? `You can pick at most ${SEATS_MAX} seats.` : "");
  pick(picker, picked);
  return announce(full ? "" : summary(picker.show, picker.picked));
}

function pick(picker, picked) {
  Object.assign(picker, { picked, unsure: false });
  if (picker.taken) dropLost(picker);
  draw(picker);
}

/** One is waited for with one more click; several are a wish that has to be looked at. */
function takenPressed(picker, seat, status) {
  const { wanted, full } = toggleWanted(picker.wanted, seat);
  if (full) return hint(picker, `You can wait for at most ${SEATS_MAX} certain seats.`);
  want(picker, wanted);
  const state = `Seat ${seat} is ${status === "held" ? "on hold by somebody" : "booked"}. `;
  if (wanted.length === 0) return hint(picker, state);
  return hint(picker, state, wanted.length === 1 ? waitForOne(picker, wanted[0]) : waitForSome(picker, wanted));
}

function want(picker, wanted) {
  picker.wanted = wanted;
  draw(picker);
}

function waitForOne(picker, seat) {
  const button = h("button", { type: "button", class: "button", "data-testid": "wait-for-seat" }, `Wait for seat ${seat}`);
  button.addEventListener("click", () => picker.wait.waitFor(seat, button));
  return button;
}

function waitForSome(picker, wanted) {
  return h("button", { type: "button", class: "button", "data-testid": "wait-for-seats", on: { click: picker.wait.open } }, `Wait for ${list(wanted)}…`);
}

function hint(picker, ...words) {
  replace(picker.hint, words);
}

function view(picker) {
  const held = holds().filter(({ show_id }) => show_id === picker.show.id).flatMap(({ seats }) => seats);
  return { taken: picker.taken ?? {}, picked: picker.picked, held };
}

function draw(picker) {
  const seen = view(picker);
  picker.grid.paint((seat) => statusOf(seat, seen), picker.wanted);
  picker.grid.element.toggleAttribute("inert", !picker.taken);
  if (picker.taken) drawFree(picker);
  drawOwn(picker, seen.held);
  picker.bar.draw(picker.picked);
}

function drawFree({ layout, taken, tooFew, free, wait, best, wanted }) {
  const count = freeCount(layout.seats.size, taken);
  const party = best.party();
  free.textContent = `${count} of ${plural(layout.seats.size, "seat")} free`;
  wait.draw({ free: count, party, tooFew, wanted });
}

function drawOwn(picker, held) {
  const key = held.join();
  if (picker.own.dataset.key === key) return;
  picker.own.dataset.key = key;
  const hold = holds().find(({ show_id }) => show_id === picker.show.id);
  replace(picker.own, hold ? h("p", { class: "panel" }, `You hold ${list(held)} for this show. `,
    h("a", { href: to.hold(hold.id) }, "Finish your booking or release them")) : null);
}

/** All the seats or none. What was lost is named; what could be taken instead is offered. */
function hold(picker, wish, button) {
  return whileBusy(button, async () => {
    Object.assign(picker, { holding: true, tooFew: false });
    picker.error.clear();
    replace(picker.trouble);
    try {
      const placed = await post(`/api/shows/${encodeURIComponent(picker.show.id)}/holds`, wish);
      keepHold(placed);
      if (!picker.signal.aborted) await navigate(to.hold(placed.id));
    } catch (error) {
      refused(picker, wish, error);
    } finally {
      picker.holding = false;
      if (!picker.signal.aborted) draw(picker);
    }
  });
}

function refused(picker, wish, error) {
  picker.unsure = !definite(error) && error.status !== 429;
  if (!isConflict(error)) return picker.error.show(error);
  const lost = error.body.unavailable ?? [];
  picker.picked = picker.picked.filter((seat) => !lost.includes(seat));
  picker.tooFew = wish.best !== undefined && !error.body.alternatives?.length;
  const panel = conflict(error, (seats, button) => hold(picker, { seats }, button));
  replace(picker.trouble, panel);
  return panel.focus();
}
