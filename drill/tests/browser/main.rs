//! Real headless Chromium: one browser books a seat while another one watches it go; a third waits for it and gets it; a
//! slow one asks for more time. And one keeps the balancer's status page open.
//! Needs a fleet (see `drill::fleet`), chromium and chromedriver.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod booking;
mod chromium;
mod extending;
mod page;
mod status;
mod waiting;
