// What a page shows when it has nothing to show yet, or cannot.

import { h } from "../dom.js";

export function loading() {
  return h("p", { class: "loading", role: "status" }, "Loading…");
}

/** A whole page that could not be shown. */
export function failure(error, retry) {
  const known = "status" in error;
  return h("section", { class: "panel", role: "alert" },
    h("h1", {}, error.status === 404 ? "Not found" : "This did not work"),
    h("p", {}, known ? error.message : "Something went wrong in this page. Please try again."),
    h("p", { class: "actions" },
      h("button", { type: "button", class: "button", on: { click: retry } }, "Try again"),
      h("a", { href: "/" }, "See what is playing")));
}

/** A place for the sentence that tells why an action failed; empty until then. */
export function errorLine() {
  const element = h("p", { class: "error-line", role: "alert" });
  return {
    element,
    show: (error) => { element.textContent = wordsFor(error); },
    clear: () => { element.textContent = ""; },
  };
}

function wordsFor(error) {
  if (typeof error === "string") return error;
  if (!("status" in error)) console.error(error);
  return "status" in error ? error.message : "Something went wrong in this page. Please try again.";
}
