// What a seat is called and how its state is told, in words. Pure.

const KINDS = { wheelchair: "wheelchair place", companion: "companion seat" };
const STATUSES = { free: "free", mine: "yours", held: "on hold by somebody", booked: "booked" };

/** "Row C seat 7, wheelchair place, free"; `wanted` by who would wait for it. */
export function seatLabel(seat, status, wanted = false) {
  const words = [`Row ${seat.row} seat ${seat.number}`, KINDS[seat.kind], STATUSES[status] ?? status, wanted && "chosen to wait for"];
  return words.filter(Boolean).join(", ");
}

/** The glyph that shows a seat's state; a free standard seat shows its number instead. */
export function seatGlyph(seat, status) {
  const byStatus = { mine: "check", held: "clock", booked: "cross" }[status];
  return byStatus ?? { wheelchair: "wheelchair", companion: "companion" }[seat.kind] ?? null;
}
