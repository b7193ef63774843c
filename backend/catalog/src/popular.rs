//! The most popular new releases: counted by the cache-warmer, kept in Redis, read by visitors in one round trip.
//!
//! A film counts as a new release by the first show of its present run in our theaters, not by `released_on`: what is new
//! is what just came to these screens (a restored classic too), many sources know no release day, and a demo catalogue
//! would have no new release a year after it was typed. It must have shows to come; in the list of a country or a city, there.
//! Its score is what people did about it (seats booked, held, waited for), weighted and decayed ([`domain::popularity`]); films of
//! one score stand by opening, newest first and those yet to open last, then by title.
//!
//! Three things keep it right and cheap. [`Folding`] adds up what Postgres' transactions wrote since the last time, so that nothing
//! reads a booking twice. [`Live`] adds what just happened to the lists in Redis, and [`gate`]'s swap knows by Postgres' own
//! snapshot what of that is in the sums already. And [`Reader`], on the visitors' side, never asks Postgres while there is a list
//! anywhere.

mod config;
mod program;
mod standings;

mod folding;
mod gate;
mod live;
mod warming;

mod age;
mod answer;
mod directory;
mod reader;

pub use answer::{Explanation, Part, Popular, Ranked};
pub use config::{PopularConfig, Weights};
pub use live::{Happened, Live};
pub use warming::{Refreshed, Unrefreshed, Warming, lease_key};

pub(crate) use age::measure;
pub(crate) use answer::Asked;
pub(crate) use reader::{Reader, Source};

/// Days without a show after which a film that comes back opens anew.
pub const RUN_PAUSE_DAYS: f64 = 10.0;
