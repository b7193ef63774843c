//! Reading streams as workers do: every event is handled by one consumer of the group, again until that succeeds.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, Script};
use tokio::time::Instant;

use super::{BLOCK_MS, Behind, LOOK_PAUSE, LOOP, LOOP_INTERVAL, PAUSE, READ_MAX, keys, wanted};
use crate::drain::Drain;
use crate::metrics::loops::{LastSuccess, Loops};
use crate::redis::Redis;

/// An entry unacknowledged for this long is taken from a consumer that seems dead, or tried again. Far longer than what was read at
/// once takes to be handled.
const CLAIM_AFTER_MS: usize = 5_000;
/// What was refused has been tried again by then, by whoever was there. Only then is it known that nothing is refused any more.
const REFUSED_AGAIN: Duration =
    Duration::from_millis(CLAIM_AFTER_MS as u64).saturating_add(LOOK_PAUSE.saturating_mul(2));

/// Who reads what.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The owner whose events are read.
    pub owner: &'static str,
    /// The group: every event is handled by one of its consumers.
    pub group: &'static str,
    /// This process, unique in the group.
    pub consumer: String,
    /// The types of events that are handled. Others are acknowledged unread.
    pub types: &'static [&'static str],
}

/// Hands every event to `handle` until drained: those of one stream one after the other. What `handle` refuses stays pending and is
/// tried again.
pub async fn consume<F, R>(
    redis: Redis,
    subscription: Subscription,
    behind: Behind,
    loops: Loops,
    drain: Drain,
    handle: F,
) where
    F: Fn(String) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let last_success = loops.begin(LOOP, LOOP_INTERVAL);
    while !drain.is_stopped() {
        let told = (&behind, &last_success);
        if let Err(error) = consume_until_trouble(&redis, &subscription, told, &drain, &handle).await {
            tracing::debug!(error = %format!("{error:#}"), "the streams cannot be read");
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}

async fn consume_until_trouble<F, R>(
    redis: &Redis,
    subscription: &Subscription,
    (behind, last_success): (&Behind, &LastSuccess),
    drain: &Drain,
    handle: &F,
) -> anyhow::Result<()>
where
    F: Fn(String) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let connection = redis.blocking(BLOCK_MS as u64).await?;
    let streams = keys(redis.prefix(), subscription.owner);
    let consumer = Consumer { subscription, behind, connection, streams };
    let mut look_at = Instant::now();
    let mut refused_at = None;
    while !drain.is_stopped() {
        let mut all_done = true;
        if Instant::now() >= look_at {
            consumer.measure().await?;
            let abandoned = consumer.abandoned().await?;
            all_done &= consumer.take(abandoned, handle).await?;
            look_at = Instant::now() + LOOK_PAUSE;
        }
        let fresh = consumer.fresh().await?;
        all_done &= consumer.take(fresh, handle).await?;
        if !all_done {
            refused_at = Some(Instant::now());
        }
        last_success.note_if(refused_at.is_none_or(|at| at.elapsed() > REFUSED_AGAIN));
    }
    Ok(())
}

/// Entries of one stream, in their order.
type Part = (String, Vec<StreamId>);

struct Consumer<'a> {
    subscription: &'a Subscription,
    behind: &'a Behind,
    connection: MultiplexedConnection,
    streams: Vec<String>,
}

impl Consumer<'_> {
    /// Makes the groups, and notes how far they are behind.
    async fn measure(&self) -> anyhow::Result<()> {
        let Subscription { owner, group, .. } = self.subscription;
        let script = Script::new(include_str!("group.lua"));
        let mut asking = script.prepare_invoke();
        for stream in &self.streams {
            asking.key(stream);
        }
        asking.arg(group);
        let (missed, unread, pending): (u64, i64, i64) =
            asking.invoke_async(&mut self.connection.clone()).await?;
        self.behind.set(owner, unread + pending);
        self.behind.missed(owner, missed);
        Ok(())
    }

    /// What others left behind, or we refused.
    async fn abandoned(&self) -> anyhow::Result<Vec<Part>> {
        let Subscription { group, consumer, owner, .. } = self.subscription;
        let claims = self.streams.iter().map(async |stream| {
            let options = StreamAutoClaimOptions::default().count(READ_MAX);
            let mut connection = self.connection.clone();
            let claimed: StreamAutoClaimReply = connection
                .xautoclaim_options(stream, group, consumer, CLAIM_AFTER_MS, "0-0", options)
                .await?;
            self.behind.missed(owner, claimed.deleted_ids.len() as u64);
            anyhow::Ok((stream.clone(), claimed.claimed))
        });
        try_join_all(claims).await
    }

    /// What nobody has read.
    async fn fresh(&self) -> anyhow::Result<Vec<Part>> {
        let Subscription { group, consumer, .. } = self.subscription;
        let options = StreamReadOptions::default().group(group, consumer).count(READ_MAX).block(BLOCK_MS);
        let next = vec![">"; self.streams.len()];
        let mut connection = self.connection.clone();
        let news: Option<StreamReadReply> = connection.xread_options(&self.streams, &next, &options).await?;
        Ok(news.into_iter().flat_map(|news| news.keys).map(|stream| (stream.key, stream.ids)).collect())
    }

    /// Handles the parts side by side, and acknowledges each at once. Says whether nothing was refused.
    async fn take<F, R>(&self, parts: Vec<Part>, handle: &F) -> anyhow::Result<bool>
    where
        F: Fn(String) -> R,
        R: Future<Output = anyhow::Result<()>>,
    {
        let parts = parts.into_iter().map(|(stream, entries)| self.take_part(stream, entries, handle));
        Ok(try_join_all(parts).await?.into_iter().all(|all_done| all_done))
    }

    async fn take_part<F, R>(
        &self,
        stream: String,
        entries: Vec<StreamId>,
        handle: &F,
    ) -> anyhow::Result<bool>
    where
        F: Fn(String) -> R,
        R: Future<Output = anyhow::Result<()>>,
    {
        let count = entries.len();
        let mut done = Vec::with_capacity(count);
        for entry in entries {
            if let Some(event) = wanted(&entry, self.subscription.types)
                && let Err(error) = handle(event).await
            {
                tracing::warn!(id = entry.id, error = %format!("{error:#}"), "an event waits to be handled again");
                continue;
            }
            done.push(entry.id);
        }
        if !done.is_empty() {
            let mut connection = self.connection.clone();
            connection.xack::<_, _, _, ()>(stream, self.subscription.group, &done).await?;
        }
        Ok(done.len() == count)
    }
}
