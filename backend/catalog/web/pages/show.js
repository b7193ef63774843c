// One show: pick seats on a map that lives, hold them, or wait in line when too few are left.

import { get, post } from "../api.js";
import { h, replace } from "../dom.js";
import { list, money, plural, times } from "../format.js";
import { follow } from "../live.js";
import { forgetHold, holds, keepHold, onChange } from "../memory.js";
import { announce } from "../parts/announcer.js";
import { whileBusy } from "../parts/busy.js";
import { liveState } from "../parts/live-state.js";
import { place, startsAt } from "../parts/show-card.js";
import { errorLine } from "../parts/states.js";
import { bestSeats } from "../parts/best-seats.js";
import { conflict } from "../parts/conflict.js";
import { joinLine } from "../parts/join-line.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { seatGrid } from "../seat-map/grid.js";
import { layoutOf } from "../seat-map/layout.js";
import { legend } from "../seat-map/legend.js";
import { freeCount, SEATS_MAX, settle, statusOf, toggle } from "../seat-map/selection.js";
import { loadShow } from "../shows.js";

export async function showPage({ id, signal }) {
  const [show, seatMap] = await Promise.all([
    loadShow(id, signal),
    get(`/api/shows/${encodeURIComponent(id)}/seat-map`, { signal }),
  ]);
  const picker = makePicker(show, layoutOf(seatMap), signal);
  await Promise.race([follow(id, picker.seatsChanged, signal), picker.known]);
  return { title: show.movie?.title ?? "Seats", content: page(show, picker, signal) };
}

function page(show, picker, signal) {
  return h("article", { class: "picker" },
    h("header", { class: "picker-head" },
      h("div", {},
        h("h1", {}, show.movie?.title ?? "Choose your seats"),
        h("p", {}, startsAt(show), h("span", { class: "quiet" }, ` · ${place(show)} · ${money(show.price)} a seat`)),
        show.movie ? h("p", {}, h("a", { href: to.film(show.movie.id) }, "Other shows of this film")) : null),
      h("div", { class: "picker-state" }, liveState(signal), picker.free)),
    h("div", { class: "picker-body" },
      h("section", { class: "auditorium", "aria-label": "Seat map" },
        h("p", { class: "screen" }, "Screen"), picker.grid.element,
        h("p", { class: "scroll-hint quiet", "aria-hidden": "true" }, "Scroll sideways to see all seats."),
        picker.hint, legend(picker.layout)),
      h("div", { class: "picker-side" },
        h("div", { class: "first" }, picker.error.element, picker.trouble, picker.own, picker.line.element),
        picker.best.element, picker.bar)));
}

function makePicker(show, layout, signal) {
  let nowKnown;
  const known = new Promise((resolve) => { nowKnown = resolve; });
  const picker = {
    show, layout, signal, known, nowKnown,
    taken: null, picked: [], holding: false,
    error: errorLine(),
    trouble: h("div", {}),
    own: h("div", {}),
    hint: h("p", { class: "seat-hint", role: "status" }),
    free: h("p", { class: "quiet", "data-testid": "free-count" }),
    bar: h("div", { class: "hold-bar" }),
  };
  picker.grid = seatGrid(layout, { onPress: (seat) => pressed(picker, seat), signal });
  picker.best = bestSeats((count, button) => hold(picker, { best: count }, button), () => draw(picker));
  picker.line = joinLine(show);
  picker.seatsChanged = (taken) => seatsChanged(picker, taken);
  onChange(() => draw(picker), signal);
  draw(picker);
  return picker;
}

/** Somebody's seats changed; picks that were taken by others are given up and named. */
function seatsChanged(picker, taken) {
  picker.taken = taken;
  picker.nowKnown();
  if (!picker.holding) dropLost(picker);
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
  picker.picked = picked;
  hint(picker, full ? `You can pick at most ${SEATS_MAX} seats.` : "");
  draw(picker);
  return announce(full ? "" : summary(picker));
}

function takenPressed(picker, seat, status) {
  hint(picker, `Seat ${seat} is ${status === "held" ? "on hold by somebody" : "booked"}. `, picker.line.buttonFor(seat));
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
  picker.grid.paint((seat) => statusOf(seat, seen));
  picker.grid.element.toggleAttribute("inert", !picker.taken);
  const free = freeCount(picker.layout.seats.size, seen.taken);
  const words = picker.taken ? `${free} of ${plural(picker.layout.seats.size, "seat")} free` : "";
  if (picker.free.textContent !== words) picker.free.textContent = words;
  picker.line.offer(picker.taken !== null && free < picker.best.party(), { free, party: picker.best.party() });
  drawOwn(picker, seen.held);
  drawBar(picker);
}

function drawOwn(picker, held) {
  const key = held.join();
  if (picker.own.dataset.key === key) return;
  picker.own.dataset.key = key;
  const hold = holds().find(({ show_id }) => show_id === picker.show.id);
  replace(picker.own, hold ? h("p", { class: "panel" }, `You hold ${list(held)} for this show. `,
    h("a", { href: to.hold(hold.id) }, "Finish your booking or release them")) : null);
}

function drawBar(picker) {
  const { bar, picked } = picker;
  if (!bar.firstChild) {
    const button = h("button", { type: "button", class: "button button-main", "data-testid": "hold-button" });
    button.addEventListener("click", () => picker.picked.length && hold(picker, { seats: picker.picked }, button));
    const clear = h("button", { type: "button", class: "button button-plain" }, "Clear");
    clear.addEventListener("click", () => { picker.picked = []; draw(picker); });
    bar.append(h("p", {}), button, clear);
  }
  const [words, button, clear] = bar.children;
  words.textContent = summary(picker);
  button.textContent = picked.length ? `Hold ${plural(picked.length, "seat")}` : "Hold seats";
  button.disabled = picked.length === 0;
  bar.toggleAttribute("data-empty", picked.length === 0);
  clear.hidden = picked.length === 0;
}

function summary({ picked, show }) {
  if (picked.length === 0) return "No seat picked yet.";
  const total = money(times(show.price, picked.length));
  return `${picked.length === 1 ? "Seat" : "Seats"} ${list(picked)}${total && ` · ${total}`}`;
}

/** All the seats or none. What was lost is named; what could be taken instead is offered. */
function hold(picker, wish, button) {
  return whileBusy(button, async () => {
    picker.holding = true;
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
  if (error.code !== "seats_unavailable") {
    picker.error.show(error);
    if (error.code === "hold_expired") holds().forEach(({ id, show_id }) => show_id === picker.show.id && forgetHold(id));
    return;
  }
  const lost = error.body.unavailable ?? [];
  picker.picked = picker.picked.filter((seat) => !lost.includes(seat));
  const party = wish.best ?? wish.seats.length;
  const panel = conflict(error, (seats, button) => hold(picker, { seats }, button));
  replace(picker.trouble, panel);
  if (!error.body.alternatives?.length) picker.line.offer(true, { party });
  panel.focus();
}
