//! What catalog and reservations publish for us to read. A row that is not what was agreed is reported and passed over.

use deadpool_postgres::GenericClient;
use domain::id::{EntryId, EscrowId, HoldId, InvalidId, SeatId, ShowId};
use domain::money::Money;
use domain::seat_map::SeatMap;
use domain::status::HoldStatus;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::entries::Offer;

/// A screening, as far as somebody who wants to wait for it is concerned.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    /// When, compared with the database's clock.
    pub(crate) begins_at: Timestamp,
    /// That clock.
    pub(crate) now: Timestamp,
    /// For one seat.
    pub(crate) price: Money,
}

impl Show {
    /// Whether it has begun.
    pub(crate) fn begun(&self) -> bool {
        self.begins_at <= self.now
    }
}

/// The show of that id.
pub(crate) async fn show(client: &impl GenericClient, show_id: &ShowId) -> Result<Option<Show>, Error> {
    let find = "SELECT starts_at, clock_timestamp(), price_minor, currency FROM catalog_published.shows WHERE id = $1";
    let find = client.prepare_cached(find).await?;
    let row = client.query_opt(&find, &[&show_id.as_str()]).await?;
    Ok(row.as_ref().map(show_of))
}

fn show_of(row: &Row) -> Show {
    Show { begins_at: row.get(0), now: row.get(1), price: Money { amount: row.get(2), currency: row.get(3) } }
}

/// Its places, which never change.
pub(crate) async fn seat_map(
    client: &impl GenericClient,
    show_id: &ShowId,
) -> Result<Option<SeatMap>, Error> {
    let find = client.prepare_cached("SELECT seat_map FROM catalog_published.shows WHERE id = $1").await?;
    let row = client.query_opt(&find, &[&show_id.as_str()]).await?;
    let read = |row: Row| Ok(row.try_get::<_, Json<SeatMap>>(0)?.0);
    row.map(read).transpose().map_err(Error::Refused)
}

/// Seats of a show that the street cannot have.
pub(crate) async fn taken(client: &impl GenericClient, show_id: &ShowId) -> Result<Vec<String>, Error> {
    let taken = "SELECT seat_id FROM reservations_published.taken WHERE show_id = $1";
    let taken = client.prepare_cached(taken).await?;
    Ok(client.query(&taken, &[&show_id.as_str()]).await?.iter().map(|row| row.get(0)).collect())
}

/// Seats that came free and belong to the line until `expires_at`.
#[derive(Debug, Clone)]
pub(crate) struct Escrow {
    /// Which.
    pub(crate) id: EscrowId,
    /// The seats that are left of it.
    pub(crate) seats: Vec<SeatId>,
    /// Since when.
    pub(crate) created_at: Timestamp,
    /// Then they go on open sale.
    pub(crate) expires_at: Timestamp,
    /// They are kept no longer than this, whoever asks for it.
    pub(crate) bound_at: Timestamp,
}

/// The open escrows of a show, and the database's clock.
pub(crate) async fn open_escrows(
    client: &impl GenericClient,
    show_id: &ShowId,
) -> Result<(Vec<Escrow>, Timestamp), Error> {
    let open = "SELECT clock_timestamp(), p.id, p.seats, p.created_at, p.expires_at, p.bound_at
                FROM (SELECT) AS one LEFT JOIN reservations_published.escrows p ON p.show_id = $1 ORDER BY p.created_at, p.id";
    let open = client.prepare_cached(open).await?;
    let rows = client.query(&open, &[&show_id.as_str()]).await?;
    let now = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.get(0));
    let open = rows.iter().filter(|row| row.get::<_, Option<&str>>(1).is_some());
    Ok((open.filter_map(|row| agreed(escrow(row))).collect(), now))
}

/// For how many seconds the oldest of all open escrows is there; 0 when there is none.
pub(crate) async fn escrow_oldest(client: &impl GenericClient) -> Result<f64, Error> {
    let oldest = "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
                  FROM reservations_published.escrows";
    let oldest = client.prepare_cached(oldest).await?;
    Ok(client.query_one(&oldest, &[]).await?.get(0))
}

fn escrow(row: &Row) -> Result<Escrow, InvalidId> {
    let seats: Vec<&str> = row.get(2);
    Ok(Escrow {
        id: EscrowId::parse(row.get::<_, &str>(1))?,
        seats: seats.into_iter().map(SeatId::parse).collect::<Result<_, _>>()?,
        created_at: row.get(3),
        expires_at: row.get(4),
        bound_at: row.get(5),
    })
}

/// A hold of an offer that is over.
#[derive(Debug)]
pub(crate) struct EndedHold {
    /// Whose offer it was.
    pub(crate) entry_id: EntryId,
    /// Which.
    pub(crate) hold_id: HoldId,
    /// How it ended.
    pub(crate) status: HoldStatus,
}

/// Holds that are over while their entries still say offered.
pub(crate) async fn ended_holds(client: &impl GenericClient, limit: i64) -> Result<Vec<EndedHold>, Error> {
    let ended = "SELECT e.id, h.id, h.status FROM waitlist.entries e
                 JOIN reservations_published.holds h ON h.id = e.offer_hold_id
                 WHERE e.status = 'offered' AND h.status <> 'on_hold' LIMIT $1";
    let ended = client.prepare_cached(ended).await?;
    Ok(client.query(&ended, &[&limit]).await?.iter().filter_map(|row| agreed(ended_hold(row))).collect())
}

/// The hold that reservations has just placed for an entry whose offer we have not noted yet.
pub(crate) async fn placed_hold(client: &impl GenericClient, id: &EntryId) -> Result<Option<Offer>, Error> {
    let placed = "SELECT id, seats, expires_at FROM reservations_published.holds
                  WHERE entry_id = $1 AND status = 'on_hold'";
    let placed = client.prepare_cached(placed).await?;
    let row = client.query_opt(&placed, &[&id.as_str()]).await?;
    Ok(row.and_then(|row| agreed(offer(&row))))
}

fn offer(row: &Row) -> Result<Offer, InvalidId> {
    let seats: Vec<&str> = row.get(1);
    Ok(Offer {
        hold_id: HoldId::parse(row.get::<_, &str>(0))?,
        seats: seats.into_iter().map(SeatId::parse).collect::<Result<_, _>>()?,
        expires_at: row.get(2),
    })
}

fn ended_hold(row: &Row) -> Result<EndedHold, InvalidId> {
    Ok(EndedHold {
        entry_id: EntryId::parse(row.get::<_, &str>(0))?,
        hold_id: HoldId::parse(row.get::<_, &str>(1))?,
        status: HoldStatus::parse(row.get(2)).ok_or(InvalidId)?,
    })
}

fn agreed<T>(row: Result<T, InvalidId>) -> Option<T> {
    row.inspect_err(|error| tracing::error!(%error, "a published row is not what was agreed")).ok()
}
