//! `/api/shows/{id}/holds`, `/api/holds/{id}` and its confirmation.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::hold::Selection;
use domain::id::{HoldId, SeatId, ShowId};
use domain::money::Money;
use domain::status::HoldStatus;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service::json::{Json, Path};
use service::problem::{Problem, ProblemBody};
use service::request::detached;
use service::session::Session;
use tokio::time::Instant;

use crate::app::App;
use crate::bookings::body::BookingBody;
use crate::confirming::{self, Confirmation, Kept};
use crate::context::{Context, PRIVATE, whose};
use crate::error::Error;
use crate::placing::{self, Wish};
use crate::store::holds::Hold;
use crate::{extending, freeing};

/// The longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 128;
/// The longest e-mail address (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// Which seats: either by name or as many of the best as there are people.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceBody {
    /// 1 to 10 distinct seats.
    #[schema(min_items = 1, max_items = 10, example = json!(["A1", "A2"]))]
    seats: Option<Vec<String>>,
    /// 1 to 10 adjacent seats of our choice: central, towards the back, and leaving no single seat where that can be.
    #[schema(minimum = 1, maximum = 10)]
    best: Option<usize>,
    /// With `best`: one of them is room for a wheelchair, with the companion's place beside it where there is one. Without
    /// it those places are never chosen. Not with `seats`, which may name them.
    accessible: Option<bool>,
}

/// A hold as its buyer sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HoldBody {
    id: HoldId,
    show_id: ShowId,
    seats: Vec<SeatId>,
    status: HoldStatus,
    /// Confirm before this.
    expires_at: Timestamp,
    /// Whether its buyer may extend it (`POST …/extend`), as it is now.
    extendable: bool,
    /// For all seats together.
    price: Money,
}

impl HoldBody {
    fn of(app: &App, hold: &Hold) -> Self {
        let terms = app.config.terms();
        Self {
            extendable: hold.status == HoldStatus::OnHold && hold.deadline.extendable(hold.read_at, &terms),
            id: hold.id.clone(),
            show_id: hold.show.clone(),
            seats: hold.seats.clone(),
            status: hold.status,
            expires_at: hold.deadline.expires_at,
            price: hold.price.clone(),
        }
    }
}

/// Keeps seats for this browser for about five minutes: all or none.
#[utoipa::path(
    post, path = "/api/shows/{id}/holds", tag = "holds", request_body = PlaceBody,
    params(("id" = String, Path, description = "The show."), ("Idempotency-Key" = Option<String>, Header, description = "The same key repeats the first answer.")),
    responses(
        (status = 201, body = HoldBody, description = "Held.", headers(("Location" = String))),
        (status = 404, body = ProblemBody, description = "`show_not_found`"),
        (status = 409, body = ProblemBody, description = "`seats_unavailable`, with `unavailable` (of the seats asked for, those that are not free) and `alternatives` (free right now: lists of as many seats, each of which can be sent as `seats`; a party is split where nothing is free together)"),
        (status = 410, body = ProblemBody, description = "`show_started`"),
        (status = 422, body = ProblemBody, description = "`no_seats`, `too_many_seats`, `duplicate_seat`, `unknown_seats`, `seats_or_best`, `accessible_with_seats`, `idempotency_key_reused`, and where the theater asks for it `leaves_single_seat`, with `seats` (left alone) and `alternatives` (as many, leaving none)"),
        (status = 429, body = ProblemBody, description = "`too_many_holds`, `too_many_seats_held`, `too_many_holds_per_minute`, `hold_seconds_used_up`"),
    )
)]
pub(crate) async fn place(
    State(state): State<Context>,
    session: Session,
    Path(show): Path<ShowId>,
    headers: HeaderMap,
    Json(body): Json<PlaceBody>,
) -> Result<Response, Problem> {
    let selection =
        Selection::parse(body.seats.as_deref(), body.best, body.accessible).map_err(Error::from)?;
    let until = Instant::now() + state.app.config.http.request_timeout();
    let wish = Wish { session: whose(&session)?, show, selection, key: key(&headers)?, until };
    let app = Arc::clone(&state.app);
    let hold =
        detached(state.drain.clone(), async move { placing::place(&state.app, &wish).await }).await??;
    let location =
        HeaderValue::from_str(&format!("/api/holds/{}", hold.id)).map_err(|_| Problem::internal())?;
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, PRIVATE)];
    Ok((StatusCode::CREATED, headers, axum::Json(HoldBody::of(&app, &hold))).into_response())
}

/// A hold of this browser.
#[utoipa::path(
    get, path = "/api/holds/{id}", tag = "holds", params(("id" = String, Path, description = "The hold.")),
    responses((status = 200, body = HoldBody, description = "The hold, also when it is over."), (status = 404, body = ProblemBody, description = "`hold_not_found`"))
)]
pub(crate) async fn find(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<HoldId>,
) -> Result<Response, Problem> {
    let hold = placing::find(&state.app, &whose(&session)?, &id).await?;
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(HoldBody::of(&state.app, &hold))).into_response())
}

/// Gives a hold more time, once, where that is offered.
#[utoipa::path(
    post, path = "/api/holds/{id}/extend", tag = "holds", 
    params(("id" = String, Path, description = "The hold."), ("Idempotency-Key" = Option<String>, Header, description = "The same key repeats the first answer.")),
    responses(
        (status = 200, body = HoldBody, description = "The hold with its new deadline."),
        (status = 404, body = ProblemBody, description = "`hold_not_found`"),
        (status = 409, body = ProblemBody, description = "`extension_used`, `extension_not_offered`, `already_booked`"),
        (status = 410, body = ProblemBody, description = "`hold_expired`, `hold_released`"),
    )
)]
pub(crate) async fn extend(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<HoldId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (app, session, key) = (Arc::clone(&state.app), whose(&session)?, key(&headers)?);
    let hold = detached(state.drain.clone(), async move {
        extending::extend(&state.app, &session, &id, key.as_deref()).await
    })
    .await??;
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(HoldBody::of(&app, &hold))).into_response())
}

/// Gives a hold back. One that is over already stays as it is.
#[utoipa::path(
    delete, path = "/api/holds/{id}", tag = "holds", params(("id" = String, Path, description = "The hold.")),
    responses((status = 204, description = "Released."), (status = 404, body = ProblemBody, description = "`hold_not_found`"), (status = 409, body = ProblemBody, description = "`already_booked`"))
)]
pub(crate) async fn release(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<HoldId>,
) -> Result<StatusCode, Problem> {
    let session = whose(&session)?;
    detached(state.drain.clone(), async move {
        let hold = placing::find(&state.app, &session, &id).await?;
        freeing::release(&state.app, &hold.id).await
    })
    .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Who pays, and how.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmBody {
    /// Where the ticket goes.
    #[schema(max_length = 254)]
    email: String,
    payment: PaymentBody,
}

/// What the buyer's browser got from the payment provider.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentBody {
    /// With the built-in test provider: `ok`, `slow_` and milliseconds, `declined` or `timeout`.
    token: String,
}

/// Pays and books. Repeated with the same `Idempotency-Key` it has one effect and gives one answer.
#[utoipa::path(
    post, path = "/api/holds/{id}/confirm", tag = "holds", request_body = ConfirmBody,
    params(("id" = String, Path, description = "The hold."), ("Idempotency-Key" = String, Header, description = "1 to 128 printable characters.")),
    responses(
        (status = 201, body = BookingBody, description = "Booked."),
        (status = 400, body = ProblemBody, description = "`idempotency_key_missing`, `idempotency_key_invalid`"),
        (status = 402, body = ProblemBody, description = "`payment_declined`"),
        (status = 404, body = ProblemBody, description = "`hold_not_found`"),
        (status = 409, body = ProblemBody, description = "`already_booked`, `idempotency_key_under_way`"),
        (status = 410, body = ProblemBody, description = "`hold_expired`, `hold_released`"),
        (status = 422, body = ProblemBody, description = "`idempotency_key_reused`, `email_invalid`, `payment_token_unknown`"),
        (status = 503, body = ProblemBody, description = "`payment_unavailable`"),
    )
)]
pub(crate) async fn confirm(
    State(state): State<Context>,
    session: Session,
    Path(hold): Path<HoldId>,
    headers: HeaderMap,
    Json(body): Json<ConfirmBody>,
) -> Result<Response, Problem> {
    let key = key(&headers)?.ok_or(Error::KeyMissing)?;
    let email = email(body.email)?;
    let session = whose(&session)?;
    let confirmation = Confirmation { session, hold, key, email, token: body.payment.token };
    let Kept { status, body } =
        detached(state.drain.clone(), async move { confirming::confirm(&state.app, &confirmation).await })
            .await??;
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, PRIVATE)];
    Ok((status, headers, body.to_string()).into_response())
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let printable = |text: &&str| {
        !text.is_empty() && text.len() <= KEY_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    value.to_str().ok().filter(printable).map(|text| Some(text.to_owned())).ok_or(Error::KeyInvalid)
}

/// Whether it is one is for the mail server to say; this refuses what cannot be.
fn email(text: String) -> Result<String, Error> {
    let parts = text.rsplit_once('@');
    let plausible = parts.is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    let plain =
        text.len() <= EMAIL_BYTES_MAX && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if plausible && plain { Ok(text) } else { Err(Error::EmailInvalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for good in ["a@b.example", "first.last+tag@sub.domain.example"] {
            assert!(email(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "@b.example", "a@b", "a@.b", "a@b.", "a b@c.example", "a\n@b.example"] {
            assert!(email(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_printable_and_bounded() {
        let with = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_bytes(value).unwrap());
            key(&headers)
        };
        assert!(matches!(key(&HeaderMap::new()), Ok(None)));
        assert!(matches!(with(b"k-1"), Ok(Some(key)) if key == "k-1"));
        for bad in [&b""[..], b"a b", "\u{e4}".as_bytes(), &[b'k'; KEY_BYTES_MAX + 1]] {
            assert!(matches!(with(bad), Err(Error::KeyInvalid)));
        }
    }
}
