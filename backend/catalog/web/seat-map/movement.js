// Where the arrow keys lead on a seat map. Pure.

/** The seat that `key` leads to from `seatId`, or null when the key leads nowhere. */
export function neighbour(layout, seatId, key, { ctrl = false } = {}) {
  const seat = layout.seats.get(seatId);
  if (!seat) return null;
  const at = layout.rows.findIndex((row) => row.seats.includes(seat));
  const row = layout.rows[at].seats;
  const index = row.indexOf(seat);
  switch (key) {
    case "ArrowLeft": return row[index - 1]?.id ?? null;
    case "ArrowRight": return row[index + 1]?.id ?? null;
    case "ArrowUp": return nearest(layout.rows[at - 1], seat.x);
    case "ArrowDown": return nearest(layout.rows[at + 1], seat.x);
    case "Home": return (ctrl ? layout.rows[0].seats : row)[0].id;
    case "End": return (ctrl ? layout.rows.at(-1).seats : row).at(-1).id;
    default: return null;
  }
}

function nearest(row, x) {
  if (!row) return null;
  return row.seats.reduce((best, seat) => (Math.abs(seat.x - x) < Math.abs(best.x - x) ? seat : best)).id;
}
