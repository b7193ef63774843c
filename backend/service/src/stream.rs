//! Events between services: one Redis Stream for each owner, read by consumer groups (every event by one of them, at least
//! once) and by followers (every event by each process, once).
//!
//! A consumer must be idempotent, and neither may need the stream for its correctness: a Redis that was emptied has lost
//! what was in it.

mod follower;

pub use follower::follow;

use std::time::Duration;

use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, Pipeline, RedisResult, aio::MultiplexedConnection};

use crate::drain::Drain;
use crate::redis::Redis;

/// Entries kept in a stream, about; a consumer that was away for longer reads the owner's tables instead.
const ENTRIES_MAX: usize = 100_000;
/// Entries read at once.
const READ_MAX: usize = 100;
/// How long one read waits for news.
const BLOCK_MS: usize = 1_000;
/// An entry unacknowledged for this long is taken from a consumer that seems dead.
const CLAIM_AFTER_MS: usize = 5_000;
/// After a failure, before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// The stream of one owner's events.
pub fn key(prefix: &str, owner: &str) -> String {
    format!("{prefix}:events:{owner}")
}

/// Adds one event to its stream, with its number in the owner's outbox: a batch whose answer was lost is added again.
pub(crate) fn append(pipeline: &mut Pipeline, prefix: &str, owner: &str, number: i64, event: &str) {
    let mut add = redis::cmd("XADD");
    add.arg(key(prefix, owner)).arg("MAXLEN").arg("~").arg(ENTRIES_MAX).arg("*");
    add.arg("event").arg(event).arg("number").arg(number);
    pipeline.add_command(add).ignore();
}

/// Who reads which stream.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The owner whose events are read.
    pub owner: &'static str,
    /// The group: every event is handled by one of its consumers.
    pub group: &'static str,
    /// This process, unique in the group.
    pub consumer: String,
}

/// Hands every event to `handle` until drained. What `handle` refuses stays pending and is tried again.
pub async fn consume<F, R>(redis: Redis, subscription: Subscription, drain: Drain, handle: F)
where
    F: Fn(String) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    while !drain.is_stopped() {
        if let Err(error) = consume_until_trouble(&redis, &subscription, &drain, &handle).await {
            tracing::debug!(error = %format!("{error:#}"), "the stream cannot be read");
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}

async fn consume_until_trouble<F, R>(
    redis: &Redis,
    subscription: &Subscription,
    drain: &Drain,
    handle: &F,
) -> anyhow::Result<()>
where
    F: Fn(String) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let stream = key(redis.prefix(), subscription.owner);
    let mut connection = redis.blocking(BLOCK_MS as u64).await?;
    let made: RedisResult<()> = connection.xgroup_create_mkstream(&stream, subscription.group, "0").await;
    made.or_else(|error| if error.code() == Some("BUSYGROUP") { Ok(()) } else { Err(error) })?;
    while !drain.is_stopped() {
        let options = StreamAutoClaimOptions::default().count(READ_MAX);
        let abandoned: StreamAutoClaimReply = connection
            .xautoclaim_options(
                &stream,
                subscription.group,
                &subscription.consumer,
                CLAIM_AFTER_MS,
                "0-0",
                options,
            )
            .await?;
        let mut entries = abandoned.claimed;
        let options = StreamReadOptions::default()
            .group(subscription.group, &subscription.consumer)
            .count(READ_MAX)
            .block(BLOCK_MS);
        let fresh: Option<StreamReadReply> = connection.xread_options(&[&stream], &[">"], &options).await?;
        entries.extend(fresh.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids));
        for entry in entries {
            handle_entry(&mut connection, &stream, subscription, entry, handle).await?;
        }
    }
    Ok(())
}

async fn handle_entry<F, R>(
    connection: &mut MultiplexedConnection,
    stream: &str,
    subscription: &Subscription,
    entry: StreamId,
    handle: &F,
) -> anyhow::Result<()>
where
    F: Fn(String) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    if let Some(event) = entry.get::<String>("event")
        && let Err(error) = handle(event).await
    {
        tracing::warn!(id = entry.id, error = %format!("{error:#}"), "an event waits to be handled again");
        return Ok(());
    }
    connection.xack::<_, _, _, ()>(stream, subscription.group, &[&entry.id]).await?;
    Ok(())
}
