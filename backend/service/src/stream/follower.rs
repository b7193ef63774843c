//! Reading streams as an audience does: every process hears every event from now on, each once and in order.
//!
//! What happens while the connection is away is heard when it is back. What Redis itself lost is not heard.

use std::collections::{HashMap, HashSet, VecDeque};

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, RedisResult};

use super::{BLOCK_MS, PAUSE, READ_MAX, key};
use crate::drain::Drain;
use crate::redis::Redis;

/// Numbers remembered for each stream, to know an event that was added twice. A batch of the outbox is far smaller.
const REMEMBERED_MAX: usize = 4_096;
/// Before the first entry of a stream.
const BEGINNING: &str = "0-0";

/// Hands every event of `owners` to `hear` until drained.
pub async fn follow(redis: Redis, owners: &[&str], drain: Drain, hear: impl Fn(&str)) {
    let mut places: HashMap<String, Place> = HashMap::new();
    while !drain.is_stopped() {
        if let Err(error) = follow_until_trouble(&redis, owners, &drain, &mut places, &hear).await {
            tracing::debug!(error = %format!("{error:#}"), "the streams cannot be followed");
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}

async fn follow_until_trouble(
    redis: &Redis,
    owners: &[&str],
    drain: &Drain,
    places: &mut HashMap<String, Place>,
    hear: &impl Fn(&str),
) -> anyhow::Result<()> {
    let mut connection = redis.blocking(BLOCK_MS as u64).await?;
    let streams: Vec<String> = owners.iter().map(|owner| key(redis.prefix(), owner)).collect();
    for stream in &streams {
        let end = end_of(&mut connection, stream).await?;
        let place = places.entry(stream.clone()).or_insert_with(|| Place::at(end.clone()));
        place.keep_or_restart(&end);
    }
    let options = StreamReadOptions::default().count(READ_MAX).block(BLOCK_MS);
    while !drain.is_stopped() {
        let behind: Vec<&str> = streams.iter().map(|stream| places[stream].id.as_str()).collect();
        let news: Option<StreamReadReply> = connection.xread_options(&streams, &behind, &options).await?;
        for stream in news.into_iter().flat_map(|news| news.keys) {
            let Some(place) = places.get_mut(&stream.key) else { continue };
            stream.ids.iter().filter_map(|entry| place.take(entry)).for_each(|event| hear(&event));
        }
    }
    Ok(())
}

/// The id of the last entry.
async fn end_of(connection: &mut MultiplexedConnection, stream: &str) -> RedisResult<String> {
    let last: StreamRangeReply = connection.xrevrange_count(stream, "+", "-", 1).await?;
    Ok(last.ids.into_iter().next().map_or_else(|| BEGINNING.to_owned(), |entry| entry.id))
}

/// How far one stream was heard.
#[derive(Debug)]
struct Place {
    id: String,
    known: HashSet<i64>,
    order: VecDeque<i64>,
}

impl Place {
    fn at(id: String) -> Self {
        Self { id, known: HashSet::new(), order: VecDeque::new() }
    }

    /// A stream that ends before our place was begun anew under a clock that is behind: it is heard from its beginning.
    fn keep_or_restart(&mut self, end: &str) {
        if end != BEGINNING && parts(end) < parts(&self.id) {
            BEGINNING.clone_into(&mut self.id);
        }
    }

    /// The event of the next entry, unless it was heard before.
    fn take(&mut self, entry: &StreamId) -> Option<String> {
        self.id.clone_from(&entry.id);
        let fresh = entry.get::<i64>("number").is_none_or(|number| self.remember(number));
        entry.get::<String>("event").filter(|_| fresh)
    }

    fn remember(&mut self, number: i64) -> bool {
        if !self.known.insert(number) {
            return false;
        }
        self.order.push_back(number);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// An id as it is ordered: milliseconds, then a count.
fn parts(id: &str) -> (u64, u64) {
    let (ms, count) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or_default(), count.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_fresh_once_and_the_memory_is_bounded() {
        let mut place = Place::at(BEGINNING.to_owned());
        assert!(place.remember(7) && !place.remember(7));
        (100..).take(REMEMBERED_MAX).for_each(|number| assert!(place.remember(number)));
        assert_eq!((place.known.len(), place.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }

    #[test]
    fn a_stream_that_ends_before_our_place_is_heard_from_its_beginning() {
        let mut place = Place::at("1000-5".to_owned());
        for end in [BEGINNING, "1000-5", "2000-0"] {
            place.keep_or_restart(end);
            assert_eq!(place.id, "1000-5", "{end}");
        }
        place.keep_or_restart("999-9");
        assert_eq!(place.id, BEGINNING);
    }
}
