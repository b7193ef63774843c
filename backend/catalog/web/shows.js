// Reads shows and gives them one shape, whichever way a service spells them.

import { get } from "./api.js";

const PAGES_MAX = 20;

/** A show with its film; the film is fetched when the show only names it. */
export async function loadShow(id, signal) {
  const show = tidy(await get(`/api/shows/${encodeURIComponent(id)}`, { signal }));
  if (show.movie) return show;
  const movie = await get(`/api/movies/${encodeURIComponent(show.movie_id)}`, { signal }).catch(() => null);
  return { ...show, movie };
}

/** Like `loadShow`, but a ticket is worth showing even when its show cannot be read. */
export function loadShowIfPossible(id, signal) {
  return loadShow(id, signal).catch((error) => {
    signal?.throwIfAborted();
    console.warn(error);
    return { id, movie: null, theater: null, auditorium: "", starts_at: null };
  });
}

/** All shows of a film on a day, in a city when one is given. */
export async function loadShows(movieId, { day, city }, signal) {
  const shows = [];
  const query = new URLSearchParams({ on: day });
  if (city) query.set("city", city);
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer = await get(`/api/movies/${encodeURIComponent(movieId)}/shows?${query}`, { signal });
    shows.push(...answer.shows.map(tidy));
    if (!answer.next_cursor) break;
    query.set("cursor", answer.next_cursor);
  }
  return shows;
}

/** Shows by theater, theaters by name, each theater's shows by time. Pure. */
export function byTheater(shows) {
  const groups = new Map();
  for (const show of shows) {
    if (!groups.has(show.theater.id)) groups.set(show.theater.id, { theater: show.theater, shows: [] });
    groups.get(show.theater.id).shows.push(show);
  }
  for (const group of groups.values()) {
    group.shows.sort((a, b) => Date.parse(a.starts_at) - Date.parse(b.starts_at));
  }
  return [...groups.values()].sort((a, b) => a.theater.name.localeCompare(b.theater.name));
}

/** The auditorium becomes its name. Pure. */
export function tidy(show) {
  const { auditorium } = show;
  return { ...show, auditorium: typeof auditorium === "string" ? auditorium : auditorium?.name ?? "" };
}
