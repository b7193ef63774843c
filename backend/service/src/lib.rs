//! How to be a process here: configuration, telemetry, HTTP, errors, Postgres, Redis, events, drain.
//!
//! Nothing in this crate knows what a seat is. The test for every file: would a shoe shop need it too?

pub mod cli;
pub mod config;
pub mod secret;
pub mod telemetry;

pub mod http;
pub mod json;
pub mod problem;
pub mod request;
pub mod request_id;
pub mod session;
pub mod traceparent;
pub mod traces;

pub mod postgres;
pub mod redis;

pub mod outbox;
pub mod stream;

pub mod drain;
pub mod metrics;

/// Every process here makes many small things on one thread and drops them on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
