//! The lists in Redis: one script to read, one to add what just happened, one to swap.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::popularity::Decay;
use jiff::Timestamp;
use redis::{Pipeline, Script, Value};
use service::redis::{Error, Redis};

use super::directory::{self, Directory};
use super::live::Addition;
use super::program::{Place, Program};
use super::standings::{Standing, Standings};
use crate::keys::{self, PopularKeys};
use crate::store::demand::Snapshot;

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));
static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add.lua")));
static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("swap.lua")));

/// How long lists are shown that nobody counts any more. Then readers count for themselves.
const LIVES_MS: i64 = 3_600_000;
/// How long what is to be swapped in waits for it.
const NEXT_MS: i64 = 60_000;
/// How long it is kept in mind what happened. Counts that have not seen it are older than any transaction may be.
const PENDING_MS: i64 = 300_000;
/// What is kept in mind at most. What comes on top is seen with the next count.
const PENDING_MAX: usize = 20_000;
/// Lists that are sent at once.
const LISTS_AT_ONCE: usize = 64;
const MICROSECONDS: f64 = 1e6;

/// A list as Redis has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranking {
    /// When it was counted.
    pub(crate) as_of: Timestamp,
    pub(crate) landmark: Timestamp,
    pub(crate) decay: Decay,
    /// Of the directory that has its films.
    pub(crate) version: String,
    /// Films with their sums, most popular first; nothing when the place has no list.
    pub(crate) films: Option<Vec<(String, f64)>>,
}

/// The list of a place; nothing when there are no lists, or none that can be read.
pub(crate) async fn read(
    redis: &Redis,
    keys: &PopularKeys,
    place: &Place,
    limit: usize,
) -> Result<Option<Ranking>, Error> {
    let name = place.to_string();
    let mut call = READ.key(&keys.meta);
    call.key(format!("{}{name}", keys.lists)).arg(name).arg(limit);
    let answer: Vec<String> = redis.script(&call).await?;
    if answer.is_empty() {
        return Ok(None);
    }
    let ranking = parse(&answer);
    if ranking.is_none() {
        tracing::warn!("the popular list in redis cannot be read");
    }
    Ok(ranking)
}

fn parse(answer: &[String]) -> Option<Ranking> {
    let [as_of, landmark, half_life, version, listed, films @ ..] = answer else { return None };
    let film = |pair: &[String]| {
        let [member, sum] = pair else { return None };
        Some((directory::movie_of(member)?.to_owned(), sum.parse().ok()?))
    };
    let films: Option<Vec<_>> = films.chunks(2).map(film).collect();
    Some(Ranking {
        as_of: as_of.parse().ok()?,
        landmark: instant(landmark)?,
        decay: Decay { half_life_seconds: half_life.parse().ok().filter(|seconds| *seconds > 0)? },
        version: version.clone(),
        films: if listed == "1" { Some(films?) } else { None },
    })
}

/// The films and places, with the version they are of.
pub(crate) async fn directory(
    redis: &Redis,
    keys: &PopularKeys,
) -> Result<Option<(String, Directory)>, Error> {
    let mut both = redis::pipe();
    both.atomic().hget(&keys.meta, "version").get(&keys.directory);
    let (version, text): (Option<String>, Option<String>) = redis.run_all(&both).await?;
    let (Some(version), Some(text)) = (version, text) else { return Ok(None) };
    let read = serde_json::from_str(&text);
    read.inspect_err(|error| tracing::warn!(%error, "the popular directory in redis cannot be read"))
        .map_or(Ok(None), |directory| Ok(Some((version, directory))))
}

/// Lets the list of older programs end by itself, unless one of them still writes it.
pub(crate) async fn retire_former(redis: &Redis) -> Result<(), Error> {
    let mut pipeline = Pipeline::new();
    for key in keys::former(redis.prefix()) {
        pipeline.pexpire(key, LIVES_MS).ignore();
    }
    redis.run_all(&pipeline).await
}

/// What became of additions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Added now.
    pub(crate) new: u64,
    /// Counted or added before.
    pub(crate) before: u64,
    /// More than is kept in mind.
    pub(crate) refused: u64,
}

/// Adds what just happened, each once.
pub(crate) async fn add(redis: &Redis, keys: &PopularKeys, additions: &[Addition]) -> Result<Added, Error> {
    let mut call = ADD.key(&keys.meta);
    call.key(&keys.pending).key(&keys.members).arg(&keys.lists).arg(PENDING_MS).arg(PENDING_MAX);
    for addition in additions {
        let places: Vec<String> = addition.places.iter().map(Place::to_string).collect();
        call.arg(&addition.fact).arg(addition.written_in).arg(&addition.movie_id).arg(addition.points);
        call.arg(seconds(addition.at)).arg(places.join(","));
    }
    let (new, before, refused) = redis.script(&call).await?;
    Ok(Added { new, before, refused })
}

/// Why nothing was swapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unswapped {
    /// Somebody else leads, or led later.
    #[error("the lease is somebody else's")]
    Fenced,
    /// What was to be swapped in is gone.
    #[error("the new lists are gone")]
    Gone,
    /// Redis cannot be asked, or refused.
    #[error(transparent)]
    Redis(#[from] Error),
}

/// What a swap came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Swapped {
    /// Lists that were written.
    pub(crate) written: usize,
    /// Lists that are lost, and were not among those.
    pub(crate) lost: u64,
}

/// What stands in Redis, as far as this process wrote it.
#[derive(Debug, Default)]
pub(crate) struct Written {
    lists: BTreeMap<Place, Vec<(usize, f64)>>,
    version: String,
}

/// Lists to be swapped in.
pub(crate) struct Swap<'a> {
    pub(crate) redis: &'a Redis,
    pub(crate) keys: &'a PopularKeys,
    pub(crate) token: i64,
    pub(crate) program: &'a Program,
    pub(crate) standings: &'a Standings,
    pub(crate) snapshot: &'a Snapshot,
}

impl Swap<'_> {
    /// Writes the lists that changed and puts them in place. `written` is empty afterwards when that is not certain.
    pub(crate) async fn run(&self, written: &mut Written) -> Result<Swapped, Unswapped> {
        let before = std::mem::take(written);
        let (version, text) = Directory::of(self.program).encoded();
        let new_directory = before.version != version;
        let lists: BTreeMap<Place, Vec<(usize, f64)>> = self.lists();
        let changed =
            |(place, list): &(&Place, &Vec<_>)| new_directory || before.lists.get(*place) != Some(*list);
        let mut fresh: Vec<&Place> = lists.iter().filter(changed).map(|(place, _)| place).collect();
        if new_directory {
            self.write_directory(&text).await?;
        }
        self.write(&fresh).await?;
        let lost = loop {
            match self.put(&fresh, new_directory, &version).await? {
                Put::Done { lost } => break lost,
                Put::Besides(names) => {
                    let besides: Vec<&Place> =
                        lists.keys().filter(|place| names.contains(&place.to_string())).collect();
                    self.write(&besides).await?;
                    fresh.extend(besides);
                }
            }
        };
        let swapped = Swapped { written: fresh.len(), lost };
        if lost == 0 {
            *written = Written { lists, version };
        }
        Ok(swapped)
    }

    fn lists(&self) -> BTreeMap<Place, Vec<(usize, f64)>> {
        let plain =
            |list: &Vec<Standing>| list.iter().map(|standing| (standing.release, standing.sum)).collect();
        self.standings.lists.iter().map(|(place, list)| (place.clone(), plain(list))).collect()
    }

    async fn write_directory(&self, text: &str) -> Result<(), Error> {
        let next = self.keys.next(self.token);
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SET").arg(&next.directory).arg(text).arg("PX").arg(NEXT_MS).ignore();
        pipeline.del(&next.members).ignore();
        let members: Vec<(&str, String)> = self
            .program
            .releases
            .iter()
            .enumerate()
            .map(|(order, release)| {
                let movie_id = release.movie.id.as_str();
                (movie_id, directory::member(order, movie_id))
            })
            .collect();
        // An empty hash is none, and none could not be renamed.
        pipeline.hset(&next.members, "", "").ignore();
        if !members.is_empty() {
            pipeline.hset_multiple(&next.members, &members).ignore();
        }
        pipeline.pexpire(&next.members, NEXT_MS).ignore();
        self.redis.run_all(&pipeline).await
    }

    async fn write(&self, places: &[&Place]) -> Result<(), Error> {
        let next = self.keys.next(self.token);
        for some in places.chunks(LISTS_AT_ONCE) {
            let mut pipeline = Pipeline::new();
            for place in some {
                let list = &self.standings.lists[*place];
                if list.is_empty() {
                    continue;
                }
                let key = format!("{}{place}", next.lists);
                pipeline.del(&key).ignore();
                let member = |standing: &Standing| {
                    let movie_id = self.program.releases[standing.release].movie.id.as_str();
                    (standing.sum, directory::member(standing.release, movie_id))
                };
                let members: Vec<(f64, String)> = list.iter().map(member).collect();
                pipeline.zadd_multiple(&key, &members).ignore().pexpire(&key, NEXT_MS).ignore();
            }
            self.redis.run_all::<()>(&pipeline).await?;
        }
        Ok(())
    }

    async fn put(&self, fresh: &[&Place], new_directory: bool, version: &str) -> Result<Put, Unswapped> {
        let (keys, next) = (self.keys, self.keys.next(self.token));
        let running: Vec<String> = self.snapshot.running.iter().map(i64::to_string).collect();
        let mut call = SWAP.key(&keys.lease);
        call.key(&keys.meta).key(&keys.pending).key(&keys.members).key(&keys.directory);
        call.key(&next.members).key(&next.directory);
        call.arg(self.token).arg(LIVES_MS).arg(&keys.lists).arg(&next.lists).arg(u8::from(new_directory));
        call.arg(self.standings.as_of.to_string()).arg(seconds(self.standings.landmark));
        call.arg(self.standings.decay.half_life_seconds).arg(self.snapshot.below).arg(self.snapshot.next);
        call.arg(running.join(",")).arg(version);
        for (place, list) in &self.standings.lists {
            call.arg(place.to_string()).arg(list.len()).arg(u8::from(fresh.contains(&place)));
        }
        let answer: Vec<Value> = self.redis.script(&call).await?;
        let number =
            |at: usize| answer.get(at).and_then(|value| redis::from_redis_value_ref::<i64>(value).ok());
        match number(0) {
            Some(1) => Ok(Put::Done { lost: number(1).map_or(0, i64::unsigned_abs) }),
            Some(-4) => Ok(Put::Besides(
                answer.iter().skip(3).filter_map(|value| redis::from_redis_value_ref(value).ok()).collect(),
            )),
            Some(-3) => Err(Unswapped::Gone),
            _ => Err(Unswapped::Fenced),
        }
    }
}

/// What became of an attempt.
enum Put {
    /// The lists are in place.
    Done { lost: u64 },
    /// Nothing was changed: the lists of these places must be written too.
    Besides(Vec<String>),
}

/// As scripts reckon with it.
fn seconds(at: Timestamp) -> String {
    format!("{:.6}", at.as_microsecond() as f64 / MICROSECONDS)
}

fn instant(seconds: &str) -> Option<Timestamp> {
    let seconds: f64 = seconds.parse().ok()?;
    Timestamp::from_microsecond((seconds * MICROSECONDS).round() as i64).ok()
}
