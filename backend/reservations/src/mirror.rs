//! Keeping Redis' picture of a show equal to Postgres': filling it, reading it, mending it.

pub mod floor;
pub mod in_use;
pub mod loaders;
pub mod reconciling;

use std::collections::HashMap;
use std::time::Duration;

use domain::id::{SeatId, ShowId};
use domain::live::Seats;
use domain::mirror::{Drift, MirrorSeat, SWEPT_WITHIN_MS};
use domain::status::SeatStatus;
use futures_util::future::join_all;
use tokio_postgres::IsolationLevel;

use crate::app::App;
use crate::error::Error;
use crate::gate::Reading;
use crate::store::claims::{self, Claim};
use crate::store::{epochs, queues};

/// A picture from Postgres: deadlines pass meanwhile.
const LASTS_WITHOUT_REDIS: Duration = Duration::from_secs(1);

/// What a show looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its version.
    pub version: u64,
    /// All that is not free.
    pub seats: Seats,
    /// How long it stays as it is, at most, when nobody is told of a change.
    pub lasts: Duration,
}

/// Fills the mirror of a show from Postgres, in a new epoch.
pub async fn load(app: &App, show: &ShowId) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    // The epoch's row is locked first: of two loaders, the later epoch has read the later claims.
    let epoch = epochs::next_for_mirror(&transaction, show).await?;
    let queue_open = queues::open(&transaction, show).await?;
    let claims = claims::of_show(&transaction, show).await?;
    transaction.commit().await?;
    app.metrics.mirror_loads.inc();
    if app.gate.load(show, epochs::first_version(epoch), queue_open, &claims).await.is_ok() {
        // What was committed between reading and loading found no mirror, or one that is gone.
        let claims = claims::of_show(&client, show).await?;
        if app.gate.apply(show, &claims).await.is_ok() {
            epochs::set_mirrored(&client, show, epoch).await?;
        }
    }
    Ok(())
}

/// Begins the mirror of a show anew where it is missing, or behind what was shown without it; of a crowd one does, and the others
/// find it done.
pub async fn fill(app: &App, show: &ShowId) -> Result<(), Error> {
    let _turn = app.loaders.turn(show).await;
    match app.gate.read(show).await {
        Ok(Some(read)) if app.shown_without_redis(show) <= read.mirror.version => Ok(()),
        Ok(_) => load(app, show).await,
        Err(_) => Ok(()),
    }
}

/// What a show looks like now: from the mirror when there is Redis, else from Postgres in an epoch of its own.
pub async fn picture(app: &App, show: &ShowId) -> Result<Picture, Error> {
    match app.gate.read(show).await {
        Ok(Some(read)) if app.shown_without_redis(show) <= read.mirror.version => {
            return Ok(of_mirror(&read));
        }
        // Also when Redis is back with what it had: the epoch in which we showed the show without it is above that.
        Ok(_) => fill(app, show).await?,
        Err(_) => return of_postgres(app, show).await,
    }
    match app.gate.read(show).await {
        Ok(Some(read)) if app.shown_without_redis(show) <= read.mirror.version => Ok(of_mirror(&read)),
        Ok(_) | Err(_) => of_postgres(app, show).await,
    }
}

fn of_mirror(read: &Reading) -> Picture {
    let turns_at = read.mirror.turns_at(read.now_ms);
    Picture {
        version: read.mirror.version,
        seats: read.mirror.picture(read.now_ms),
        lasts: turns_at.map_or(Duration::MAX, |at| Duration::from_millis(at.saturating_sub(read.now_ms))),
    }
}

/// The version is the show's epoch, which every change without Redis moves on. An epoch that a mirror has counted up in is
/// left first, so that nobody is shown a lower version than before.
async fn of_postgres(app: &App, show: &ShowId) -> Result<Picture, Error> {
    let mut client = app.connection().await?;
    epochs::leave_mirrored(&client, show).await?;
    let isolation = IsolationLevel::RepeatableRead;
    let transaction = client.build_transaction().isolation_level(isolation).start().await?;
    let epoch = epochs::current(&transaction, show).await?;
    let rows = transaction
        .query(
            "SELECT seat_id, c.status FROM reservations.claims AS c
             LEFT JOIN reservations.queues AS q ON q.show_id = c.show_id AND q.open
             WHERE c.show_id = $1 AND c.status <> 'free'
               AND (c.status = 'booked' OR (c.status = 'held' AND q.open)
                    OR c.expires_at > clock_timestamp() - $2 * interval '1 millisecond')",
            &[&show.as_str(), &(SWEPT_WITHIN_MS as f64)],
        )
        .await?;
    transaction.commit().await?;
    let status = |word: &str| if word == "booked" { SeatStatus::Booked } else { SeatStatus::Held };
    let seats =
        rows.iter().filter_map(|row| Some((SeatId::parse(row.get::<_, &str>(0)).ok()?, status(row.get(1)))));
    let version = epochs::first_version(epoch);
    app.note_shown_without_redis(show, version);
    Ok(Picture { version, seats: seats.collect(), lasts: LASTS_WITHOUT_REDIS })
}

/// Tells the mirror what Postgres committed. Where that fails, a new epoch says that something changed, and the reconciler
/// fills the mirror anew.
pub async fn follow(app: &App, show: &ShowId, claims: &[Claim]) {
    app.in_use.note(show);
    let Err(error) = app.gate.apply(show, claims).await else { return };
    tracing::debug!(%show, %error, "the mirror was not told");
    let begun = async { Ok::<_, Error>(epochs::next(&app.connection().await?, show).await?) }.await;
    if let Err(error) = begun {
        tracing::warn!(%show, %error, "neither the mirror nor an epoch tells of a change yet");
    }
}

/// As [`follow`], of several shows.
pub async fn follow_all(app: &App, claims: Vec<Claim>) {
    let mut shows: HashMap<ShowId, Vec<Claim>> = HashMap::new();
    for claim in claims {
        shows.entry(claim.show.clone()).or_default().push(claim);
    }
    join_all(shows.iter().map(|(show, claims)| follow(app, show, claims))).await;
}

/// Makes the mirror agree with Postgres about seats it was wrong about. Where that fails, the reconciler will.
pub async fn mend(app: &App, show: &ShowId, seats: &[SeatId]) {
    let Ok(Some(read)) = app.gate.read(show).await else { return };
    let right = async { Ok::<_, Error>(claims::of_show(&app.connection().await?, show).await?) }.await;
    let Ok(right) = right.inspect_err(|error| tracing::debug!(%show, %error, "the mirror was not mended"))
    else {
        return;
    };
    let mut drifts = compare(&read, &right);
    drifts.retain(|drift| seats.contains(&drift.seat));
    if !drifts.is_empty()
        && let Err(error) = app.gate.mend(show, &drifts).await
    {
        tracing::debug!(%show, %error, "the mirror was not mended");
    }
}

/// Where the mirror is wrong.
fn compare(read: &Reading, claims: &[Claim]) -> Vec<Drift> {
    let right = claims.iter().map(|claim| (claim.seat.clone(), MirrorSeat::of(&claim.fact())));
    read.mirror.drifts(right.collect(), read.now_ms)
}
