//! What all instances sign with. It comes by environment, and is never logged.

use service::session::SessionKeys;

use crate::ticket::TicketKeys;

/// The keys of a process.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// For session cookies.
    pub sessions: SessionKeys,
    /// For tickets.
    pub tickets: TicketKeys,
}

impl Secrets {
    /// From the environment; the error says which is missing or wrong, and the way out.
    pub fn from_environment() -> anyhow::Result<Self> {
        Ok(Self { sessions: SessionKeys::from_environment()?, tickets: TicketKeys::from_environment()? })
    }
}
