// Moves between pages without reloading: history, focus, title, scroll, and the signal that
// tells a page it has been left. It knows no page; app.js gives it the table.

import { h, replace } from "./dom.js";
import { match } from "./routes.js";
import { failure, loading } from "./parts/states.js";
import { setTitle } from "./title.js";

const LOADING_AFTER_MS = 200;
const RETRY_MS = 8_000;

let table = {};
let leaving = new AbortController();
let main = null;

/** `pages`: name → `async ({id, query, signal}) → {title, content}`. */
export function start(pages, element) {
  table = pages;
  main = element;
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => show({ scroll: history.state?.scroll ?? 0 }));
  document.addEventListener("click", followLink);
  show({ focus: false });
}

/** Goes to an address of ours as if its link were clicked. */
export function navigate(address, { instead = false } = {}) {
  if (instead) {
    history.replaceState({}, "", address);
  } else {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
    history.pushState({}, "", address);
  }
  return show();
}

/** Changes the query of the page on screen and shows nothing anew. */
export function setQuery(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(history.state, "", url);
}

/** Shows the address of the moment again. */
export function refresh() {
  return show();
}

async function show({ focus = true, scroll = 0 } = {}) {
  leaving.abort();
  const current = new AbortController();
  leaving = current;
  const { signal } = current;
  const route = match(location.pathname);
  const wait = setTimeout(() => replace(main, loading()), LOADING_AFTER_MS);
  markNavigation(route?.name);
  const { title, content } = await pageFor(route, signal);
  clearTimeout(wait);
  if (signal.aborted) return;
  setTitle(title);
  replace(main, content);
  scrollTo(0, scroll);
  if (focus) focusHeading();
}

async function pageFor(route, signal) {
  if (!route) return notFound();
  try {
    const query = new URLSearchParams(location.search);
    return await table[route.name]({ id: route.id, query, signal });
  } catch (error) {
    if (!signal.aborted) retryLater(error, signal);
    return { title: "Not shown", content: failure(error, refresh) };
  }
}

/** What is lost on the way comes back by itself; what the server refused does not. */
function retryLater(error, signal) {
  if (error.status >= 400 && error.status < 500) return;
  if (!("status" in error)) console.error(error);
  const timer = setTimeout(refresh, RETRY_MS);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}

function notFound() {
  const content = h("section", { class: "panel" },
    h("h1", {}, "There is no such page"),
    h("p", {}, h("a", { href: "/" }, "See what is playing")));
  return { title: "No such page", content };
}

function followLink(event) {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
  if (link.hash && link.pathname === location.pathname || !match(link.pathname)) return;
  event.preventDefault();
  navigate(link.href);
}

function focusHeading() {
  const heading = main.querySelector("h1") ?? main;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

function markNavigation(name) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    const here = link.dataset.nav === name || (link.dataset.nav === "bookings" && name === "booking");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
