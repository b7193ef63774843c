// A seat map put in order: where each seat is, what it is called. Pure.

/** The service's seat map → `{rows, seats, columns, depth}`; x and y start at zero. */
export function layoutOf(seatMap) {
  const all = seatMap.rows.flatMap((row) => row.seats);
  const left = Math.min(...all.map(({ x }) => x));
  const front = Math.min(...all.map(({ y }) => y));
  const rows = seatMap.rows
    .filter((row) => row.seats.length > 0)
    .map((row) => ({ label: row.label, seats: row.seats.map((seat) => place(seat, row.label, left, front)) }))
    .map((row) => ({ ...row, seats: row.seats.sort((a, b) => a.x - b.x), y: Math.min(...row.seats.map(({ y }) => y)) }))
    .sort((a, b) => a.y - b.y);
  const placed = rows.flatMap((row) => row.seats);
  return {
    rows,
    seats: new Map(placed.map((seat) => [seat.id, seat])),
    columns: Math.max(0, ...placed.map(({ x }) => x + 1)),
    depth: Math.max(0, ...placed.map(({ y }) => y + 1)),
  };
}

function place(seat, row, left, front) {
  const number = seat.id.startsWith(row) ? seat.id.slice(row.length).replace(/^[-_ ]/, "") : seat.id;
  return { id: seat.id, row, number, kind: seat.kind ?? "standard", x: seat.x - left, y: seat.y - front };
}
