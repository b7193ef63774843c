//! Reservations as its callers meet it: real Postgres, real Redis, real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bad_input;
mod batches;
mod bookings;
mod choosing;
mod cold;
mod demo;
mod events;
mod expiry;
mod extending;
mod holds;
mod limits;
mod live;
mod loops;
mod moving;
mod payments;
mod purging;
mod queue;
mod races;
mod rules;
mod stores;
mod tickets;
mod world;
