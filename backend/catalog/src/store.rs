//! All SQL of the catalog: one file per table, and one for what other owners publish. No rule is decided here.

pub(crate) mod cities;
pub(crate) mod demand;
pub(crate) mod movies;
pub(crate) mod records;
pub(crate) mod shows;
pub(crate) mod theaters;

use domain::id::InvalidId;

/// The schema all of it stands in.
pub(crate) const SCHEMA: &str = "catalog";

/// What our own tables hold was an id when it was written.
fn ours<T>(parsed: Result<T, InvalidId>) -> T {
    parsed.expect("only ids are written to these columns")
}
