//! Reading streams as an audience does: every process hears every event from now on, each once and in order.
//!
//! What happens while the connection is away is heard when it is back, as far as the streams reach. What Redis itself lost is not
//! heard.

mod place;

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, RedisResult, Script};
use tokio::time::Instant;

use super::{BLOCK_MS, Behind, LOOK_PAUSE, LOOP, LOOP_INTERVAL, PAUSE, READ_MAX, keys, wanted};
use crate::drain::Drain;
use crate::metrics::loops::{LastSuccess, Loops};
use crate::redis::Redis;
use place::{End, Place};

/// Who hears what.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// The owners whose events are followed.
    pub owners: &'static [&'static str],
    /// The types of events that are heard.
    pub types: &'static [&'static str],
}

/// Hands the events to `hear` until drained.
pub async fn follow(
    redis: Redis,
    following: Following,
    behind: Behind,
    loops: Loops,
    drain: Drain,
    hear: impl Fn(&str),
) {
    let mut places = Places::default();
    let last_success = loops.begin(LOOP, LOOP_INTERVAL);
    while !drain.is_stopped() {
        if let Err(error) =
            follow_until_trouble(&redis, following, (&behind, &last_success), &drain, &mut places, &hear)
                .await
        {
            tracing::debug!(error = %format!("{error:#}"), "the streams cannot be followed");
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}

/// How far each stream was heard.
type Places = HashMap<String, Place>;

async fn follow_until_trouble(
    redis: &Redis,
    following: Following,
    (behind, last_success): (&Behind, &LastSuccess),
    drain: &Drain,
    places: &mut Places,
    hear: &impl Fn(&str),
) -> anyhow::Result<()> {
    let mut connection = redis.blocking(BLOCK_MS as u64).await?;
    let streams: Vec<String> =
        following.owners.iter().flat_map(|owner| keys(redis.prefix(), owner)).collect();
    let options = StreamReadOptions::default().count(READ_MAX).block(BLOCK_MS);
    let mut look_at = Instant::now();
    while !drain.is_stopped() {
        if Instant::now() >= look_at {
            for owner in following.owners {
                look(&mut connection, owner, &keys(redis.prefix(), owner), behind, places).await?;
            }
            look_at = Instant::now() + LOOK_PAUSE;
        }
        let heard: Vec<&str> = streams.iter().map(|stream| places[stream].id()).collect();
        let news: Option<StreamReadReply> = connection.xread_options(&streams, &heard, &options).await?;
        for stream in news.into_iter().flat_map(|news| news.keys) {
            let Some(place) = places.get_mut(&stream.key) else { continue };
            let fresh = stream.ids.iter().filter(|entry| place.take(entry));
            fresh.filter_map(|entry| wanted(entry, following.types)).for_each(|event| hear(&event));
        }
        last_success.note();
    }
    Ok(())
}

/// Compares the places in one owner's streams with their ends; a stream that is new to us is heard from its end.
async fn look(
    connection: &mut MultiplexedConnection,
    owner: &str,
    streams: &[String],
    behind: &Behind,
    places: &mut Places,
) -> RedisResult<()> {
    let (mut entries, mut missed) = (0, 0);
    for (stream, end) in streams.iter().zip(ends(connection, streams).await?) {
        let place = places.entry(stream.clone()).or_insert_with(|| Place::at(&end));
        missed += place.compare(&end);
        entries += place.behind(&end);
    }
    behind.set(owner, entries);
    behind.missed(owner, missed);
    Ok(())
}

async fn ends(connection: &mut MultiplexedConnection, streams: &[String]) -> RedisResult<Vec<End>> {
    let script = Script::new(include_str!("ends.lua"));
    let mut asking = script.prepare_invoke();
    for stream in streams {
        asking.key(stream);
    }
    let ends: Vec<(String, u64, u64)> = asking.invoke_async(connection).await?;
    Ok(ends.into_iter().map(|(id, added, trimmed)| End { id, added, trimmed }).collect())
}
