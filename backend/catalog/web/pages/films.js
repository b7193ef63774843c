// The front page: what is popular, and the search over all films.

import { get } from "../api.js";
import { h, replace } from "../dom.js";
import { runtime } from "../format.js";
import { poster } from "../parts/poster.js";
import { errorLine } from "../parts/states.js";
import { setQuery } from "../router.js";
import { to } from "../routes.js";

const POPULAR_COUNT = 12;
const FOUND_COUNT = 24;
const TYPING_PAUSE_MS = 250;

export async function filmsPage({ query, signal }) {
  const results = h("div", { class: "results" });
  const status = h("p", { class: "visually-hidden", role: "status" });
  const problem = errorLine();
  const search = searcher({ results, status, problem, signal });
  const form = searchForm(query.get("q") ?? "", search);
  await search(query.get("q") ?? "");
  const content = h("div", {},
    h("div", { class: "page-head" }, h("h1", {}, "What is playing"), form),
    problem.element, status, results);
  return { title: "", content };
}

/** Shows the answer to the newest question only, whichever order answers come in. */
function searcher({ results, status, problem, signal }) {
  let asked = 0;
  return async (text) => {
    asked += 1;
    const mine = asked;
    const section = await (text ? found(text, signal) : popular(signal)).catch((error) => {
      if (signal.aborted || mine > 1) return problem.show(error);
      throw error; // nothing is on screen yet: the whole page failed
    });
    if (!section || mine !== asked || signal.aborted) return;
    problem.clear();
    replace(results, section);
    status.textContent = text ? section.dataset.summary : "";
  };
}

function searchForm(text, search) {
  const input = h("input", {
    id: "q", name: "q", type: "search", value: text, maxlength: 100, autocomplete: "off", "data-testid": "search",
  });
  let timer = 0;
  const run = () => {
    clearTimeout(timer);
    setQuery({ q: input.value.trim() });
    search(input.value.trim());
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, TYPING_PAUSE_MS);
  });
  const submit = (event) => {
    event.preventDefault();
    run();
  };
  return h("form", { class: "search", role: "search", action: "/", on: { submit } },
    h("label", { for: "q" }, "Find a film"),
    input,
    h("button", { class: "button", type: "submit" }, "Search"));
}

async function popular(signal) {
  const { movies } = await get(`/api/movies/popular?limit=${POPULAR_COUNT}`, { signal });
  return h("section", { "aria-labelledby": "popular-title" },
    h("h2", { id: "popular-title" }, "Popular now"),
    movies.length
      ? h("ol", { class: "films", role: "list", "data-testid": "popular-list" }, movies.map((movie) => filmCard(movie, movie.rank)))
      : h("p", { class: "panel" }, "No new film has been booked yet. Use the search to find any film."));
}

async function found(text, signal) {
  const cards = h("ul", { class: "films", role: "list", "data-testid": "search-list" });
  const more = h("p", { class: "actions" });
  const section = h("section", { "aria-labelledby": "found-title" },
    h("h2", { id: "found-title" }, `Films matching “${text}”`), cards, more);
  await append({ text, cards, more, signal });
  const count = cards.children.length;
  section.dataset.summary = count ? `${count}${more.firstChild ? " or more" : ""} films found` : "No film found";
  if (!count) replace(section.appendChild(h("p", { class: "panel" })), "No film of this name. Try fewer letters.");
  return section;
}

async function append({ text, cards, more, signal, cursor }) {
  const query = new URLSearchParams({ q: text, limit: FOUND_COUNT });
  if (cursor) query.set("cursor", cursor);
  const { movies, next_cursor } = await get(`/api/movies?${query}`, { signal });
  const added = movies.map((movie) => filmCard(movie));
  cards.append(...added);
  if (cursor) added[0]?.querySelector("a").focus();
  replace(more, next_cursor ? moreButton({ text, cards, more, signal, cursor: next_cursor }) : null);
}

function moreButton(next) {
  const problem = errorLine();
  const click = () => append(next).catch(problem.show);
  return [h("button", { class: "button", type: "button", on: { click } }, "More films"), problem.element];
}

function filmCard(movie, rank) {
  const year = movie.released_on?.slice(0, 4);
  return h("li", { class: "film-card" },
    h("div", { class: "film-art" }, poster(movie), rank ? h("span", { class: "rank" },
      h("span", { class: "visually-hidden" }, "Number "), rank) : null),
    h("div", {},
      h("h3", {}, h("a", { href: to.film(movie.id), class: "card-link", "data-testid": "movie-link", "data-movie-id": movie.id }, movie.title)),
      h("p", { class: "quiet" }, [year, runtime(movie.runtime_minutes)].filter(Boolean).join(" · ")),
      h("p", { class: "quiet" }, (movie.genres ?? []).slice(0, 3).join(", "))));
}
