//! Every Redis key of the catalog.
//!
//! | key | type | lives | written by | read by |
//! | --- | --- | --- | --- | --- |
//! | `<prefix>:popular` | sorted set: movie id by score | until swapped | cache-warmer, by [`crate::popular::swap`] | catalog |
//! | `<prefix>:popular:movies` | hash: movie id → its document | until swapped | the same | catalog |
//! | `<prefix>:popular:as_of` | string: when it was counted | until swapped | the same | catalog |
//!
//! The three are swapped together; `…:as_of` alone is a list that is known to be empty.

/// The keys of one list.
#[derive(Debug)]
pub(crate) struct PopularKeys {
    pub(crate) ranking: String,
    pub(crate) movies: String,
    pub(crate) as_of: String,
}

/// The keys of the list visitors see.
pub(crate) fn popular(prefix: &str) -> PopularKeys {
    let ranking = format!("{prefix}:popular");
    PopularKeys { movies: format!("{ranking}:movies"), as_of: format!("{ranking}:as_of"), ranking }
}
