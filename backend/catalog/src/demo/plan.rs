//! A seat map out of its drawing. Pure.

use domain::id::SeatId;
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};

/// Letters of rows: no I and O, which look like numbers on a ticket.
const LABELS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Reads a drawing: `o` a seat, `w` room for a wheelchair, `c` a companion's seat, a space a gap, an empty line an aisle.
pub(super) fn read(drawing: &str) -> anyhow::Result<SeatMap> {
    let mut rows = Vec::new();
    for (y, line) in drawing.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let label = LABELS.get(rows.len()).ok_or_else(|| anyhow::anyhow!("more rows than letters"))?;
        rows.push(row(char::from(*label), u16::try_from(y)?, line)?);
    }
    let map = SeatMap { rows };
    map.validate()?;
    Ok(map)
}

fn row(label: char, y: u16, line: &str) -> anyhow::Result<Row> {
    let mut seats = Vec::new();
    for (x, letter) in line.chars().enumerate() {
        let kind = match letter {
            'o' => SeatKind::Standard,
            'w' => SeatKind::Wheelchair,
            'c' => SeatKind::Companion,
            ' ' => continue,
            other => anyhow::bail!("row {label}: {other:?} is no place"),
        };
        let id = SeatId::parse(format!("{label}{}", seats.len() + 1))?;
        seats.push(Seat { id, x: u16::try_from(x)?, y, kind });
    }
    Ok(Row { label: label.to_string(), seats })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_numbered_from_the_left_and_gaps_are_not() {
        let map = read(" oo o\n\nwc  o\n").expect("the drawing is good");
        let places: Vec<(String, u16, u16)> =
            map.seats().map(|seat| (seat.id.to_string(), seat.x, seat.y)).collect();
        let expected = [("A1", 1, 0), ("A2", 2, 0), ("A3", 4, 0), ("B1", 0, 2), ("B2", 1, 2), ("B3", 4, 2)];
        assert_eq!(places, expected.map(|(id, x, y)| (id.to_owned(), x, y)));
        assert_eq!(map.rows[1].seats[0].kind, SeatKind::Wheelchair);
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        assert!(read("oox").is_err());
        assert!(read("\n\n").is_err());
        assert!(read(&"o\n".repeat(LABELS.len() + 1)).is_err());
    }
}
