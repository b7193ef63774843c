// One film: what it is, and its program of shows.

import { get } from "../api.js";
import { h } from "../dom.js";
import { runtime } from "../format.js";
import { poster } from "../parts/poster.js";
import { loadCities, program } from "../parts/program.js";

export async function filmPage({ id, query, signal }) {
  const [movie, cities] = await Promise.all([
    get(`/api/movies/${encodeURIComponent(id)}`, { signal }),
    loadCities(signal),
  ]);
  const content = h("article", {}, filmHead(movie), await program(movie, cities, query, signal));
  return { title: movie.title, content };
}

function filmHead(movie) {
  const facts = [movie.released_on?.slice(0, 4), movie.mpaa_rating, runtime(movie.runtime_minutes), (movie.genres ?? []).join(", ")];
  const about = movie.synopsis ?? movie.overview ?? movie.extract;
  const director = movie.director ?? movie.directors?.join(", ");
  return h("div", { class: "film-head" },
    poster(movie),
    h("div", {},
      h("h1", {}, movie.title),
      h("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      about ? h("p", {}, about) : null,
      movie.synopsis_source ? h("p", { class: "quiet" }, "Text: ", h("a", { href: movie.synopsis_source, rel: "license noopener" }, "Wikipedia, CC BY-SA")) : null,
      director ? h("p", {}, h("span", { class: "quiet" }, "Directed by "), director) : null,
      movie.cast?.length ? h("p", {}, h("span", { class: "quiet" }, "With "), movie.cast.slice(0, 6).join(", ")) : null));
}
