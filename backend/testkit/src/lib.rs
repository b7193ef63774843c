//! For tests only: a fresh database and Redis namespace per test, a client with a cookie jar, and waiting on conditions.
//!
//! The servers are named by `MARQUEE_TEST_DATABASE_URL` (a role that may create databases) and `MARQUEE_TEST_REDIS_URL`;
//! `scripts/test` starts both.

pub mod client;
pub mod loops;
pub mod stores;
pub mod wait;
pub mod wire;

/// A ticket key for tests.
pub const TICKET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A session key for tests.
pub const SESSION_KEY: &str = "only-for-tests-0123456789-0123456789";
