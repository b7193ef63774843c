//! Every way a request can fail, and the one place where each becomes an answer.

use axum::response::{IntoResponse, Response};
use domain::deadline::ExtensionRefused;
use domain::hold::InvalidSelection;
use domain::id::{BookingId, SeatId};
use domain::limits::LimitReached;
use http::StatusCode;
use serde_json::json;
use service::postgres;
use service::problem::Problem;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The wish cannot be granted whatever is free.
    #[error(transparent)]
    Selection(#[from] InvalidSelection),
    /// The auditorium has no such seats.
    #[error("the auditorium has no seat {}", list(.0))]
    UnknownSeats(Vec<SeatId>),
    /// No such show.
    #[error("there is no such show")]
    ShowNotFound,
    /// Too late for this show.
    #[error("the show has begun")]
    ShowStarted,
    /// Somebody was faster.
    #[error("{}", if unavailable.is_empty() { "there are not as many seats together".to_owned() } else { format!("not free any more: {}", list(unavailable)) })]
    SeatsUnavailable {
        /// What was asked for and is gone.
        unavailable: Vec<SeatId>,
        /// As many seats elsewhere.
        alternatives: Vec<Vec<SeatId>>,
    },
    /// This session has, or had, enough.
    #[error("this browser keeps as much as one may: {0}; confirm or release something first, or wait")]
    Limit(#[from] LimitReached),
    /// More is asked for than is being written.
    #[error("too many buyers at this moment; try again")]
    Busy,
    /// The theater's orphan rule.
    #[error("this leaves {} {} alone; choose seats that leave none", if seats.len() == 1 { "seat" } else { "seats" }, list(seats))]
    LeavesSingleSeat {
        /// What would be left alone.
        seats: Vec<SeatId>,
        /// As many seats that leave none, the nearest first.
        alternatives: Vec<Vec<SeatId>>,
    },
    /// No such hold, or not theirs.
    #[error("there is no such hold")]
    HoldNotFound,
    /// The deadline passed.
    #[error("the hold's time ran out")]
    HoldExpired,
    /// The deadline passed while the buyer paid, and the seats are gone.
    #[error("the hold's time ran out while you paid, and the seats are gone; nothing was charged")]
    PaidTooLate,
    /// It is not extended.
    #[error(transparent)]
    Extension(#[from] ExtensionRefused),
    /// It was given back.
    #[error("the hold was released")]
    HoldReleased,
    /// It is a booking by now.
    #[error("the hold is booked already")]
    AlreadyBooked(BookingId),
    /// Confirming needs a key.
    #[error(
        "send an `Idempotency-Key` header: any 1 to 128 printable characters, the same again when you repeat the request"
    )]
    KeyMissing,
    /// The key has the wrong form.
    #[error("`Idempotency-Key` must be 1 to 128 printable characters without spaces")]
    KeyInvalid,
    /// The key was used for another request.
    #[error("this `Idempotency-Key` was used for a different request")]
    KeyReused,
    /// The first request with this key is still at work.
    #[error("the first request with this `Idempotency-Key` is still under way")]
    KeyUnderWay,
    /// Not an address.
    #[error("`email` must be an e-mail address")]
    EmailInvalid,
    /// The provider does not know the token.
    #[error("the payment provider does not know this token")]
    PaymentTokenUnknown,
    /// The provider said no.
    #[error("the payment was declined; the seats stay yours until the hold's deadline")]
    PaymentDeclined,
    /// The provider did not answer.
    #[error("the payment provider did not answer; nothing was charged, try again")]
    PaymentUnavailable,
    /// No such booking, or not theirs.
    #[error("there is no such booking")]
    BookingNotFound,
    /// It was taken back, and its ticket with it.
    #[error("the booking was cancelled; its ticket is void")]
    BookingCancelled,
    /// Not one that the list gave.
    #[error("`cursor` is not one that this list gave; ask again without it")]
    CursorInvalid,
    /// The escrow is over, or the seats are not in it.
    #[error("the escrow is over")]
    EscrowGone,
    /// A page of somebody else's.
    #[error("pages of this origin may not open a live socket here")]
    OriginNotAllowed,
    /// No more live sockets on this server.
    #[error("too many live sockets on this server")]
    TooManySockets,
    /// Postgres is away or refused.
    #[error(transparent)]
    Store(#[from] postgres::Error),
}

fn list(seats: &[SeatId]) -> String {
    seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(", ")
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let says = |status, code| Self::new(status, code, detail.clone());
        match error {
            Error::Selection(why) => says(StatusCode::UNPROCESSABLE_ENTITY, selection_code(&why)),
            Error::UnknownSeats(seats) => {
                says(StatusCode::UNPROCESSABLE_ENTITY, "unknown_seats").with("seats", json!(seats))
            }
            Error::ShowNotFound => says(StatusCode::NOT_FOUND, "show_not_found"),
            Error::ShowStarted => says(StatusCode::GONE, "show_started"),
            Error::SeatsUnavailable { unavailable, alternatives } => {
                says(StatusCode::CONFLICT, "seats_unavailable")
                    .with("unavailable", json!(unavailable))
                    .with("alternatives", json!(alternatives))
            }
            Error::Limit(limit) => {
                let (code, seconds) = limit_code(limit);
                says(StatusCode::TOO_MANY_REQUESTS, code).retry_after(seconds)
            }
            Error::Busy => says(StatusCode::SERVICE_UNAVAILABLE, "busy").retry_after(1),
            Error::LeavesSingleSeat { seats, alternatives } => {
                says(StatusCode::UNPROCESSABLE_ENTITY, "leaves_single_seat")
                    .with("seats", json!(seats))
                    .with("alternatives", json!(alternatives))
            }
            Error::HoldNotFound => says(StatusCode::NOT_FOUND, "hold_not_found"),
            Error::HoldExpired | Error::PaidTooLate | Error::Extension(ExtensionRefused::Lapsed) => {
                says(StatusCode::GONE, "hold_expired")
            }
            Error::Extension(ExtensionRefused::NotOffered) => {
                says(StatusCode::CONFLICT, "extension_not_offered")
            }
            Error::Extension(ExtensionRefused::Used | ExtensionRefused::LifeOver) => {
                says(StatusCode::CONFLICT, "extension_used")
            }
            Error::HoldReleased => says(StatusCode::GONE, "hold_released"),
            Error::AlreadyBooked(booking) => {
                says(StatusCode::CONFLICT, "already_booked").with("booking_id", json!(booking))
            }
            Error::KeyMissing => says(StatusCode::BAD_REQUEST, "idempotency_key_missing"),
            Error::KeyInvalid => says(StatusCode::BAD_REQUEST, "idempotency_key_invalid"),
            Error::KeyReused => says(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Error::KeyUnderWay => says(StatusCode::CONFLICT, "idempotency_key_under_way"),
            Error::EmailInvalid => says(StatusCode::UNPROCESSABLE_ENTITY, "email_invalid"),
            Error::PaymentTokenUnknown => says(StatusCode::UNPROCESSABLE_ENTITY, "payment_token_unknown"),
            Error::PaymentDeclined => says(StatusCode::PAYMENT_REQUIRED, "payment_declined"),
            Error::PaymentUnavailable => {
                let away = "reservations; error=destination_unavailable; next-hop=\"payment-provider\"";
                says(StatusCode::SERVICE_UNAVAILABLE, "payment_unavailable").retry_after(2).behind(away)
            }
            Error::BookingNotFound => says(StatusCode::NOT_FOUND, "booking_not_found"),
            Error::BookingCancelled => says(StatusCode::GONE, "booking_cancelled"),
            Error::CursorInvalid => says(StatusCode::BAD_REQUEST, "invalid_cursor"),
            Error::EscrowGone => says(StatusCode::GONE, "escrow_gone"),
            Error::OriginNotAllowed => says(StatusCode::FORBIDDEN, "origin_not_allowed"),
            Error::TooManySockets => says(StatusCode::SERVICE_UNAVAILABLE, "too_many_sockets").retry_after(5),
            Error::Store(error) => store_problem(&error),
        }
    }
}

/// A limit's word, and after how many seconds another attempt may make sense.
fn limit_code(limit: LimitReached) -> (&'static str, u32) {
    match limit {
        LimitReached::HoldsAtOnce(_) => ("too_many_holds", 10),
        LimitReached::SeatsAtOnce(_) => ("too_many_seats_held", 10),
        LimitReached::HoldsPerMinute(_) => ("too_many_holds_per_minute", 20),
        LimitReached::HoldSecondsPerHour(_) => ("hold_seconds_used_up", 300),
    }
}

fn selection_code(why: &InvalidSelection) -> &'static str {
    match why {
        InvalidSelection::Empty => "no_seats",
        InvalidSelection::TooMany => "too_many_seats",
        InvalidSelection::Duplicate(_) => "duplicate_seat",
        InvalidSelection::Ambiguous => "seats_or_best",
        InvalidSelection::AccessibleSeats => "accessible_with_seats",
        InvalidSelection::NotASeat(_) => "unknown_seats",
    }
}

fn store_problem(error: &postgres::Error) -> Problem {
    match error {
        postgres::Error::Away(why) | postgres::Error::Again(why) => {
            tracing::warn!(why, "postgres is away");
            Problem::unavailable("the database is away for a moment; try again")
        }
        postgres::Error::Refused(source) => {
            tracing::error!(error = postgres::described(source), "postgres refused a statement");
            Problem::internal()
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
