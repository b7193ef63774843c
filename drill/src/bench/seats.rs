//! Free seats of the fleet's shows to come, for buyers who must not take each other's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio_postgres::Client;

/// One seat of one show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The show.
    pub show: String,
    /// Such as `A1`.
    pub name: String,
}

/// Seats in the order in which they are taken; those that come back go to the end. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Seats(Arc<Mutex<VecDeque<Seat>>>);

/// Neighbours in this order are of different shows, as buyers are. Only what owners publish is read. Seats are taken one by
/// one here, so those of theaters that ask not to leave one alone are left out.
const FREE: &str = "
    SELECT show, name FROM (
        SELECT s.id AS show, seat->>'id' AS name, row_number() OVER (PARTITION BY s.id) AS turn
        FROM catalog_published.shows s, jsonb_array_elements(s.seat_map->'rows') AS line,
             jsonb_array_elements(line->'seats') AS seat
        WHERE s.starts_at > clock_timestamp() + interval '1 hour' AND NOT s.orphan_rule
    ) AS all_seats
    WHERE NOT EXISTS (SELECT FROM reservations_published.holds h
                      WHERE h.show_id = show AND name = ANY(h.seats) AND h.status IN ('on_hold', 'booked'))
    ORDER BY turn, show";

impl Seats {
    /// All that are free now.
    pub async fn free(client: &Client) -> Result<Self> {
        let rows = client.query(FREE, &[]).await?;
        Ok(rows.iter().map(|row| Seat { show: row.get(0), name: row.get(1) }).collect())
    }

    /// The next one, if there is one left.
    pub fn take(&self) -> Option<Seat> {
        self.lock().pop_front()
    }

    /// The next ones of this show, as many as there are up to `count`.
    pub fn take_of(&self, show: &str, count: usize) -> Vec<Seat> {
        let mut seats = self.lock();
        let (mut own, others): (VecDeque<_>, VecDeque<_>) =
            seats.drain(..).partition(|seat| seat.show == show);
        let kept = own.split_off(count.min(own.len()));
        seats.extend(kept.into_iter().chain(others));
        own.into()
    }

    /// It is free again.
    pub fn give_back(&self, seat: Seat) {
        self.lock().push_back(seat);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Seat> for Seats {
    fn from_iter<T: IntoIterator<Item = Seat>>(seats: T) -> Self {
        Self(Arc::new(Mutex::new(seats.into_iter().collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(show: &str, name: &str) -> Seat {
        Seat { show: show.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn what_comes_back_is_taken_last() {
        let seats: Seats = ["A1", "A2"].map(|name| seat("s", name)).into_iter().collect();
        let first = seats.take().expect("two");
        seats.give_back(first);
        assert_eq!([seats.take(), seats.take()], [Some(seat("s", "A2")), Some(seat("s", "A1"))]);
        assert_eq!(seats.take(), None);
    }

    #[test]
    fn seats_of_one_show_are_taken_from_among_the_others() {
        let all = [("s", "A1"), ("t", "A1"), ("s", "A2"), ("s", "A3")];
        let seats: Seats = all.map(|(show, name)| seat(show, name)).into_iter().collect();
        assert_eq!(seats.take_of("s", 2), [seat("s", "A1"), seat("s", "A2")]);
        assert_eq!(seats.take_of("s", 2), [seat("s", "A3")]);
        assert_eq!([seats.take(), seats.take()], [Some(seat("t", "A1")), None]);
    }
}
