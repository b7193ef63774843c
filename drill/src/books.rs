//! What Postgres says: the tables of reservations and of the waitlist, all as they stood at one moment.
//!
//! Services read another owner's published views and nothing else. This is the one reader that looks behind them, on
//! purpose: the views are part of what is judged, so the judge reads the tables themselves. It never writes.

pub mod audit;
pub mod ledger;
mod read;
mod rows;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use domain::id::{AuditoriumId, SeatId, ShowId};
use serde::{Deserialize, Serialize};

pub use ledger::Ledger;
pub use read::Scope;
pub(crate) use read::connect;
pub use rows::{
    Booking, BookingSeat, Claim, ClaimStatus, Entry, Escrow, Hold, Nanos, Offer, OfferStatus, Queue, Show,
    Spot,
};

/// The tables at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// When, by the database's clock; nothing when nobody has looked.
    pub read_at_ns: Option<Nanos>,
    /// The seats of each auditorium.
    pub auditoriums: HashMap<AuditoriumId, HashSet<SeatId>>,
    /// Where they are.
    #[serde(default)]
    pub rooms: HashMap<AuditoriumId, HashMap<SeatId, Spot>>,
    /// `catalog_published.shows`.
    pub shows: Vec<Show>,
    /// `reservations.claims`.
    pub claims: Vec<Claim>,
    /// `reservations.holds`.
    pub holds: Vec<Hold>,
    /// `reservations.bookings`.
    pub bookings: Vec<Booking>,
    /// `reservations.booking_seats`.
    pub booking_seats: Vec<BookingSeat>,
    /// `reservations.escrows`.
    pub escrows: Vec<Escrow>,
    /// `reservations.queues`.
    pub queues: Vec<Queue>,
    /// `waitlist.entries`.
    pub entries: Vec<Entry>,
    /// `waitlist.offers`, in the order in which they were decided.
    pub offers: Vec<Offer>,
    /// How often a [`Ledger`] looked while the run went on.
    pub samples: u64,
    /// What it found wrong.
    pub complaints: Vec<Complaint>,
}

/// Something that was wrong in the tables themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// When they stood so, by the database's clock.
    pub at_ns: Nanos,
    /// Which invariant it breaks, as DESIGN numbers them.
    pub invariant: u8,
    /// Of which show, where it is of one.
    pub show: Option<ShowId>,
    /// What is wrong.
    pub text: String,
}

impl Books {
    /// Reads all of it from a database, in one transaction.
    pub async fn read(database_url: &str) -> Result<Self> {
        let mut client = connect(database_url).await?;
        read::read(&mut client, Scope::Everything).await
    }

    /// Reads all of it when a run is over, with what its ledger saw meanwhile.
    pub async fn after(database_url: &str, ledger: Ledger) -> Result<Self> {
        let samples = ledger.samples();
        let complaints = ledger.stop().await;
        Ok(Self { samples, complaints, ..Self::read(database_url).await? })
    }

    /// Whether anybody has looked.
    pub fn known(&self) -> bool {
        self.read_at_ns.is_some()
    }

    /// What of it concerns some shows only.
    #[must_use]
    pub fn of_shows(mut self, shows: &HashSet<ShowId>) -> Self {
        self.shows.retain(|row| shows.contains(&row.show));
        self.claims.retain(|row| shows.contains(&row.show));
        self.holds.retain(|row| shows.contains(&row.show));
        self.bookings.retain(|row| shows.contains(&row.show));
        self.booking_seats.retain(|row| shows.contains(&row.show));
        self.escrows.retain(|row| shows.contains(&row.show));
        self.queues.retain(|row| shows.contains(&row.show));
        self.entries.retain(|row| shows.contains(&row.show));
        let entries: HashSet<_> = self.entries.iter().map(|row| row.entry.clone()).collect();
        self.offers.retain(|row| entries.contains(&row.entry));
        self.complaints.retain(|complaint| complaint.show.as_ref().is_none_or(|show| shows.contains(show)));
        self
    }

    /// Writes it to a file, as JSON.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut out = BufWriter::new(file);
        serde_json::to_writer(&mut out, self)?;
        Ok(out.flush()?)
    }

    /// Reads what [`Books::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} holds no books", path.display()))
    }
}
