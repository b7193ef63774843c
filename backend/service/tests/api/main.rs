//! Events from outbox to reader, and what Postgres says, on real Postgres and Redis. The owner is a shop: nothing here knows what a
//! seat is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod loops;
mod metrics;
mod outbox;
mod postgres;
mod streams;
mod world;
