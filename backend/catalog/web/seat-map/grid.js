// Draws the seats and moves the focus among them: one tab stop, arrow keys inside. It knows
// nothing of holds; it reports which seat was pressed and paints what it is told.

import { glyph, h, replace } from "../dom.js";
import { seatGlyph, seatLabel } from "./labels.js";
import { neighbour } from "./movement.js";

const UNIT_PX_MIN = 32;
const UNIT_PX_MAX = 46;
const GUTTER_PX = 30; // the row's letter

/** `{element, paint(statusOf, wanted), focus()}`; `onPress(seatId)` for a click, Enter or Space on any seat. */
export function seatGrid(layout, { onPress, signal }) {
  const buttons = new Map();
  const grid = h("div", { class: "seat-grid", role: "grid", "aria-label": "Seats, the screen is before the first row" },
    layout.rows.map((row) => rowOf(row, buttons)));
  size(grid, layout);
  grid.addEventListener("keydown", (event) => moved(event, layout, buttons));
  grid.addEventListener("focusin", ({ target }) => target.dataset.seat && rove(grid, target));
  grid.addEventListener("click", ({ target }) => {
    const seat = target.closest("[data-seat]");
    if (seat) onPress(seat.dataset.seat);
  });
  const scroller = h("div", { class: "seat-scroll" }, grid);
  fit(scroller, grid, layout, signal);
  const first = buttons.values().next().value;
  if (first) first.tabIndex = 0;
  return {
    element: scroller,
    paint: (statusOf, wanted) => paint(layout, buttons, statusOf, wanted),
    focus: () => grid.querySelector('[tabindex="0"]')?.focus(),
  };
}

function rowOf(row, buttons) {
  const cells = row.seats.map((seat) => {
    const button = h("button", {
      type: "button", class: "seat", tabindex: -1, "data-testid": "seat", "data-seat": seat.id, "data-kind": seat.kind,
    });
    buttons.set(seat.id, button);
    const cell = h("div", { role: "gridcell", class: "seat-cell" }, button);
    cell.style.setProperty("--x", seat.x);
    cell.style.setProperty("--y", seat.y - row.y);
    return cell;
  });
  const line = h("div", { role: "row", class: "seat-row" },
    h("div", { role: "rowheader", class: "row-label" }, row.label), cells);
  line.style.setProperty("--y", row.y);
  return line;
}

function paint(layout, buttons, statusOf, wanted) {
  for (const [id, button] of buttons) {
    const status = statusOf(id);
    const waits = wanted.includes(id);
    if (button.dataset.status === status && button.hasAttribute("data-wanted") === waits) continue;
    const seat = layout.seats.get(id);
    const symbol = seatGlyph(seat, status);
    button.dataset.status = status;
    button.toggleAttribute("data-wanted", waits);
    button.setAttribute("aria-label", seatLabel(seat, status, waits));
    button.setAttribute("aria-pressed", String(status === "mine"));
    replace(button, symbol ? glyph(symbol) : h("span", { "aria-hidden": "true" }, seat.number));
  }
}

function moved(event, layout, buttons) {
  const { seat } = event.target.dataset;
  if (!seat || event.altKey || event.metaKey) return;
  const next = neighbour(layout, seat, event.key, { ctrl: event.ctrlKey });
  if (!next && !/^(Arrow|Home|End)/.test(event.key)) return;
  event.preventDefault();
  buttons.get(next ?? seat).focus();
}

function rove(grid, button) {
  for (const other of grid.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  button.tabIndex = 0;
}

function size(grid, layout) {
  grid.style.setProperty("--columns", layout.columns);
  grid.style.setProperty("--depth", layout.depth);
  grid.style.setProperty("--gutter", `${GUTTER_PX}px`);
}

/** As large as the place allows, never too small to touch; then the place scrolls. */
function fit(scroller, grid, layout, signal) {
  let centred = false;
  const observer = new ResizeObserver(() => {
    const room = (scroller.clientWidth - 2 * GUTTER_PX) / layout.columns;
    const unit = Math.max(UNIT_PX_MIN, Math.min(UNIT_PX_MAX, Math.floor(room)));
    grid.style.setProperty("--unit", `${unit}px`);
    scroller.toggleAttribute("data-scrolls", room < UNIT_PX_MIN);
    if (!centred && scroller.clientWidth > 0) {
      scroller.scrollLeft = (scroller.scrollWidth - scroller.clientWidth) / 2;
      centred = true;
    }
  });
  observer.observe(scroller);
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}
