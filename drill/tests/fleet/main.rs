//! The whole path through the balancer, over two instances of everything. Needs a fleet: see `drill::fleet`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod bad_input;
mod buying;
mod catalogue;
mod queue;
mod shows;
