//! The visitors' side: a list in one round trip to Redis; without it the last good one from memory; and where there is none,
//! one that this process counts for all its visitors. Each says when it was counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::popularity::Decay;
use jiff::Timestamp;
use service::postgres::{self, Pool};
use service::redis::{self, Redis};

use super::PopularConfig;
use super::answer::{Asked, Popular, Ranked};
use super::directory::Directory;
use super::folding::look;
use super::gate::{self, Ranking};
use super::program::{Place, Program};
use super::standings::{Standings, score};
use crate::error::Error;
use crate::keys::PopularKeys;

/// Places whose last list is kept in mind; those that nobody asked for longest go first.
const PLACES_MAX: usize = 256;
/// A list from memory that is older than this is shown only where none can be counted.
const MEMORY_LIVES: Duration = Duration::from_mins(1);
/// A program that changes while it is read is read again so often.
const ATTEMPTS: usize = 3;

/// Where a list came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Redis,
    Memory,
    Postgres,
}

impl Source {
    /// As a label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
            Self::Postgres => "postgres",
        }
    }
}

/// Reads lists.
#[derive(Debug)]
pub(crate) struct Reader {
    pool: Pool,
    redis: Redis,
    keys: PopularKeys,
    config: PopularConfig,
    /// How long what was counted here is shown.
    fresh: Duration,
    memory: Mutex<Memory>,
    // Held while counting: all others wait for that one count.
    counted: tokio::sync::Mutex<LastCount>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Memory {
    directory: Option<(String, Arc<Directory>)>,
    lists: HashMap<Place, Remembered>,
}

#[derive(Debug, Clone)]
struct Remembered {
    ranking: Arc<Ranking>,
    directory: Arc<Directory>,
    read_at: Instant,
}

/// What was counted here last.
#[derive(Debug, Default)]
struct LastCount {
    lists: Option<(Instant, Arc<Counted>)>,
    /// A later attempt came to nothing, or was broken off.
    failed: bool,
}

/// Lists that were counted here.
#[derive(Debug)]
struct Counted {
    program: Program,
    directory: Directory,
    standings: Standings,
}

impl Reader {
    pub(crate) fn new(pool: Pool, redis: Redis, config: PopularConfig, fresh: Duration) -> Self {
        let keys = PopularKeys::new(redis.prefix());
        Self {
            pool,
            redis,
            keys,
            config,
            fresh,
            memory: Mutex::default(),
            counted: tokio::sync::Mutex::default(),
        }
    }

    /// The list that is asked for.
    pub(crate) async fn list(&self, asked: &Asked) -> Result<(Popular, Source), Error> {
        match self.in_redis(asked).await {
            Ok(Some(list)) => return list.map(|list| (list, Source::Redis)),
            Ok(None) | Err(redis::Error::Away) => {}
            Err(refused @ redis::Error::Refused(_)) => {
                tracing::error!(error = %format!("{:#}", anyhow::Error::from(refused)), "redis refused the popular list");
            }
        }
        if let Some((list, read_at)) = self.in_memory(asked)
            && read_at.elapsed() < MEMORY_LIVES
        {
            return Ok((list, Source::Memory));
        }
        match self.counted_here().await {
            Ok(counted) => self.of(&counted, asked, false).map(|list| (list, Source::Postgres)),
            Err(error) => {
                let (list, _) = self.in_memory(asked).ok_or(error)?;
                Ok((list, Source::Memory))
            }
        }
    }

    /// As of when the list is that somebody who asks now is shown.
    pub(crate) async fn as_of(&self) -> Result<Timestamp, Error> {
        let everywhere = Asked { limit: 1, country: None, city: None };
        if let Ok(Some(list)) = self.in_redis(&everywhere).await {
            return list.map(|list| list.as_of);
        }
        let remembered = self.in_memory(&everywhere);
        if let Some((list, read_at)) = &remembered
            && read_at.elapsed() < MEMORY_LIVES
        {
            return Ok(list.as_of);
        }
        match self.counted_as_of().await {
            Ok(as_of) => Ok(as_of),
            Err(error) => Ok(remembered.ok_or(error)?.0.as_of),
        }
    }

    /// As of when a list is that is counted here. What would be counted anew is not for us: it would be as of now. But after a
    /// failure it is, since nothing else tells whether it can be again.
    async fn counted_as_of(&self) -> Result<Timestamp, postgres::Error> {
        let (fresh, failed) = {
            let last = self.counted.lock().await;
            (last.younger_than(self.fresh), last.failed)
        };
        if let Some(fresh) = fresh {
            return Ok(fresh.standings.as_of);
        }
        if !failed && let Ok(now) = self.database_now().await {
            return Ok(now);
        }
        Ok(self.counted_here().await?.standings.as_of)
    }

    async fn database_now(&self) -> Result<Timestamp, postgres::Error> {
        let client = self.pool.get().await?;
        Ok(client.query_one("SELECT clock_timestamp()", &[]).await?.get(0))
    }

    /// The list that is asked for, with reasons, which are counted here: at most once in a few seconds, whoever asks.
    pub(crate) async fn explained(&self, asked: &Asked) -> Result<(Popular, Source), Error> {
        let counted = self.counted_here().await?;
        Ok((self.of(&counted, asked, true)?, Source::Postgres))
    }

    /// Nothing when Redis has no list.
    async fn in_redis(&self, asked: &Asked) -> Result<Option<Result<Popular, Error>>, redis::Error> {
        for _ in 0..ATTEMPTS {
            let known = self.memory().directory.clone();
            let (version, directory) = match known {
                Some(known) => known,
                None => match self.learn().await? {
                    Some(learnt) => learnt,
                    None => return Ok(None),
                },
            };
            // Whether there is such a place is only certain once the directory is known to be the last.
            let place = directory.place(asked);
            let read = place.as_ref().unwrap_or(&Place::All);
            let Some(ranking) = gate::read(&self.redis, &self.keys, read, self.config.movies_max).await?
            else {
                return Ok(None);
            };
            if ranking.version != version {
                if self.learn().await?.is_none() {
                    return Ok(None);
                }
                continue;
            }
            return Ok(match place {
                Err(unknown) => Some(Err(unknown)),
                Ok(place) => self.remember(place, ranking, directory, asked).map(Ok),
            });
        }
        Ok(None)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn learn(&self) -> Result<Option<(String, Arc<Directory>)>, redis::Error> {
        let learnt = gate::directory(&self.redis, &self.keys).await?;
        let learnt = learnt.map(|(version, directory)| (version, Arc::new(directory)));
        if learnt.is_some() {
            self.memory().directory.clone_from(&learnt);
        }
        Ok(learnt)
    }

    /// Keeps a list in mind. Nothing when the place has none.
    fn remember(
        &self,
        place: Place,
        ranking: Ranking,
        directory: Arc<Directory>,
        asked: &Asked,
    ) -> Option<Popular> {
        ranking.films.as_ref()?;
        let remembered = Remembered { ranking: Arc::new(ranking), directory, read_at: Instant::now() };
        let list = remembered.list(asked.limit);
        let mut memory = self.memory();
        if memory.lists.len() >= PLACES_MAX && !memory.lists.contains_key(&place) {
            let oldest =
                memory.lists.iter().min_by_key(|(_, list)| list.read_at).map(|(place, _)| place.clone());
            oldest.and_then(|oldest| memory.lists.remove(&oldest));
        }
        memory.lists.insert(place, remembered);
        Some(list)
    }

    fn in_memory(&self, asked: &Asked) -> Option<(Popular, Instant)> {
        let remembered = {
            let memory = self.memory();
            let place = memory.directory.as_ref()?.1.place(asked).ok()?;
            memory.lists.get(&place)?.clone()
        };
        Some((remembered.list(asked.limit), remembered.read_at))
    }

    async fn counted_here(&self) -> Result<Arc<Counted>, postgres::Error> {
        let mut last = self.counted.lock().await;
        if let Some(fresh) = last.younger_than(self.fresh) {
            return Ok(fresh);
        }
        // Until it is done: whoever asked may go away before that.
        last.failed = true;
        match Counted::now(&self.pool, &self.config).await {
            Ok(now) => {
                let now = Arc::new(now);
                *last = LastCount { lists: Some((Instant::now(), Arc::clone(&now))), failed: false };
                Ok(now)
            }
            Err(error) => last.younger_than(MEMORY_LIVES).ok_or(error),
        }
    }

    fn of(&self, counted: &Counted, asked: &Asked, explain: bool) -> Result<Popular, Error> {
        let place = counted.directory.place(asked)?;
        let list = Popular::explained(&counted.program, &counted.standings, &self.config, &place);
        Ok(list.ok_or(Error::CityNotFound)?.top(asked.limit, explain))
    }
}

impl LastCount {
    fn younger_than(&self, age: Duration) -> Option<Arc<Counted>> {
        let (_, lists) = self.lists.as_ref().filter(|(counted_at, _)| counted_at.elapsed() < age)?;
        Some(Arc::clone(lists))
    }
}

impl Remembered {
    fn list(&self, limit: usize) -> Popular {
        let Ranking { as_of, landmark, decay, ref films, .. } = *self.ranking;
        let films = films.as_deref().unwrap_or_default();
        let ranked = |(rank, (movie_id, sum)): (u32, &(String, f64))| {
            let release = self.directory.releases.get(movie_id)?;
            Some(ranked(release.movie.clone(), rank, *sum, decay, landmark, as_of))
        };
        let movies = (1..).zip(films.iter().take(limit)).filter_map(ranked).collect();
        Popular { as_of, movies }
    }
}

fn ranked(
    movie: crate::store::movies::Movie,
    rank: u32,
    sum: f64,
    decay: Decay,
    landmark: Timestamp,
    as_of: Timestamp,
) -> Ranked {
    Ranked { movie, rank, score: score(sum, decay, landmark, as_of), explain: None }
}

impl Counted {
    async fn now(pool: &Pool, config: &PopularConfig) -> Result<Self, postgres::Error> {
        let look = look(pool, config).await?;
        let terms = (look.as_of, look.landmark, look.decay);
        let standings = Standings::count(&look.program, &look.sums, &look.fresh, config, terms);
        Ok(Self { directory: Directory::of(&look.program), program: look.program, standings })
    }
}
