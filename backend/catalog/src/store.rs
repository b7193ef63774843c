//! All SQL of the catalog: one file per table, row structs and free functions that take a client.

pub mod cities;
pub mod movies;
pub mod shows;
pub mod theaters;

use service::postgres::Error;

/// The schema.
pub const SCHEMA: &str = "catalog";

/// What a store function returns.
pub type Result<T> = std::result::Result<T, Error>;
