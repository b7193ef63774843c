//! What is true about seats: types, states, rules and the event format.
//!
//! Everything here is pure: no async, no I/O, no clock, no randomness. A rule that needs the time takes it as an argument.

pub mod id;
pub mod money;
pub mod seat_map;
pub mod status;

pub mod alternatives;
pub mod best;
pub mod claim;
pub mod deadline;
pub mod hold;
pub mod limits;
pub mod mirror;
pub mod orphans;
pub mod plan;
pub mod popularity;
pub mod queue;
pub mod ticket;

pub mod event;
pub mod live;
