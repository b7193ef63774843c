// Which show this is about: the same few lines on the hold, the ticket and the place in line.

import { h } from "../dom.js";
import { dayAndTime } from "../format.js";
import { to } from "../routes.js";

/** One line: "AMC Grand, Austin · Screen 3". */
export function place(show) {
  const { theater } = show;
  return [theater && [theater.name, theater.city].filter(Boolean).join(", "), show.auditorium]
    .filter(Boolean).join(" · ");
}

/** When it starts, on the theater's own clock. */
export function startsAt(show) {
  return h("time", { datetime: show.starts_at }, dayAndTime(show.starts_at, show.theater?.timezone));
}

export function showCard(show) {
  return h("div", { class: "show-card" },
    h("p", { class: "show-card-title" }, show.movie
      ? h("a", { href: to.film(show.movie.id) }, show.movie.title)
      : "Film"),
    h("p", {}, startsAt(show)),
    h("p", { class: "quiet" }, place(show)));
}
