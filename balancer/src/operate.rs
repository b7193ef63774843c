//! How the balancer is run: metrics, the admin listener, the access log, reloads, the way down.
//! It must not change what happens to a request.

pub mod access_log;
pub mod admin;
pub mod drain;
pub mod handover;
pub mod lines;
pub mod listener;
pub mod metrics;
pub mod proxy_protocol;
pub mod reload;
pub mod serving;
pub mod status;
pub mod telemetry;
pub mod tls;
pub mod traces;
