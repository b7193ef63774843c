//! `catalog_published.shows`: what we need to know of a show. The catalog owns it; we only read.

use std::sync::OnceLock;

use domain::id::ShowId;
use domain::money::Money;
use domain::plan::Plan;
use domain::seat_map::SeatMap;
use jiff::Timestamp;
use service::postgres::Connection;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::{Result, id};

/// One screening.
#[derive(Debug)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// The film's id, for the demo's past bookings.
    pub movie: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// For one seat.
    pub price: Money,
    /// Its places.
    pub seat_map: SeatMap,
    /// Whether the theater asks buyers not to leave a seat alone.
    pub orphan_rule: bool,
    plan: OnceLock<Plan>,
}

impl Show {
    fn of(row: &Row) -> Self {
        Self {
            id: id!(ShowId, row, "id"),
            movie: row.get("movie_id"),
            starts_at: row.get("starts_at"),
            price: super::price(row),
            seat_map: row.get::<_, Json<SeatMap>>("seat_map").0,
            orphan_rule: row.get("orphan_rule"),
            plan: OnceLock::new(),
        }
    }

    /// Its places made ready for choosing; made once, when first asked for.
    pub fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::of(&self.seat_map))
    }
}

/// Finds a show.
pub async fn find(client: &Connection, show: &ShowId) -> Result<Option<Show>> {
    let find = "SELECT id, movie_id, starts_at, price_minor, currency, seat_map, orphan_rule
                FROM catalog_published.shows WHERE id = $1";
    let find = client.prepare_cached(find).await?;
    Ok(client.query_opt(&find, &[&show.as_str()]).await?.as_ref().map(Show::of))
}

/// Shows that have begun, for the demo's past bookings.
pub async fn past(client: &Connection) -> Result<Vec<Show>> {
    let list = "SELECT id, movie_id, starts_at, price_minor, currency, seat_map, orphan_rule
                FROM catalog_published.shows WHERE starts_at < clock_timestamp() ORDER BY starts_at, id";
    Ok(client.query(list, &[]).await?.iter().map(Show::of).collect())
}
