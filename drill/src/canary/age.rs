//! How old a view is: pure, it takes `now`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::id::SeatId;
use domain::live::Seats;
use domain::status::SeatStatus;

/// Since when seats of one show have been shown otherwise than they are.
#[derive(Debug, Default)]
pub(super) struct Ages(HashMap<SeatId, Instant>);

impl Ages {
    /// Compares once more; says how old the view is. A seat that changes again before its first change was shown is as old as the
    /// first: never too young.
    pub(super) fn look(&mut self, now: Instant, truth: &Seats, shown: &Seats) -> Duration {
        let status = |seats: &Seats, seat: &SeatId| seats.get(seat).copied().unwrap_or(SeatStatus::Free);
        let wrong = |seat: &SeatId| status(truth, seat) != status(shown, seat);
        self.0.retain(|seat, _| wrong(seat));
        for seat in truth.keys().chain(shown.keys()).filter(|seat| wrong(seat)) {
            self.0.entry(seat.clone()).or_insert(now);
        }
        self.0.values().map(|since| now - *since).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(of: &[(&str, SeatStatus)]) -> Seats {
        of.iter().map(|(seat, status)| (SeatId::parse(seat).expect("a seat"), *status)).collect()
    }

    #[test]
    fn a_view_is_as_old_as_what_it_has_not_shown_for_longest() {
        use SeatStatus::{Booked, Held};
        let (mut ages, start) = (Ages::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let none = seats(&[]);
        assert_eq!(ages.look(after(0), &none, &none), Duration::ZERO);
        // A1 is held, and nobody sees it.
        assert_eq!(ages.look(after(1), &seats(&[("A1", Held)]), &none), Duration::ZERO);
        assert_eq!(ages.look(after(3), &seats(&[("A1", Held)]), &none), Duration::from_secs(2));
        // It is sold: as old as before. A2 is held besides, and younger.
        let truth = seats(&[("A1", Booked), ("A2", Held)]);
        assert_eq!(ages.look(after(4), &truth, &none), Duration::from_secs(3));
        // A1 is shown at last.
        assert_eq!(ages.look(after(6), &truth, &seats(&[("A1", Booked)])), Duration::from_secs(2));
        assert_eq!(ages.look(after(7), &truth, &truth), Duration::ZERO);
        // A2 comes free, and the page shows it as held.
        let sold = seats(&[("A1", Booked)]);
        assert_eq!(ages.look(after(8), &sold, &truth), Duration::ZERO);
        assert_eq!(ages.look(after(9), &sold, &truth), Duration::from_secs(1));
    }
}
