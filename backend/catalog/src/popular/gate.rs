//! The list in Redis: read by visitors and swapped by the warmer, one script each.

use std::sync::LazyLock;

use jiff::Timestamp;
use redis::Script;
use service::redis::{Error, Redis};

use super::{Popular, Ranked};
use crate::keys;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));
static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("swap.lua")));

/// Taken off a score in Redis for each rank, so that films of one score keep their order there. It is less than the
/// smallest difference between two scores for as many films as a list may hold.
const RANK_STEP: f64 = 5e-10;

/// The first `limit` films; nothing when Redis has no list, or one it cannot be read from.
pub(crate) async fn read(redis: &Redis, limit: u16) -> Result<Option<Popular>, Error> {
    let keys = keys::popular(redis.prefix());
    let mut call = READ.key(keys.ranking);
    call.key(keys.movies).key(keys.as_of).arg(limit);
    let mut answer: Vec<String> = redis.script(&call).await?;
    if answer.is_empty() {
        return Ok(None);
    }
    let documents = answer.split_off(1);
    let list = parse(&answer[0], &documents);
    list.inspect_err(|error| tracing::warn!(%error, "the popular list in redis cannot be read"))
        .map_or(Ok(None), |list| Ok(Some(list)))
}

fn parse(as_of: &str, documents: &[String]) -> anyhow::Result<Popular> {
    let movies: Result<Vec<Ranked>, _> =
        documents.iter().map(|document| serde_json::from_str(document)).collect();
    Ok(Popular { as_of: as_of.parse::<Timestamp>()?, movies: movies? })
}

/// Puts `list` in the place of the one before. No reader sees anything in between.
pub async fn swap(redis: &Redis, list: &Popular) -> Result<(), Error> {
    let keys = keys::popular(redis.prefix());
    let mut call = SWAP.key(keys.ranking);
    call.key(keys.movies).key(keys.as_of).arg(list.as_of.to_string());
    for ranked in &list.movies {
        let score = ranked.score - f64::from(ranked.rank) * RANK_STEP;
        let document = serde_json::to_string(ranked).expect("a film has a JSON form");
        call.arg(score).arg(ranked.movie.id.as_str()).arg(document);
    }
    redis.script(&call).await
}
