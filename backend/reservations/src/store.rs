//! All SQL of reservations: one file per table, row structs and free functions that take a client.

pub mod bookings;
pub mod claims;
pub mod epochs;
pub mod escrows;
pub mod holds;
pub mod idempotency;
pub mod queues;
pub mod shows;
pub mod unsettled;

use domain::id::SeatId;
use domain::money::Money;
use service::postgres::Error;
use tokio_postgres::Row;

/// The schema, for the outbox.
pub const SCHEMA: &str = "reservations";

/// Ids that we wrote ourselves.
fn ids<T>(texts: Vec<String>, parse: impl Fn(String) -> Option<T>) -> Vec<T> {
    texts.into_iter().filter_map(parse).collect()
}

fn seats(row: &Row, column: &str) -> Vec<SeatId> {
    ids(row.get(column), |text| SeatId::parse(text).ok())
}

fn names(seats: &[SeatId]) -> Vec<&str> {
    seats.iter().map(SeatId::as_str).collect()
}

fn price(row: &Row) -> Money {
    Money { amount: row.get("price_minor"), currency: row.get("currency") }
}

/// Rows of a stored id always parse: only parsed ids are stored.
macro_rules! id {
    ($type:ty, $row:expr, $column:expr) => {
        <$type>::parse($row.get::<_, String>($column)).expect("only parsed ids are stored")
    };
}
use id;

/// What a store function returns.
pub type Result<T> = std::result::Result<T, Error>;
