//! All SQL of the waitlist: one file per table, one for lines as a whole, and one for what other owners publish. No rule is decided here.
//!
//! Whoever changes a show's line (its entries, the offers to them, its flag) first takes [`shows::lock`].

pub(crate) mod decisions;
pub(crate) mod entries;
pub(crate) mod escrows;
pub(crate) mod lines;
pub(crate) mod mails;
pub(crate) mod offers;
pub(crate) mod published;
pub(crate) mod shows;
pub(crate) mod tellings;
pub(crate) mod told;

use domain::id::{InvalidId, SeatId};

/// The schema all of it stands in.
pub(crate) const SCHEMA: &str = "waitlist";

/// What our own tables hold was an id when it was written.
fn ours<T>(parsed: Result<T, InvalidId>) -> T {
    parsed.expect("only ids are written to these columns")
}

fn our_seats(texts: Vec<String>) -> Vec<SeatId> {
    texts.into_iter().map(|text| ours(SeatId::parse(text))).collect()
}

fn texts(seats: &[SeatId]) -> Vec<&str> {
    seats.iter().map(SeatId::as_str).collect()
}
