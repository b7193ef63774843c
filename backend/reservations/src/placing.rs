//! A hold, from wish to commit: the gate, then Postgres, then the answer.

use std::sync::Arc;

use deadpool_postgres::{GenericClient, Transaction};
use domain::deadline::Deadline;
use domain::hold::{Seating, Selection};
use domain::id::{HoldId, SeatId, SessionId, ShowId};
use domain::limits::LimitReached;
use domain::status::HoldStatus;
use service::{postgres, traces};
use tokio::time::Instant;

use crate::app::App;
use crate::batch::holds::{Decision, Wanted};
use crate::choosing::{self, Chosen, Passed};
use crate::error::Error;
use crate::mirror;
use crate::names;
use crate::store::bookings::{self, Booking};
use crate::store::epochs;
use crate::store::holds::{self, Hold};
use crate::store::shows::Show;

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

    /// Whether the seats are for us to choose.
    fn chooses(&self) -> bool {
        matches!(self.selection, Selection::Best(..))
    }

    fn fingerprint(&self) -> String {
        let seats = match &self.selection {
            Selection::Seats(seats) => seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(","),
            Selection::Best(party, Seating::Standard) => format!("best {}", party.size()),
            Selection::Best(party, Seating::Accessible) => format!("best {} accessible", party.size()),
        };
        format!("{} {seats}", self.show)
    }
}

/// Places a hold. All seats or none; durable before it returns.
pub async fn place(app: &App, wish: &Wish) -> Result<Hold, Error> {
    let show = app.show(&wish.show).await?;
    app.in_use.note(&wish.show);
    let id = wish.hold_id();
    if let Some(limit) = app.full(&wish.session) {
        return repeated_or_full(app, wish, &id, limit).await;
    }
    let outcome = place_chosen(app, wish, &show, &id).await;
    let label = match &outcome {
        Ok(_) => "placed",
        Err(Error::SeatsUnavailable { .. }) => "lost",
        Err(_) => "failed",
    };
    app.metrics.holds.with_label_values(&[label]).inc();
    outcome
}

/// Chooses and places; the best seats are looked for anew while Postgres refuses what the gate, or nobody, let through.
async fn place_chosen(app: &App, wish: &Wish, show: &Arc<Show>, id: &HoldId) -> Result<Hold, Error> {
    for look in 0..choosing::LOOKS_MAX {
        let chosen = match choosing::choose(app, wish, show, id, look).await {
            Ok(chosen) => chosen,
            Err(error) => return before_or(app, wish, id, error).await,
        };
        match place_seats(app, wish, show, id, &chosen).await {
            Err(Error::SeatsUnavailable { .. }) if wish.chooses() => {}
            outcome => return outcome,
        }
    }
    Err(choosing::unavailable(app, show, Vec::new(), &wish.selection).await)
}

/// Why nothing was chosen; but it may be this very key that got the last seats, or that left one alone.
async fn before_or(app: &App, wish: &Wish, id: &HoldId, error: Error) -> Result<Hold, Error> {
    let chosen_here = match &error {
        Error::SeatsUnavailable { .. } => wish.chooses(),
        error => matches!(error, Error::LeavesSingleSeat { .. }),
    };
    match if chosen_here { before(app, wish, id).await? } else { None } {
        Some(hold) => repeated(app, hold, wish),
        None => Err(error),
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
    show: &Arc<Show>,
    id: &HoldId,
    chosen: &Chosen,
) -> Result<Hold, Error> {
    let decision = app.queues.holds.write(wanted(wish, show, id, chosen)).await;
    // Only what was claimed here just now: a repetition must not undo what the first request did.
    if chosen.passed == Passed::Claimed
        && !matches!(&decision, Ok(Decision::Placed(_)))
        && let Err(error) = app.gate.undo(&wish.show, id.as_str(), &chosen.seats, refused(&decision)).await
    {
        tracing::debug!(%error, "the gate's claim lapses by itself");
    }
    answer(app, wish, show, &chosen.seats, decision).await
}

/// Whether nothing came of it for certain. A commit whose answer was lost may have placed the hold: its key is remembered.
fn refused(decision: &Result<Decision, Error>) -> bool {
    !matches!(decision, Err(Error::Store(_)))
}

/// A wish as it is written.
fn wanted(wish: &Wish, show: &Arc<Show>, id: &HoldId, chosen: &Chosen) -> Wanted {
    Wanted {
        id: id.clone(),
        session: wish.session.clone(),
        show: Arc::clone(show),
        seats: chosen.seats.clone(),
        gated: chosen.passed != Passed::Around,
        keyed: wish.key.is_some(),
        fingerprint: wish.fingerprint(),
        until: wish.until,
        trace: traces::current(),
    }
}

/// What the buyer is told of it, and the mirror.
async fn answer(
    app: &App,
    wish: &Wish,
    show: &Arc<Show>,
    seats: &[SeatId],
    decision: Result<Decision, Error>,
) -> Result<Hold, Error> {
    match decision {
        Ok(Decision::Placed(hold)) => Ok(hold),
        Ok(Decision::Repeated(hold)) => {
            mirror::mend(app, &wish.show, seats).await;
            repeated(app, hold, wish)
        }
        Err(Error::SeatsUnavailable { unavailable: lost, .. }) => {
            mirror::mend(app, &wish.show, &lost).await;
            Err(choosing::unavailable(app, show, lost, &wish.selection).await)
        }
        // Fewer seats may fit; the other limits stand in the way of any hold.
        Err(Error::Limit(limit)) if !matches!(limit, LimitReached::SeatsAtOnce(_)) => {
            app.note_full(&wish.session, limit);
            Err(Error::Limit(limit))
        }
        Err(error) => Err(error),
    }
}

/// Changes that Redis will not carry begin a new epoch, so that every view learns of them.
pub async fn without_gate(
    app: &App,
    transaction: &Transaction<'_>,
    shows: &[&str],
) -> Result<(), postgres::Error> {
    if app.gate.available() { Ok(()) } else { epochs::next_of_all(transaction, shows).await }
}

/// The answer to a request that was answered before: the same, whatever became of the hold since.
fn repeated(app: &App, hold: Hold, wish: &Wish) -> Result<Hold, Error> {
    if hold.fingerprint != wish.fingerprint() {
        return Err(Error::KeyReused);
    }
    let placed_at = hold.deadline.created_at;
    let moved = hold.deadline.extended || hold.deadline.graced;
    let deadline = if moved { Deadline::new(placed_at, &app.config.terms()) } else { hold.deadline };
    Ok(Hold { status: HoldStatus::OnHold, deadline, read_at: placed_at, ..hold })
}

/// For a session that has all it may have: the hold this key placed before, or none.
async fn repeated_or_full(app: &App, wish: &Wish, id: &HoldId, limit: LimitReached) -> Result<Hold, Error> {
    let placed = match &wish.key {
        Some(_) => holds::find(&app.connection().await?, id).await?,
        None => None,
    };
    placed.map_or(Err(Error::Limit(limit)), |hold| repeated(app, hold, wish))
}

/// A session's hold; somebody else's is as if it were not.
pub async fn find(app: &App, session: &SessionId, id: &HoldId) -> Result<Hold, Error> {
    let hold = holds::find(&app.connection().await?, id).await?;
    hold.filter(|hold| hold.session == *session).ok_or(Error::HoldNotFound)
}

/// The booking a hold became, for those who come to it late.
pub async fn booking_of(client: &impl GenericClient, id: &HoldId) -> Result<Booking, Error> {
    bookings::find_by_holds(client, &[id.as_str()]).await?.pop().ok_or(Error::HoldNotFound)
}
