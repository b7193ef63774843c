//! Drives real traffic through the balancer, as buyers do, and checks what came back.
//!
//! It knows the outside of Marquee only: HTTP, the live socket, and the event and id types. The bench alone looks inside, to
//! run the bare work of the stores beside the whole.

#[cfg(target_os = "linux")]
pub mod bench;
pub mod books;
pub mod buyer;
pub mod canary;
pub mod checker;
pub mod faults;
pub mod fleet;
pub mod history;
pub mod live;
pub mod onsale;
mod page;
pub mod pulse;
pub mod report;
#[cfg(target_os = "linux")]
pub mod rolling;
pub mod stores;
pub mod walk;
