//! Breaks a fleet on purpose while buyers are on it, and says how long it took to be whole again.

pub mod link;
