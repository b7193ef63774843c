//! A fleet of our own to break: `scripts/run` in a directory of its own, every wire of it in our hands.
//!
//! However this ends, a signal and a panic included, the fleet is stopped; when we are killed, `scripts/run --while` stops it.

use std::process::Command;

use anyhow::Result;

use super::Settings;
use super::links::Links;
use crate::fleet::Fleet;
use crate::fleet::run::{Run, free_ports};

/// Within a block of ports: `scripts/run` puts services from 101 on and its canary at 501, and we the links above them.
const LINKS_OFFSET: u16 = 600;
const LINKS_MAX: u16 = 64;

/// Deadlines that a rehearsal can wait for; so little time to pay that some have enough of it and some have not. The environment
/// may say otherwise.
const SETTINGS: [(&str, &str); 5] = [
    ("MARQUEE_RESERVATIONS__HOLD_SECONDS", "10"),
    ("MARQUEE_RESERVATIONS__EXTENSION_SECONDS", "2"),
    ("MARQUEE_RESERVATIONS__PAYMENT_GRACE_SECONDS", "1"),
    ("MARQUEE_RESERVATIONS__ESCROW_SECONDS", "10"),
    ("MARQUEE_WAITLIST__OFFER_SECONDS", "6"),
];

/// A running fleet, and the wires between its parts.
#[derive(Debug)]
pub(super) struct Rehearsal {
    // In this order: the fleet goes while its wires are still there.
    run: Run,
    /// The fleet.
    pub(super) fleet: Fleet,
    /// Its wires.
    pub(super) links: Links,
}

impl Rehearsal {
    /// Starts a fleet as we are told, on nothing but a fresh demo catalogue.
    pub(super) async fn start(settings: &Settings) -> Result<Self> {
        let home = settings.directory.join("fleet");
        let mut command = Command::new(&settings.run);
        let ports = free_ports(LINKS_OFFSET..LINKS_OFFSET + LINKS_MAX)?;
        command.arg("--fresh").args(["--links", &(ports + LINKS_OFFSET).to_string()]);
        if settings.observe {
            command.arg("--observe");
        }
        command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
        for (name, value) in SETTINGS {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut run = Run::start(command, ports, &home, &settings.directory.join("run.log"))?;
        run.until_exists(&home.join("links")).await?;
        let links = Links::open(&home).await?;
        run.until_exists(&home.join("fleet.env")).await?;
        Ok(Self { run, fleet: Fleet::from_directory(&home)?, links })
    }

    /// Stops everything; an error when it did not go in order.
    pub(super) fn stop(self) -> Result<()> {
        self.run.stop_in_order()
    }
}
