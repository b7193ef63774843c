//! Finding where a mirror differs from Postgres although nobody knows why it should, and mending it.
//!
//! Every process looks at the shows that it saw used, twice a second. Of several that saw the same show one looks: it takes the
//! show's turn in Redis, and the others try again with their next look, so that a show which is used from everywhere is not
//! looked at from everywhere. Shows are looked at many at a time, since asking for one costs nearly as much as asking for many.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

use domain::id::ShowId;
use domain::mirror::Drift;
use futures_util::future::join_all;
use service::drain::Drain;

use super::{compare, load};
use crate::app::App;
use crate::error::Error;
use crate::gate::Reading;
use crate::store::claims::{self, Claim};
use crate::store::{epochs, queues};

/// Between two looks at the shows in use. What differs in two looks running is drift.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// How long a show that somebody looks at is left to them; over before their next look.
const TURN: Duration = Duration::from_millis(450);
/// Between two looks whether all is told: a few within the lease of a balancer.
const ALIVE_PAUSE: Duration = Duration::from_millis(250);
/// Shows looked at in one round; more are looked at in the next.
const SHOWS_PER_LOOK_MAX: usize = 200;
/// Shows that are asked for together.
const SHOWS_AT_ONCE: usize = 32;
/// Shows that changed while Redis was away, refilled in one round.
const REFILLS_PER_LOOK_MAX: i64 = 500;

/// What differed in the last look, by show.
type Suspicions = HashMap<ShowId, Vec<Drift>>;

/// What came of looking at some shows.
#[derive(Default)]
struct Looked {
    /// What is new.
    differing: Suspicions,
    /// What could not be read, or not be mended.
    missed: Vec<ShowId>,
}

/// Looks for drift and mends it until drained. `watched` names the shows with a live watcher here.
pub async fn reconcile(app: &App, watched: impl Fn() -> Vec<ShowId>, drain: Drain) {
    let mut suspicions = Suspicions::new();
    let last_success = app.metrics.loops.begin("mirrors", LOOK_PAUSE);
    while drain.pause(LOOK_PAUSE).await {
        if !app.gate.available() {
            suspicions.clear();
            continue;
        }
        let refilled = refill(app).await;
        if let Err(error) = &refilled {
            tracing::debug!(%error, "mirrors were not refilled");
        }
        let mut all_looked_at = refilled.is_ok();
        for show in watched().into_iter().chain(app.in_use.stored()) {
            app.in_use.note(&show);
        }
        let mut shows = turns(app).await;
        shows.extend(suspicions.keys().cloned());
        let shows: Vec<_> = shows.into_iter().collect();
        let mut seen = Suspicions::new();
        for some in shows.chunks(SHOWS_AT_ONCE) {
            let Looked { differing, missed } = look(app, some, &suspicions).await;
            seen.extend(differing);
            all_looked_at &= missed.is_empty();
            for show in &missed {
                app.in_use.note(show);
            }
        }
        last_success.note_if(all_looked_at);
        suspicions = seen;
    }
}

/// Says again and again, until drained, that what changed is told: whoever stores our answers believes them for a short while
/// after that. A change that could not be told has begun an epoch in Postgres, in the same transaction; then this is silent until
/// the mirror has it. So is whoever cannot look.
pub async fn stay_alive(app: &App, drain: Drain) {
    let last_success = app.metrics.loops.begin("mirrors_alive", ALIVE_PAUSE);
    while drain.pause(ALIVE_PAUSE).await {
        if !app.gate.available() {
            continue;
        }
        match tell_alive(app).await {
            Ok(told) => last_success.note_if(told),
            Err(error) => tracing::debug!(%error, "nobody was told that all is told"),
        }
    }
}

/// Says whether that was to be said, and could be.
async fn tell_alive(app: &App) -> Result<bool, Error> {
    let looked_at = Instant::now();
    if !epochs::unmirrored(&app.connection().await?, 1).await?.is_empty() {
        return Ok(false);
    }
    let told = app.gate.tell_alive(looked_at.elapsed()).await;
    if let Err(error) = &told {
        tracing::debug!(%error, "redis is away");
    }
    Ok(told.is_ok())
}

/// The shows in use whose turn is ours. Those that another looks at just now may have changed since it did: they are tried again.
async fn turns(app: &App) -> HashSet<ShowId> {
    let shows: Vec<_> = app.in_use.take(SHOWS_PER_LOOK_MAX).into_iter().collect();
    let Ok(ours) = app.gate.turns(&shows, TURN).await else { return shows.into_iter().collect() };
    let (ours, theirs): (Vec<_>, Vec<_>) = std::iter::zip(shows, ours).partition(|(_, ours)| *ours);
    for (show, _) in theirs {
        app.in_use.note(&show);
    }
    ours.into_iter().map(|(show, _)| show).collect()
}

/// Loads the mirrors of shows that changed while Redis was away.
async fn refill(app: &App) -> Result<(), Error> {
    let stale = epochs::unmirrored(&app.connection().await?, REFILLS_PER_LOOK_MAX).await?;
    for show in stale {
        load(app, &show).await?;
    }
    Ok(())
}

/// Compares mirrors with Postgres. What differs as it did before is mended; what is new is returned.
async fn look(app: &App, shows: &[ShowId], before: &Suspicions) -> Looked {
    let mut looked = Looked::default();
    let mut readings = HashMap::new();
    let read = join_all(shows.iter().map(|show| app.gate.read(show))).await;
    for (show, read) in std::iter::zip(shows, read) {
        match read {
            Ok(reading) => readings.extend(reading.map(|reading| (show, reading))),
            Err(error) => looked.miss(show, &error),
        }
    }
    if readings.is_empty() {
        return looked;
    }
    match Right::of(app, readings.keys().map(|show| show.as_str()).collect()).await {
        Ok(right) => {
            for (show, read) in readings {
                look_at(app, show, &read, (&right, before.get(show)), &mut looked).await;
            }
        }
        Err(error) => {
            for show in readings.keys() {
                looked.miss(show, &error);
            }
        }
    }
    looked
}

impl Looked {
    fn miss(&mut self, show: &ShowId, error: &impl Display) {
        self.missed.push(show.clone());
        tracing::debug!(%show, %error, "a mirror was not checked, or not mended");
    }
}

/// What Postgres says of some shows.
struct Right {
    mirrored: HashMap<ShowId, i64>,
    queues_open: HashSet<ShowId>,
    claims: HashMap<ShowId, Vec<Claim>>,
}

impl Right {
    async fn of(app: &App, shows: Vec<&str>) -> Result<Self, Error> {
        let client = app.connection().await?;
        let (mirrored, queues_open, all) = tokio::try_join!(
            epochs::mirrored(&client, &shows),
            queues::open_among(&client, &shows),
            claims::of_shows(&client, &shows),
        )?;
        let mut claims: HashMap<ShowId, Vec<Claim>> = HashMap::new();
        for claim in all {
            claims.entry(claim.show.clone()).or_default().push(claim);
        }
        Ok(Self { mirrored, queues_open, claims })
    }
}

async fn look_at(
    app: &App,
    show: &ShowId,
    read: &Reading,
    (right, before): (&Right, Option<&Vec<Drift>>),
    looked: &mut Looked,
) {
    let mirrored = right.mirrored.get(show).copied().unwrap_or_default();
    if read.mirror.version < epochs::first_version(mirrored) {
        // Somebody slow filled an emptied Redis with an epoch that others had left: nobody would follow its versions.
        if let Err(error) = load(app, show).await {
            looked.miss(show, &error);
        }
        return;
    }
    let queue_open = right.queues_open.contains(show);
    if queue_open != read.mirror.queue_open
        && let Err(error) = app.gate.set_queue(show, queue_open).await
    {
        looked.miss(show, &error);
    }
    let drifts = compare(read, right.claims.get(show).map(Vec::as_slice).unwrap_or_default());
    let (again, fresh): (Vec<_>, Vec<_>) =
        drifts.into_iter().partition(|drift| before.is_some_and(|before| before.contains(drift)));
    if !fresh.is_empty() {
        looked.differing.insert(show.clone(), fresh);
    }
    if again.is_empty() {
        return;
    }
    match app.gate.mend(show, &again).await {
        Ok(mended) => {
            app.metrics.mirror_drift.inc_by(mended);
            tracing::warn!(%show, mended, "the mirror had drifted from postgres");
        }
        Err(error) => looked.miss(show, &error),
    }
}
