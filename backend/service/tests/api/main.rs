//! Events from outbox to reader, on real Postgres and Redis. The owner is a shop: nothing here knows what a seat is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod outbox;
mod streams;
mod world;
