//! The stores themselves, past Marquee's programs.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

/// The longest wait for one answer: Redis shares its machine with what drives it, and emptying it takes a while.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A connection to Redis.
///
/// # Errors
/// When the URL is wrong, or Redis cannot be reached.
pub async fn redis(url: &str) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(url)?;
    let patient = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_MAX));
    let connecting = client.get_multiplexed_async_connection_with_config(&patient);
    connecting.await.context("Redis cannot be reached")
}
