//! What every part of a running process shares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::{SessionId, ShowId};
use domain::limits::LimitReached;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use service::outbox::Bell;
use service::postgres::presence::Presence;
use service::postgres::{self, Connection, Pool};
use tokio::sync::Semaphore;

use crate::batch::Queues;
use crate::config::Config;
use crate::error::Error;
use crate::gate::Gate;
use crate::gate::sight::Sight;
use crate::metrics::Metrics;
use crate::mirror::floor::Floors;
use crate::mirror::in_use::InUse;
use crate::mirror::loaders::Loaders;
use crate::payment::PaymentProvider;
use crate::settling::Prompt;
use crate::shows::{SHOWS_MAX, Shows};
use crate::store::idempotency::Term;
use crate::store::shows::Show;
use crate::ticket::TicketKeys;

/// Sessions remembered as having all the holds they may have.
const SESSIONS_MAX: usize = 20_000;
/// How long such a session is turned away without asking again.
const FULL_FOR: Duration = Duration::from_secs(1);

/// Shared by handlers and loops.
pub struct App {
    /// What we were told.
    pub config: Config,
    /// Signs tickets.
    pub tickets: TicketKeys,
    /// The database.
    pub pool: Pool,
    /// This process, as the database sees it.
    pub presence: Presence,
    /// The gates.
    pub gate: Gate,
    /// Rings the outbox's relay.
    pub bell: Bell,
    /// The payment provider.
    pub payment: Box<dyn PaymentProvider>,
    /// The metrics.
    pub metrics: Metrics,
    /// Places for live sockets.
    pub sockets: Arc<Semaphore>,
    /// Shows whose mirrors are checked.
    pub in_use: InUse,
    /// Held by whoever begins a mirror anew, so that a crowd at an emptied Redis loads it once.
    pub loaders: Loaders,
    /// Below which versions nobody who comes is shown a show.
    pub floors: Floors,
    /// What waits to be written.
    pub queues: Queues,
    /// Money that waits to be settled at once.
    pub prompt: Prompt,
    shows: Shows,
    full: Cache<SessionId, (Instant, LimitReached)>,
    shown: Cache<ShowId, u64>,
    sights: Cache<ShowId, Arc<Sight>>,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        config: Config,
        tickets: TicketKeys,
        pool: Pool,
        gate: Gate,
        payment: Box<dyn PaymentProvider>,
        metrics: Metrics,
    ) -> Self {
        Self {
            sockets: Arc::new(Semaphore::new(config.sockets_max.min(Semaphore::MAX_PERMITS))),
            queues: Queues::new(&config.batch),
            prompt: Prompt::default(),
            config,
            tickets,
            presence: Presence::start(pool.clone(), &metrics.loops),
            pool,
            gate,
            bell: Bell::default(),
            payment,
            metrics,
            in_use: InUse::default(),
            loaders: Loaders::default(),
            floors: Floors::default(),
            shows: Shows::default(),
            full: Cache::new(SESSIONS_MAX),
            shown: Cache::new(SHOWS_MAX),
            sights: Cache::new(SHOWS_MAX),
        }
    }

    /// A connection to the database.
    pub async fn connection(&self) -> Result<Connection, postgres::Error> {
        self.pool.get().await
    }

    /// For how long this process takes a key, from now on.
    pub fn term(&self) -> Term {
        Term { lease: self.config.attempt_lease(), holder: self.presence.number() }
    }

    /// Notes that a session has all it may have, so that it cannot go on blocking seats at the gate.
    pub fn note_full(&self, session: &SessionId, limit: LimitReached) {
        self.full.insert(session.clone(), (Instant::now(), limit));
    }

    /// Notes that it has one less.
    pub fn note_room(&self, session: &SessionId) {
        self.full.remove(session);
    }

    /// Which limit it had reached a moment ago.
    pub fn full(&self, session: &SessionId) -> Option<LimitReached> {
        self.full.get(session).filter(|(since, _)| since.elapsed() < FULL_FOR).map(|(_, limit)| limit)
    }

    /// Notes the version in which a show was shown, here or elsewhere, while Redis was away.
    pub fn note_shown_without_redis(&self, show: &ShowId, version: u64) {
        self.shown.insert(show.clone(), version.max(self.shown_without_redis(show)));
    }

    /// The highest such version; 0 when there was none.
    pub fn shown_without_redis(&self, show: &ShowId) -> u64 {
        self.shown.get(show).unwrap_or_default()
    }

    /// When a show begins; nothing when it was taken off the program.
    pub async fn starts_at(&self, id: &ShowId) -> Result<Option<Timestamp>, Error> {
        match self.show(id).await {
            Ok(show) => Ok(Some(show.starts_at)),
            Err(Error::ShowNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes what was taken of a show when its mirror was seen last.
    pub fn note_sight(&self, show: &ShowId, sight: &Arc<Sight>) {
        self.sights.insert(show.clone(), Arc::clone(sight));
    }

    /// What was taken when it was seen last.
    pub fn last_sight(&self, show: &ShowId) -> Option<Arc<Sight>> {
        self.sights.get(show)
    }

    /// A show, from memory or the catalog's view.
    pub async fn show(&self, id: &ShowId) -> Result<Arc<Show>, Error> {
        self.shows.find(&self.pool, id).await
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}
