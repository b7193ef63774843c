//! What no house could tell.

use super::super::told::{booked, booking, hold, seats};
use super::{BUYERS, House, Kept, LASTS_MS, SEATS, pick};
use crate::books::ClaimStatus;
use crate::history::Sight;

/// A change to what no house could tell, and the invariant that it breaks; nothing where it does not apply.
pub(super) type Lie = fn(&mut House, usize) -> Option<u8>;

pub(super) const LIES: [(&str, Lie); 8] = [
    ("a hold of a seat that is somebody's", |house, at| {
        let live = |hold: &Kept| {
            hold.known_ms.is_some_and(|known| known + 40 < hold.until_ms.min(hold.end_asked_ms) - 60)
        };
        let victim = house.holds[pick(at, &house.holds, live)?].clone();
        let begin = victim.known_ms? + 10;
        let thief = victim.buyer % BUYERS + 1;
        house.told.asks(
            thief,
            (begin, begin + 20),
            &victim.seats,
            "stolen",
            super::super::told::held(&victim.seats, "stolen", begin + LASTS_MS),
        );
        Some(3)
    }),
    ("a booking that is not in the books", |house, at| {
        let sold = |hold: &Kept| hold.sold_ms.is_some();
        let lost = house.holds[pick(at, &house.holds, sold)?].booking.clone()?;
        house.told.books.bookings.retain(|row| row.booking != booking(&lost));
        Some(2)
    }),
    ("a refusal of a seat that is nobody's", |house, at| {
        let free = |seat: &&&str| {
            house
                .told
                .books
                .claims
                .iter()
                .all(|claim| claim.seat.as_str() != **seat || claim.status == ClaimStatus::Free)
        };
        let free: Vec<&&str> = SEATS.iter().filter(free).collect();
        let seat = *free.get(at % free.len().max(1))?;
        let late_ms = house.now_ms + 20_000;
        house.told.refused(1, (late_ms, late_ms + 9), &[seat], &[seat]);
        Some(3)
    }),
    ("another body for the same key", |house, at| {
        let sold = |hold: &Kept| hold.sold_ms.is_some();
        let hold = house.holds[pick(at, &house.holds, sold)?].clone();
        let late_ms = house.now_ms + 10_000;
        let (key, other) = (hold.booking?, "another");
        house.told.asks_to_confirm(
            hold.buyer,
            (late_ms, late_ms + 9),
            &hold.name,
            &key,
            booked(&seats(&hold.seats), &hold.name, other),
        );
        Some(9)
    }),
    ("an announcement before the deadline", |house, at| {
        let known = house.holds[pick(at, &house.holds, |_| true)?].clone();
        house.told.sees(known.buyer, known.until_ms - 100, Sight::HoldExpired { hold: hold(&known.name) });
        Some(5)
    }),
    ("a hold that is not in the books", |house, at| {
        let known = |hold: &Kept| hold.known_ms.is_some() && hold.booking.is_none();
        let lost = house.holds[pick(at, &house.holds, known)?].name.clone();
        house.told.books.holds.retain(|row| row.hold != hold(&lost));
        Some(4)
    }),
    ("a booking without its claim", |house, at| {
        let sold: Vec<_> = house
            .told
            .books
            .claims
            .iter()
            .filter(|claim| claim.status == ClaimStatus::Booked)
            .map(|claim| claim.seat.clone())
            .collect();
        let lost = sold.get(at % sold.len().max(1))?;
        house.told.books.claims.retain(|claim| claim.seat != *lost);
        Some(10)
    }),
    ("a token that is smaller than the one before", |house, at| {
        let rows = &mut house.told.books.holds;
        let known = |row: &crate::books::Hold| {
            house.holds.iter().any(|hold| hold.name == row.hold.as_str() && hold.known_ms.is_some())
        };
        let later: Vec<usize> = (1..rows.len())
            .filter(|at| {
                known(&rows[*at])
                    && rows[..*at]
                        .iter()
                        .any(|row| known(row) && row.seats.iter().any(|seat| rows[*at].seats.contains(seat)))
            })
            .collect();
        let row = *later.get(at % later.len().max(1))?;
        rows[row].token = 0;
        Some(3)
    }),
];
