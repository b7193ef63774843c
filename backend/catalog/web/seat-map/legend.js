// Explains the shapes of the seat map.

import { glyph, h } from "../dom.js";

const ENTRIES = [
  ["free", null, "Free"],
  ["mine", "check", "Yours"],
  ["held", "clock", "On hold"],
  ["booked", "cross", "Booked"],
  ["free", "wheelchair", "Wheelchair place"],
  ["free", "companion", "Companion seat"],
];

export function legend(layout) {
  const kinds = new Set([...layout.seats.values()].map(({ kind }) => kind));
  const shown = ENTRIES.filter(([, symbol]) => !["wheelchair", "companion"].includes(symbol) || kinds.has(symbol));
  return h("ul", { class: "legend", "aria-label": "What the shapes mean" }, shown.map(([status, symbol, words]) =>
    h("li", {}, h("span", { class: "seat legend-seat", "data-shape": status, "aria-hidden": "true" },
      symbol ? glyph(symbol) : "7"), words)));
}
