//! `catalog_published.shows`: what we need to know of a show. The catalog owns it; we only read.

use std::sync::OnceLock;

use domain::id::ShowId;
use domain::money::Money;
use domain::plan::Plan;
use domain::seat_map::SeatMap;
use jiff::Timestamp;
use service::postgres::{Connection, Error};
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
    /// Fails where the catalog has a seat map that we cannot read.
    fn of(row: &Row) -> Result<Self> {
        let seat_map = row.try_get::<_, Json<SeatMap>>("seat_map");
        Ok(Self {
            id: id!(ShowId, row, "id"),
            movie: row.get("movie_id"),
            starts_at: row.get("starts_at"),
            price: super::price(row),
            seat_map: seat_map.map_err(|error| Error::Refused(error.into()))?.0,
            orphan_rule: row.get("orphan_rule"),
            plan: OnceLock::new(),
        })
    }

    /// Its places made ready for choosing; made once, when first asked for.
    pub fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::of(&self.seat_map))
    }
}

/// Finds shows, those of them that there are. One that cannot be read stands in no other's way.
pub async fn find(client: &Connection, shows: &[&str]) -> Result<Vec<(ShowId, Result<Show>)>> {
    let find = "SELECT id, movie_id, starts_at, price_minor, currency, seat_map, orphan_rule
                FROM catalog_published.shows WHERE id = ANY($1)";
    let rows = client.query(&client.prepare_cached(find).await?, &[&shows]).await?;
    Ok(rows.iter().map(|row| (id!(ShowId, row, "id"), Show::of(row))).collect())
}

/// Shows that have begun, for the demo's past bookings.
pub async fn past(client: &Connection) -> Result<Vec<Show>> {
    let list = "SELECT id, movie_id, starts_at, price_minor, currency, seat_map, orphan_rule
                FROM catalog_published.shows WHERE starts_at < clock_timestamp() ORDER BY starts_at, id";
    client.query(list, &[]).await?.iter().map(Show::of).collect()
}
