// A film's shows by day and city, grouped by theater. The week begins where the theaters are.

import { get } from "../api.js";
import { now } from "../clock.js";
import { h, replace } from "../dom.js";
import { clockTime, dayLabel, daysFrom, isoDay, money } from "../format.js";
import { setQuery } from "../router.js";
import { to } from "../routes.js";
import { byTheater, loadShows } from "../shows.js";
import { errorLine } from "./states.js";

const DAYS = 7;
const CITY_STORE = "marquee.city";

/** The part that changes with the day and the city. */
export async function program(movie, cities, query, signal) {
  const view = {
    movie, signal, cities,
    first: isoDay(now()),
    day: query.get("on") ?? "",
    chosen: query.has("on"),
    city: query.get("city") ?? remembered(),
    asked: 0,
    days: h("div", { class: "days", role: "group", "aria-label": "Day" }),
    list: h("div", { class: "theaters" }),
    status: h("p", { class: "visually-hidden", role: "status" }),
    problem: errorLine(),
  };
  if (!cities.some(({ name }) => name === view.city)) view.city = "";
  view.day ||= view.first;
  await update(view);
  return h("section", { class: "program", "aria-labelledby": "shows-title" },
    h("div", { class: "program-head" }, h("h2", { id: "shows-title" }, "Shows"), citySelect(view)),
    view.days, view.status, view.problem.element, view.list);
}

async function update(view) {
  view.asked += 1;
  const mine = view.asked;
  view.list.setAttribute("aria-busy", "true");
  drawDays(view);
  try {
    const shows = await showsOrNextDay(view, () => mine === view.asked && !view.signal.aborted);
    if (mine !== view.asked || view.signal.aborted) return;
    view.problem.clear();
    drawDays(view);
    replace(view.list, shows.length ? byTheater(shows).map(theaterGroup) : noShows(view));
    view.status.textContent = `${shows.length} shows on ${Object.values(dayLabel(view.day)).join(", ")}`;
  } catch (error) {
    if (!view.signal.aborted) view.problem.show(error);
  } finally {
    if (mine === view.asked) view.list.removeAttribute("aria-busy");
  }
}

/** Until the visitor chooses a day, the first one that still has shows is taken. */
async function showsOrNextDay(view, current) {
  for (;;) {
    const all = await loadShows(view.movie.id, view, view.signal);
    const shows = all.filter((show) => Date.parse(show.starts_at) > now());
    if (view.chosen || !current()) return shows;
    if (startEarlier(view, all)) continue;
    const next = daysFrom(view.day, 2)[1];
    if (shows.length || next > daysFrom(view.first, DAYS).at(-1)) return shows;
    view.day = next;
  }
}

/** Where the theaters are it may still be yesterday: then the week begins there. */
function startEarlier(view, shows) {
  const zones = new Set(shows.map(({ theater }) => theater.timezone).filter(Boolean));
  const first = [...zones].map((zone) => isoDay(now(), zone)).sort()[0];
  if (!first || first >= view.first) return false;
  Object.assign(view, { first, day: first });
  return true;
}

function drawDays(view) {
  const focused = view.days.contains(document.activeElement);
  const days = daysFrom(view.first, DAYS);
  replace(view.days, days.map((day) => dayButton(view, day)));
  if (focused) view.days.querySelector("[aria-pressed=true]")?.focus();
}

function dayButton(view, day) {
  const { weekday, date } = dayLabel(day);
  const click = () => {
    Object.assign(view, { day, chosen: true });
    setQuery({ on: day });
    update(view);
  };
  return h("button", {
    type: "button", class: "day", "aria-pressed": String(day === view.day), "data-testid": "day", "data-day": day, on: { click },
  }, h("span", {}, weekday), h("span", {}, date));
}

function citySelect(view) {
  if (view.cities.length === 0) return null;
  const change = ({ target }) => {
    view.city = target.value;
    remember(view.city);
    setQuery({ city: view.city });
    update(view);
  };
  const select = h("select", { id: "city", "data-testid": "city", on: { change } },
    h("option", { value: "" }, "All cities"),
    view.cities.map(({ name, state }) => h("option", { value: name }, [name, state].filter(Boolean).join(", "))));
  select.value = view.city;
  return h("p", { class: "field-inline" }, h("label", { for: "city" }, "City"), select);
}

function theaterGroup({ theater, shows }) {
  return h("section", { class: "theater" },
    h("h3", {}, theater.name, " ", h("span", { class: "quiet" }, theater.city)),
    h("ul", { class: "times", role: "list" }, shows.map(showLink)));
}

function showLink(show) {
  const time = clockTime(show.starts_at, show.theater.timezone);
  return h("li", {}, h("a", {
    class: "time", href: to.show(show.id), "data-testid": "show-link", "data-show-id": show.id,
  },
    h("time", { class: "time-hour", datetime: show.starts_at }, time),
    h("span", { class: "time-more" }, [show.auditorium, money(show.price)].filter(Boolean).join(" · "))));
}

function noShows(view) {
  const where = view.city ? ` in ${view.city}` : "";
  return h("p", { class: "panel" }, `No more shows${where} on this day. Try another day${view.city ? " or all cities" : ""}.`);
}

/** The cities to choose from; none when they cannot be read. */
export async function loadCities(signal) {
  try {
    return (await get("/api/cities", { signal })).cities ?? [];
  } catch (error) {
    signal.throwIfAborted();
    return []; // the filter is a convenience: the page stands without it
  }
}

function remembered() {
  try {
    return sessionStorage.getItem(CITY_STORE) ?? "";
  } catch {
    return "";
  }
}

function remember(city) {
  try {
    sessionStorage.setItem(CITY_STORE, city);
  } catch {
    // forgotten at the next page, no more
  }
}
