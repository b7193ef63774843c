//! What catalog and reservations publish for us to read. A row that is not what was agreed is reported and passed over.

use deadpool_postgres::GenericClient;
use domain::id::{EntryId, EscrowId, HoldId, InvalidId, SeatId, ShowId};
use domain::seat_map::SeatMap;
use domain::status::HoldStatus;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::entries::Offer;

/// A screening, as far as somebody who wants to wait for it is concerned.
#[derive(Debug)]
pub(crate) struct Show {
    /// By the database's clock.
    pub(crate) begun: bool,
    /// Its seats.
    pub(crate) seat_map: SeatMap,
}

/// The show of that id.
pub(crate) async fn show(client: &impl GenericClient, show_id: &ShowId) -> Result<Option<Show>, Error> {
    let find = "SELECT starts_at <= clock_timestamp(), seat_map FROM catalog_published.shows WHERE id = $1";
    let find = client.prepare_cached(find).await?;
    let row = client.query_opt(&find, &[&show_id.as_str()]).await?;
    let read =
        |row: Row| Ok(Show { begun: row.try_get(0)?, seat_map: row.try_get::<_, Json<SeatMap>>(1)?.0 });
    row.map(read).transpose().map_err(Error::Refused)
}

/// Seats that came free and belong to the line until `expires_at`.
#[derive(Debug, Clone)]
pub(crate) struct Escrow {
    /// Which.
    pub(crate) id: EscrowId,
    /// Of which show.
    pub(crate) show_id: ShowId,
    /// The seats.
    pub(crate) seats: Vec<SeatId>,
    /// Then they go on open sale.
    pub(crate) expires_at: Timestamp,
}

/// Open escrows that we have not finished with: those that lapse first, in any order, so that several instances mostly take
/// up different ones.
pub(crate) async fn open_escrows(client: &impl GenericClient, limit: i64) -> Result<Vec<Escrow>, Error> {
    let open =
        "SELECT * FROM (SELECT p.id, p.show_id, p.seats, p.expires_at FROM reservations_published.escrows p
                    WHERE NOT EXISTS (SELECT FROM waitlist.escrows o WHERE o.id = p.id AND o.status = 'done')
                    ORDER BY p.expires_at LIMIT $1) AS first ORDER BY random()";
    let open = client.prepare_cached(open).await?;
    Ok(client.query(&open, &[&limit]).await?.iter().filter_map(|row| agreed(escrow(row))).collect())
}

pub(super) fn escrow(row: &Row) -> Result<Escrow, InvalidId> {
    let seats: Vec<&str> = row.get(2);
    Ok(Escrow {
        id: EscrowId::parse(row.get::<_, &str>(0))?,
        show_id: ShowId::parse(row.get::<_, &str>(1))?,
        seats: seats.into_iter().map(SeatId::parse).collect::<Result<_, _>>()?,
        expires_at: row.get(3),
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
