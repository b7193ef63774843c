// One show: pick seats on a map that lives, hold them, or wait in line when too few are left.

import { get } from "../api.js";
import { h } from "../dom.js";
import { money } from "../format.js";
import { follow } from "../live.js";
import { liveState } from "../parts/live-state.js";
import { makePicker } from "../parts/picker.js";
import { place, startsAt } from "../parts/show-card.js";
import { to } from "../routes.js";
import { layoutOf } from "../seat-map/layout.js";
import { legend } from "../seat-map/legend.js";
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
    h("header", { class: "picker-head" }, title(show),
      h("div", { class: "picker-state" }, liveState(signal), picker.free)),
    h("div", { class: "picker-body" },
      h("section", { class: "auditorium", "aria-label": "Seat map" },
        h("p", { class: "screen" }, "Screen"),
        picker.grid.element,
        h("p", { class: "scroll-hint quiet", "aria-hidden": "true" }, "Scroll sideways to see all seats."),
        picker.hint,
        legend(picker.layout)),
      h("div", { class: "picker-side" },
        h("div", { class: "first" }, picker.error.element, picker.trouble, picker.own),
        picker.best.element,
        picker.bar.element,
        picker.wait.element)));
}

function title(show) {
  return h("div", {},
    h("h1", {}, show.movie?.title ?? "Choose your seats"),
    h("p", {}, startsAt(show), h("span", { class: "quiet" }, ` · ${place(show)} · ${money(show.price)} a seat`)),
    show.movie ? h("p", {}, h("a", { href: to.film(show.movie.id) }, "Other shows of this film")) : null);
}
