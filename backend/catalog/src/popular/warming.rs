//! Keeping the lists warm, as the leader of many warmers: add up what was written, count, swap.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use service::postgres::{self, Pool};
use service::redis::{self, Redis};

use super::PopularConfig;
use super::folding::{Folding, Unfolded};
use super::gate::{self, Swap, Swapped, Unswapped, Written};
use super::live::{Live, Shared, Terms};
use super::program::{Place, Program};
use super::standings::Standings;
use crate::keys::PopularKeys;
use crate::store::demand;

/// Why the lists stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum Unrefreshed {
    /// Somebody else leads, or led later: what we counted is not written.
    #[error("somebody else leads")]
    Fenced,
    /// Postgres cannot be asked, or refused.
    #[error("nothing can be counted")]
    Postgres(#[from] postgres::Error),
    /// Redis cannot be asked, or refused.
    #[error("nothing can be written")]
    Redis(#[from] redis::Error),
    /// What was written for the swap is gone, as Redis was emptied meanwhile.
    #[error("the new lists are gone")]
    Gone,
}

impl From<Unfolded> for Unrefreshed {
    fn from(error: Unfolded) -> Self {
        match error {
            Unfolded::Fenced => Self::Fenced,
            Unfolded::Postgres(error) => Self::Postgres(error),
        }
    }
}

impl From<Unswapped> for Unrefreshed {
    fn from(error: Unswapped) -> Self {
        match error {
            Unswapped::Fenced => Self::Fenced,
            Unswapped::Gone => Self::Gone,
            Unswapped::Redis(error) => Self::Redis(error),
        }
    }
}

/// What a refresh came to.
#[derive(Debug, Clone, Copy)]
pub struct Refreshed {
    /// When it was counted, by the database's clock.
    pub as_of: Timestamp,
    /// Films on the list of everywhere.
    pub movies: usize,
    /// Rows of the published views that were added up.
    pub facts: u64,
    /// Lists that changed.
    pub lists_written: usize,
    /// How long Postgres took.
    pub folding: Duration,
}

/// The key of the leader's lease, whose value is its token.
pub fn lease_key(prefix: &str) -> String {
    PopularKeys::new(prefix).lease
}

/// The leader's work, and what it remembers between two rounds.
#[derive(Debug)]
pub struct Warming {
    pool: Pool,
    redis: Redis,
    keys: PopularKeys,
    config: PopularConfig,
    /// How old the program may be.
    program_lives: Duration,
    timeout: Duration,
    program: Option<(Instant, Arc<Program>)>,
    folding: Folding,
    written: Written,
    terms: Shared,
    /// Whether the list of older programs was told to end.
    retired: bool,
}

impl Warming {
    /// Nothing is read or written before the first round.
    pub fn new(
        pool: Pool,
        redis: Redis,
        config: PopularConfig,
        program_lives: Duration,
        timeout: Duration,
    ) -> Self {
        Self {
            keys: PopularKeys::new(redis.prefix()),
            pool,
            redis,
            config,
            program_lives,
            timeout,
            program: None,
            folding: Folding::default(),
            written: Written::default(),
            terms: Shared::default(),
            retired: false,
        }
    }

    /// What adds to the lists between two rounds.
    pub fn live(&self) -> Live {
        Live::new(self.pool.clone(), self.redis.clone(), Arc::clone(&self.terms))
    }

    /// A fencing token for who is about to lead: larger than all before.
    pub async fn token(&self) -> Result<i64, postgres::Error> {
        demand::token(&self.pool.get().await?).await
    }

    /// One round, as the leader of that token.
    pub async fn refresh(&mut self, token: i64) -> Result<Refreshed, Unrefreshed> {
        // As long as it is not known how a round ended, nothing is known of what stands in Redis.
        let mut written = std::mem::take(&mut self.written);
        let began = Instant::now();
        let program = self.program().await?;
        self.begin_to_hear(&program);
        let decay = self.config.decay();
        let folded = self.folding.fold(&self.pool, &program, decay, token, self.timeout).await?;
        let folding = began.elapsed();
        let terms = (folded.as_of, folded.landmark, decay);
        let standings = Standings::count(&program, self.folding.sums(), &folded.fresh, &self.config, terms);
        self.tell(&program, &standings);
        let swap = Swap {
            redis: &self.redis,
            keys: &self.keys,
            token,
            program: &program,
            standings: &standings,
            snapshot: &folded.snapshot,
        };
        let Swapped { written: mut lists_written, lost } = swap.run(&mut written).await?;
        if lost > 0 {
            tracing::info!(lost, "parts of the popular list were lost: all of it is written anew");
            lists_written = swap.run(&mut written).await?.written;
        }
        self.written = written;
        if !std::mem::replace(&mut self.retired, true) {
            gate::retire_former(&self.redis).await?;
        }
        Ok(Refreshed {
            as_of: folded.as_of,
            movies: standings.lists.get(&Place::All).map_or(0, Vec::len),
            facts: folded.facts.unsigned_abs(),
            lists_written,
            folding,
        })
    }

    /// The program, read again when it is old.
    async fn program(&mut self) -> Result<Arc<Program>, postgres::Error> {
        if let Some((_, program)) =
            self.program.as_ref().filter(|(read, _)| read.elapsed() < self.program_lives)
        {
            return Ok(Arc::clone(program));
        }
        let client = self.pool.get().await?;
        let now: Timestamp = client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
        let program = Arc::new(Program::read(&client, &self.config, now).await?);
        self.program = Some((Instant::now(), Arc::clone(&program)));
        self.folding.forget();
        Ok(program)
    }

    /// What happens from here on is kept in mind, even while there is no list to add it to: the count may not see it.
    fn begin_to_hear(&self, program: &Arc<Program>) {
        let mut terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || Terms {
            program: Arc::clone(program),
            factors: HashMap::new(),
            weights: self.config.weights(),
        };
        terms.get_or_insert_with(|| Arc::new(first()));
    }

    /// Lets [`Live`] know what it goes by from now on. Before the swap: what it adds by these terms is added to the new lists.
    fn tell(&self, program: &Arc<Program>, standings: &Standings) {
        let terms = Terms {
            program: Arc::clone(program),
            factors: standings.factors.clone(),
            weights: self.config.weights(),
        };
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(terms));
    }

    /// Forgets what was remembered: somebody else leads.
    pub fn stand_by(&mut self) {
        self.written = Written::default();
        self.folding.forget();
        self.terms.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
