//! How much is let in: mechanisms that know neither requests nor configuration and take `now` as an argument.
//! A client is held to a rate ([`rate`], [`shared`]) and to what it may have open ([`open`]). A pool lets in as many requests as
//! it can work on ([`concurrency`]); the others wait in the order of what matters ([`priority`], [`admission`]), and some are refused ([`shed`]).

pub mod admission;
pub mod concurrency;
pub mod open;
pub mod priority;
pub mod rate;
pub mod shared;
pub mod shed;
