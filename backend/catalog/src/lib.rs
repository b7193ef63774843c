//! Owner of movies, theaters, auditoriums, shows, the popular list and the web pages.

pub mod names;
pub mod store;
