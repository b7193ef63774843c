//! The calls about places in line, with their request and response shapes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::hold::{Party, Seating};
use domain::id::{EntryId, HoldId, SeatId, SessionId, ShowId};
use domain::money::Money;
use domain::queue::estimate::{Estimate, NoEstimate};
use domain::status::{CloseReason, EntryStatus};
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service::json::{Json, Path, Query};
use service::postgres::Connection;
use service::problem::ProblemBody;
use service::session::Session;
use utoipa::ToSchema;

use crate::error::Error;
use crate::idempotency::Key;
use crate::joining::{self, Joined, Joining};
use crate::store::entries::{self, Entry};
use crate::store::lines;
use crate::store::published;
use crate::wish::{self, Email, InvalidWish, WHEELCHAIR, WishBody};
use crate::{Waitlist, estimating, leaving};

/// A place in line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryBody {
    id: EntryId,
    show_id: ShowId,
    party: Party,
    /// Whether they sit beside each other, in one row.
    together: bool,
    /// The only seats they want; any when empty.
    seats: Vec<SeatId>,
    /// The most that one seat may cost.
    price_max: Option<Money>,
    /// `wheelchair`, when they need a place for one.
    kind: Option<&'static str>,
    /// `left` is also what becomes of whoever passes an offer, by leaving or by giving its hold back; `closed` of whoever lets it
    /// lapse. Both may join anew, at the end of the line. An offer has one of these outcomes, or is bought: whichever the
    /// database's clock and its lock find first.
    status: EntryStatus,
    /// 1 is the front of the line; null when not waiting.
    position: Option<i64>,
    /// How long it may take until it is their turn, from what came free in this show lately that they would take; a party that
    /// sits together may wait longer.
    estimate: Option<Estimate>,
    /// Why nothing can be said while they wait.
    estimate_reason: Option<NoEstimate>,
    /// What is offered to them while `offered`.
    offer: Option<OfferBody>,
    /// Why it is `closed`.
    reason: Option<CloseReason>,
    joined_at: Timestamp,
}

/// A hold in their name, to be confirmed like any other.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferBody {
    hold_id: HoldId,
    seats: Vec<SeatId>,
    /// The hold's deadline.
    expires_at: Timestamp,
}

/// Several places in line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntriesBody {
    /// Oldest first.
    entries: Vec<EntryBody>,
}

/// Which of my places in line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MineQuery {
    /// Only in this show's.
    show: Option<String>,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        let offer = entry.offer.filter(|_| entry.status == EntryStatus::Offered);
        Self {
            id: entry.id,
            show_id: entry.show_id,
            party: entry.wish.party,
            together: entry.wish.together,
            seats: entry.wish.seats,
            price_max: entry.wish.price_max,
            kind: (entry.wish.seating == Seating::Accessible).then_some(WHEELCHAIR),
            status: entry.status,
            position: entry.position,
            estimate: None,
            estimate_reason: None,
            offer: offer.map(|offer| OfferBody {
                hold_id: offer.hold_id,
                seats: offer.seats,
                expires_at: offer.expires_at,
            }),
            reason: entry.closed.filter(|_| entry.status == EntryStatus::Closed),
            joined_at: entry.joined_at,
        }
    }
}

/// Join the line of a show.
#[utoipa::path(
    post,
    path = "/api/shows/{id}/waitlist",
    operation_id = "join_waitlist",
    tag = "waitlist",
    params(
        ("id" = String, Path, description = "The show."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable characters: a repeat gets the same answer."),
    ),
    request_body = WishBody,
    responses(
        (status = 200, description = "In this line for the same already: the entry as it is.", body = EntryBody),
        (status = 201, description = "In line.", body = EntryBody, headers(("Location" = String, description = "The entry."))),
        (status = 400, description = "`malformed_json`, `invalid_idempotency_key`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`show_not_found`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`seats_available`, with `available`: lists of seats that would do, the best first; `already_waiting` for something else, with `entry_id`; `line_full`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "`show_started`, `show_cancelled`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_party`, `unknown_seat`, `duplicate_seat`, `too_few_seats`, `too_many_seats`, `auditorium_too_small`, `never_together`, `invalid_kind`, `invalid_email`, `mail_unavailable`, `invalid_price_max`, `price_max_too_low` with `price`, `idempotency_key_reused`, `invalid_body`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_entries`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`; with the same `Idempotency-Key` a repeat is safe.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn join(
    State(waitlist): State<Arc<Waitlist>>,
    session: Session,
    Path(show): Path<String>,
    headers: HeaderMap,
    Json(body): Json<WishBody>,
) -> Result<Response, Error> {
    let key = Key::find(&headers)?;
    let wish = wish::parse(&body, waitlist.config.wanted_seats_max)?;
    let email = body.email.as_deref().map(Email::parse).transpose()?;
    if email.is_some() && !waitlist.mail.works() {
        return Err(InvalidWish::NoMail.into());
    }
    let show_id = ShowId::parse(show).map_err(|_| Error::ShowNotFound)?;
    let joining = Joining { show_id, session_id: session_id(&session), wish, email, key };
    let joined = joining::join(&waitlist, joining).await;
    waitlist.metrics.joined(joined.is_ok());
    let (status, body) = match joined? {
        // Nothing is read for it: many come at once, and a repeated request gets the same.
        Joined::New(entry) => (StatusCode::CREATED, entry.into()),
        Joined::Before(entry) => {
            (StatusCode::OK, as_now(&waitlist, &waitlist.connection().await?, entry).await?)
        }
    };
    let location = [(header::LOCATION, format!("/api/waitlist/{}", body.id))];
    Ok((status, location, axum::Json(body)).into_response())
}

/// My live places in line.
#[utoipa::path(
    get,
    path = "/api/waitlist",
    operation_id = "my_waitlist_entries",
    tag = "waitlist",
    params(("show" = Option<String>, Query, description = "Only in this show's line.")),
    responses((status = 200, description = "Mine, oldest first.", body = EntriesBody)),
)]
pub(crate) async fn mine(
    State(waitlist): State<Arc<Waitlist>>,
    session: Session,
    Query(query): Query<MineQuery>,
) -> Result<axum::Json<EntriesBody>, Error> {
    let show_id = query.show.map(ShowId::parse).transpose();
    let Ok(show_id) = show_id else { return Ok(axum::Json(EntriesBody { entries: Vec::new() })) };
    let limit = i64::from(waitlist.config.session_entries_max);
    let connection = waitlist.connection().await?;
    let mine = entries::live_of_session(&connection, &session_id(&session), show_id.as_ref(), limit).await?;
    let mut entries = Vec::with_capacity(mine.len());
    for entry in mine {
        entries.push(as_now(&waitlist, &connection, entry).await?);
    }
    Ok(axum::Json(EntriesBody { entries }))
}

/// One of my places in line.
#[utoipa::path(
    get,
    path = "/api/waitlist/{id}",
    operation_id = "waitlist_entry",
    tag = "waitlist",
    params(("id" = String, Path, description = "The entry.")),
    responses(
        (status = 200, description = "The entry, live or over.", body = EntryBody),
        (status = 404, description = "`entry_not_found`.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn read(
    State(waitlist): State<Arc<Waitlist>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<axum::Json<EntryBody>, Error> {
    let id = EntryId::parse(id).map_err(|_| Error::EntryNotFound)?;
    let connection = waitlist.connection().await?;
    let entry = entries::find_mine(&connection, &id, &session_id(&session)).await?;
    Ok(axum::Json(as_now(&waitlist, &connection, entry.ok_or(Error::EntryNotFound)?).await?))
}

/// An entry with all that can be said of it at this moment.
pub(crate) async fn as_now(
    waitlist: &Waitlist,
    connection: &Connection,
    entry: Entry,
) -> Result<EntryBody, Error> {
    let entry = as_placed(connection, entry).await?;
    let (waits, wish) = (entry.status == EntryStatus::Waiting, entry.wish.clone());
    let mut body = EntryBody::from(entry);
    if waits && let Some(lately) = estimating::lately(waitlist, connection, &body.show_id).await? {
        match lately.estimate(&wish, lines::seats_up_to(connection, &body.id).await?) {
            Ok(estimate) => body.estimate = Some(estimate),
            Err(reason) => body.estimate_reason = Some(reason),
        }
    }
    Ok(body)
}

/// The socket may tell of an offer a moment before we have noted it; who then looks here shall find it.
async fn as_placed(connection: &Connection, entry: Entry) -> Result<Entry, Error> {
    if !entry.chosen {
        return Ok(entry);
    }
    Ok(match published::placed_hold(connection, &entry.id).await? {
        Some(offer) => Entry { status: EntryStatus::Offered, position: None, offer: Some(offer), ..entry },
        None => entry,
    })
}

/// Leave a line; an offer made to me goes to the next.
#[utoipa::path(
    delete,
    path = "/api/waitlist/{id}",
    operation_id = "leave_waitlist",
    tag = "waitlist",
    params(("id" = String, Path, description = "The entry.")),
    responses(
        (status = 204, description = "Out of the line, now or before."),
        (status = 404, description = "`entry_not_found`.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn leave(
    State(waitlist): State<Arc<Waitlist>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = EntryId::parse(id).map_err(|_| Error::EntryNotFound)?;
    leaving::leave(&waitlist, &id, &session_id(&session)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn session_id(session: &Session) -> SessionId {
    SessionId::parse(&session.0).expect("only our own signature lets a session in, and we sign plain ids")
}
