//! Everything that can go wrong for a visitor, and the one place that says how it looks from outside.

use axum::response::{IntoResponse, Response};
use domain::id::{EntryId, SeatId};
use domain::queue::wish::Impossible;
use http::StatusCode;
use serde_json::json;
use service::postgres;
use service::problem::Problem;

use crate::idempotency::InvalidKey;
use crate::wish::InvalidWish;

/// When a session may try again that has too many places in line: its own doing frees one.
const TOO_MANY_RETRY_SECONDS: u32 = 30;
/// When to try again when too many do.
const BUSY_RETRY_SECONDS: u32 = 1;
/// When to try again while reservations cannot be reached.
const UNSYNCED_RETRY_SECONDS: u32 = 1;

/// Why there is no place in line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such show.
    #[error("there is no such show")]
    ShowNotFound,
    /// Too late to wait for it.
    #[error("the show has started")]
    ShowStarted,
    /// It was taken off the program.
    #[error("the show is cancelled")]
    ShowCancelled,
    /// There is nothing to wait for.
    #[error("the show has such seats; hold some instead")]
    SeatsAvailable(Vec<Vec<SeatId>>),
    /// No such entry, or somebody else's.
    #[error("there is no such place in line, or it is not yours")]
    EntryNotFound,
    /// What is asked for can never come true.
    #[error(transparent)]
    Wish(#[from] InvalidWish),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// The key was used for something else.
    #[error("this `Idempotency-Key` was sent with another wish")]
    KeyReused,
    /// They stand in this line.
    #[error("you are in line for this show already")]
    AlreadyWaiting(EntryId),
    /// They stand in too many lines.
    #[error("you are in {0} lines, as many as one visitor may; leave one first")]
    TooManyEntries(u32),
    /// The line is as long as lines get.
    #[error("{0} are in line for this show already, and more cannot be taken")]
    LineFull(u32),
    /// More want to join than are being written.
    #[error("too many join at this moment; try again")]
    Busy,
    /// The entry is kept, but reservations does not know yet that somebody waits.
    #[error("your place in line is kept, but not certain yet; try again")]
    Unsynced(String),
    /// Postgres cannot be asked, or refused.
    #[error("the line cannot be read")]
    Postgres(#[from] postgres::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::ShowNotFound => Self::not_found("show_not_found", detail),
            Error::ShowStarted => Self::new(StatusCode::GONE, "show_started", detail),
            Error::ShowCancelled => Self::new(StatusCode::GONE, "show_cancelled", detail),
            Error::SeatsAvailable(choices) => {
                Self::new(StatusCode::CONFLICT, "seats_available", detail).with("available", json!(choices))
            }
            Error::EntryNotFound => Self::not_found("entry_not_found", detail),
            Error::Wish(InvalidWish::TooDear(price)) => {
                Self::unprocessable("price_max_too_low", detail).with("price", json!(price))
            }
            Error::Wish(invalid) => Self::unprocessable(wish_code(&invalid), detail),
            Error::Key(InvalidKey) => Self::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail),
            Error::KeyReused => Self::unprocessable("idempotency_key_reused", detail),
            Error::AlreadyWaiting(entry_id) => {
                Self::new(StatusCode::CONFLICT, "already_waiting", detail).with("entry_id", entry_id.as_str())
            }
            Error::TooManyEntries(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_entries", detail)
                .retry_after(TOO_MANY_RETRY_SECONDS),
            Error::LineFull(_) => Self::new(StatusCode::CONFLICT, "line_full", detail),
            Error::Busy => Self::unavailable(detail).retry_after(BUSY_RETRY_SECONDS),
            Error::Unsynced(source) => {
                tracing::warn!(error = %source, "a join waits for reservations");
                Self::unavailable(detail).retry_after(UNSYNCED_RETRY_SECONDS)
            }
            Error::Postgres(postgres::Error::Away(cause) | postgres::Error::Again(cause)) => {
                tracing::warn!(cause, "postgres is away");
                Self::unavailable(detail)
            }
            Error::Postgres(refused @ postgres::Error::Refused(_)) => {
                tracing::error!(error = %format!("{:#}", anyhow::Error::from(refused)), "postgres refused a statement");
                Self::internal()
            }
        }
    }
}

fn wish_code(invalid: &InvalidWish) -> &'static str {
    match invalid {
        InvalidWish::Party => "invalid_party",
        InvalidWish::TooManySeats(_) => "too_many_seats",
        InvalidWish::TooFewSeats => "too_few_seats",
        InvalidWish::DuplicateSeat(_) => "duplicate_seat",
        InvalidWish::UnknownSeat(_) | InvalidWish::Impossible(Impossible::UnknownSeat(_)) => "unknown_seat",
        InvalidWish::Impossible(Impossible::TooSmall(_)) => "auditorium_too_small",
        InvalidWish::Impossible(Impossible::NeverTogether(_)) => "never_together",
        InvalidWish::Email => "invalid_email",
        InvalidWish::NoMail => "mail_unavailable",
        InvalidWish::Kind => "invalid_kind",
        InvalidWish::PriceMax(_) => "invalid_price_max",
        InvalidWish::TooDear(_) => "price_max_too_low",
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
