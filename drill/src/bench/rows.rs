//! What each row of the table measures.

mod attacked;
mod cached;
mod changing;
mod holds;
mod losing;
mod popular;
mod proxied;
mod queueing;
mod sellout;
mod watching;

use anyhow::Result;

use super::block::Block;
use super::settings::{Row, Settings};

/// Measures one row.
pub async fn measure(row: Row, settings: &Settings) -> Result<Vec<Block>> {
    match row {
        Row::Proxied => proxied::measure(settings).await,
        Row::Attacked => attacked::measure(settings).await,
        Row::Cached => cached::measure(settings).await,
        Row::Changing => changing::measure(settings).await,
        Row::Holds => holds::measure(settings).await,
        Row::Losing => losing::measure(settings).await,
        Row::Sellout => sellout::measure(settings).await,
        Row::Queueing => queueing::measure(settings).await,
        Row::Watching => watching::measure(settings).await,
        Row::Popular => popular::measure(settings).await,
    }
}
