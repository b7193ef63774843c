//! Everything that can go wrong for a visitor, and the one place that says how it looks from outside.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use service::postgres;
use service::problem::Problem;

use crate::listing::InvalidListing;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such film.
    #[error("there is no such film")]
    MovieNotFound,
    /// No such show.
    #[error("there is no such show")]
    ShowNotFound,
    /// No such country has theaters.
    #[error("there are no theaters in this country")]
    CountryNotFound,
    /// No such city has a list.
    #[error("there is no popular list of this city; its country has one")]
    CityNotFound,
    /// A name that several cities have.
    #[error("several cities have this name; name one by its id")]
    CityAmbiguous,
    /// What is asked of a list makes no sense.
    #[error(transparent)]
    Listing(#[from] InvalidListing),
    /// Postgres cannot be asked, or refused.
    #[error("the catalog cannot be read")]
    Postgres(#[from] postgres::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::MovieNotFound => Self::not_found("movie_not_found", detail),
            Error::ShowNotFound => Self::not_found("show_not_found", detail),
            Error::CountryNotFound => Self::not_found("country_not_found", detail),
            Error::CityNotFound => Self::not_found("city_not_found", detail),
            Error::CityAmbiguous => Self::unprocessable("city_ambiguous", detail),
            Error::Listing(invalid) => listing(&invalid, detail),
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

fn listing(invalid: &InvalidListing, detail: String) -> Problem {
    match invalid {
        InvalidListing::LimitFormat => Problem::new(StatusCode::BAD_REQUEST, "invalid_limit", detail),
        InvalidListing::LimitRange(_) => Problem::unprocessable("invalid_limit", detail),
        InvalidListing::Cursor => Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail),
        InvalidListing::Day => Problem::new(StatusCode::BAD_REQUEST, "invalid_date", detail),
        InvalidListing::QueryLength => Problem::unprocessable("query_too_long", detail),
        InvalidListing::City => Problem::unprocessable("invalid_city", detail),
        InvalidListing::Country => Problem::new(StatusCode::BAD_REQUEST, "invalid_country", detail),
        InvalidListing::Flag(_) => Problem::new(StatusCode::BAD_REQUEST, "invalid_explain", detail),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
