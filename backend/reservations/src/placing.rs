//! A hold, from wish to commit: the gate, then Postgres, then the answer.

use deadpool_postgres::GenericClient;
use domain::best;
use domain::hold::Selection;
use domain::id::{HoldId, SeatId, SessionId, ShowId};
use domain::status::{HoldStatus, SeatStatus};
use jiff::Timestamp;
use service::{outbox, postgres};
use tokio::time::Instant;

use crate::app::App;
use crate::error::Error;
use crate::gate::Claimed;
use crate::mirror::{self, Picture};
use crate::store::SCHEMA;
use crate::store::bookings::{self, Booking};
use crate::store::claims::{self, Claim};
use crate::store::epochs;
use crate::store::holds::{self, Hold};
use crate::store::shows::Show;
use crate::{names, telling};

/// How often the best seats are looked for anew when somebody else was faster.
const BEST_ATTEMPTS_MAX: usize = 4;
/// How often a missing mirror is filled before we go on without the gate.
const FILL_ATTEMPTS_MAX: usize = 2;

/// What a buyer wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Who.
    pub session: SessionId,
    /// Of which show.
    pub show: ShowId,
    /// Which seats.
    pub selection: Selection,
    /// The request's `Idempotency-Key`, if it has one.
    pub key: Option<String>,
    /// When the buyer will have been told that the answer took too long: nothing is placed after that.
    pub until: Instant,
}

impl Wish {
    /// The same key is the same hold, whichever instance it reaches and how often.
    fn hold_id(&self) -> HoldId {
        let id = match &self.key {
            Some(key) => names::derived("hold", &[self.session.as_str(), key]),
            None => names::fresh("hold"),
        };
        HoldId::parse(id).expect("a generated id has the form of one")
    }

    fn fingerprint(&self) -> String {
        let seats = match &self.selection {
            Selection::Seats(seats) => seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(","),
            Selection::Best(party) => format!("best {}", party.size()),
        };
        format!("{} {seats}", self.show)
    }
}

/// Places a hold. All seats or none; durable before it returns.
pub async fn place(app: &App, wish: &Wish) -> Result<Hold, Error> {
    let show = app.show(&wish.show).await?;
    app.in_use.note(&wish.show);
    let id = wish.hold_id();
    if app.full(&wish.session) {
        return repeated_or_full(app, wish, &id).await;
    }
    let outcome = match &wish.selection {
        Selection::Seats(seats) => {
            known(&show, seats)?;
            place_seats(app, wish, &show, &id, seats).await
        }
        Selection::Best(party) => place_best(app, wish, &show, &id, *party).await,
    };
    let label = match &outcome {
        Ok(_) => "placed",
        Err(Error::SeatsUnavailable { .. }) => "lost",
        Err(_) => "failed",
    };
    app.metrics.holds.with_label_values(&[label]).inc();
    outcome
}

fn known(show: &Show, seats: &[SeatId]) -> Result<(), Error> {
    let unknown: Vec<_> =
        seats.iter().filter(|seat| !show.seat_map.seats().any(|known| known.id == **seat)).cloned().collect();
    if unknown.is_empty() { Ok(()) } else { Err(Error::UnknownSeats(unknown)) }
}

async fn place_best(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    party: domain::hold::Party,
) -> Result<Hold, Error> {
    for _ in 0..BEST_ATTEMPTS_MAX {
        let picture = mirror::picture(app, &wish.show).await?;
        let Some(mut seats) = best::best(&show.seat_map, free_in(&picture), party) else { break };
        seats.sort();
        match place_seats(app, wish, show, id, &seats).await {
            Err(Error::SeatsUnavailable { .. }) => {}
            outcome => return outcome,
        }
    }
    // It may be this very key that got the last ones.
    match before(app, wish, id).await? {
        Some(hold) => repeated(hold, wish),
        None => Err(Error::SeatsUnavailable { unavailable: Vec::new(), alternatives: Vec::new() }),
    }
}

/// The hold this key placed before. Who was never let through by the gate is not looked for in Postgres.
async fn before(app: &App, wish: &Wish, id: &HoldId) -> Result<Option<Hold>, Error> {
    if wish.key.is_none() || matches!(app.gate.remembers(&wish.show, id.as_str()).await, Ok(false)) {
        return Ok(None);
    }
    Ok(holds::find(&app.connection().await?, id).await?)
}

async fn place_seats(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    seats: &[SeatId],
) -> Result<Hold, Error> {
    let claimed = pass_gate(app, wish, id, seats).await?;
    if let Claimed::Taken(lost) = claimed {
        return Err(unavailable(app, show, lost, seats).await);
    }
    let decision = decide(app, wish, show, id, seats).await;
    // Only what was claimed here just now: a repetition must not undo what the first request did.
    if claimed == Claimed::Pending
        && !matches!(&decision, Ok(Decision::Placed(..)))
        && let Err(error) = app.gate.undo(&wish.show, id.as_str(), seats).await
    {
        tracing::debug!(%error, "the gate's claim lapses by itself");
    }
    answer(app, wish, show, seats, decision).await
}

/// Asks the gate. `Missing` means: go on without it.
async fn pass_gate(app: &App, wish: &Wish, id: &HoldId, seats: &[SeatId]) -> Result<Claimed, Error> {
    for _ in 0..FILL_ATTEMPTS_MAX {
        match app.gate.claim(&wish.show, id.as_str(), wish.key.is_some(), seats).await {
            Ok(Claimed::Missing) => mirror::fill(app, &wish.show).await?,
            Ok(claimed) => return Ok(claimed),
            Err(_) => return Ok(Claimed::Missing),
        }
    }
    Ok(Claimed::Missing)
}

/// What Postgres decided.
enum Decision {
    /// The hold is placed, with these claims.
    Placed(Hold, Vec<Claim>),
    /// The same key placed this hold before.
    Repeated(Hold),
}

/// What the buyer is told of it, and the mirror.
async fn answer(
    app: &App,
    wish: &Wish,
    show: &Show,
    seats: &[SeatId],
    decision: Result<Decision, Error>,
) -> Result<Hold, Error> {
    match decision {
        Ok(Decision::Placed(hold, claims)) => {
            mirror::follow(app, &wish.show, &claims).await;
            Ok(hold)
        }
        Ok(Decision::Repeated(hold)) => {
            mirror::mend(app, &wish.show, seats).await;
            repeated(hold, wish)
        }
        Err(Error::SeatsUnavailable { unavailable: lost, .. }) => {
            mirror::mend(app, &wish.show, &lost).await;
            Err(unavailable(app, show, lost, seats).await)
        }
        Err(error) => Err(error),
    }
}

/// One transaction: the session's count, the claims, the hold. Rolled back unless everything is ours.
async fn decide(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    seats: &[SeatId],
) -> Result<Decision, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let holds_now = holds::count_of_session(&transaction, &wish.session).await?;
    // Requests of one session take turns here, so whoever repeats a key finds what the first one did.
    if wish.key.is_some()
        && let Some(hold) = holds::find(&transaction, id).await?
    {
        return Ok(Decision::Repeated(hold));
    }
    let limit = app.config.holds_per_session_max;
    if holds_now >= i64::from(limit) {
        app.note_full(&wish.session);
        return Err(Error::TooManyHolds(limit));
    }
    let (token, now) = claims::token(&transaction).await?;
    if now >= show.starts_at {
        return Err(Error::ShowStarted);
    }
    let hold = draft(app, wish, show, id, seats, token, now);
    let claimed = claims::take(&transaction, &wish.show, id.as_str(), token, hold.expires_at, seats).await?;
    if claimed.len() < seats.len() {
        let lost =
            seats.iter().filter(|seat| !claimed.iter().any(|claim| claim.seat == **seat)).cloned().collect();
        return Err(Error::SeatsUnavailable { unavailable: lost, alternatives: Vec::new() });
    }
    holds::insert(&transaction, &hold).await?;
    outbox::put(&transaction, SCHEMA, &telling::held(&hold)).await?;
    without_gate(app, &transaction, &wish.show).await?;
    if Instant::now() >= wish.until {
        return Err(Error::Store(postgres::Error::Away(
            "it took longer than the buyer was made to wait".to_owned(),
        )));
    }
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok(Decision::Placed(hold, claimed))
}

/// A hold as it will be.
fn draft(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    seats: &[SeatId],
    token: i64,
    now: Timestamp,
) -> Hold {
    Hold {
        id: id.clone(),
        show: wish.show.clone(),
        session: wish.session.clone(),
        entry: None,
        seats: seats.to_vec(),
        token,
        status: HoldStatus::OnHold,
        price: show.price.times(seats.len()),
        fingerprint: wish.fingerprint(),
        expires_at: now + app.config.hold(),
        lapsed: false,
    }
}

/// A change that Redis will not carry begins a new epoch, so that every view learns of it.
pub async fn without_gate(
    app: &App,
    transaction: &deadpool_postgres::Transaction<'_>,
    show: &ShowId,
) -> Result<(), Error> {
    if !app.gate.available() {
        epochs::next(transaction, show).await?;
    }
    Ok(())
}

/// The answer to a request that was answered before: the same, whatever became of the hold since.
fn repeated(hold: Hold, wish: &Wish) -> Result<Hold, Error> {
    if hold.fingerprint != wish.fingerprint() {
        return Err(Error::KeyReused);
    }
    Ok(Hold { status: HoldStatus::OnHold, lapsed: false, ..hold })
}

/// For a session that has all it may have: the hold this key placed before, or none.
async fn repeated_or_full(app: &App, wish: &Wish, id: &HoldId) -> Result<Hold, Error> {
    let placed = match &wish.key {
        Some(_) => holds::find(&app.connection().await?, id).await?,
        None => None,
    };
    placed.map_or(Err(Error::TooManyHolds(app.config.holds_per_session_max)), |hold| repeated(hold, wish))
}

/// Names what is lost, and as many seats elsewhere.
async fn unavailable(app: &App, show: &Show, lost: Vec<SeatId>, wanted: &[SeatId]) -> Error {
    let alternatives = match mirror::picture(app, &show.id).await {
        Ok(picture) => best::alternatives(&show.seat_map, free_in(&picture), wanted),
        Err(_) => Vec::new(),
    };
    Error::SeatsUnavailable { unavailable: lost, alternatives }
}

fn free_in(picture: &Picture) -> impl Fn(&SeatId) -> bool {
    |seat| picture.seats.get(seat).is_none_or(|status| *status == SeatStatus::Free)
}

/// A session's hold; somebody else's is as if it were not.
pub async fn find(app: &App, session: &SessionId, id: &HoldId) -> Result<Hold, Error> {
    let hold = holds::find(&app.connection().await?, id).await?;
    hold.filter(|hold| hold.session == *session).ok_or(Error::HoldNotFound)
}

/// The booking a hold became, for those who come to it late.
pub async fn booking_of(client: &impl GenericClient, id: &HoldId) -> Result<Booking, Error> {
    bookings::find_by_hold(client, id).await?.ok_or(Error::HoldNotFound)
}
