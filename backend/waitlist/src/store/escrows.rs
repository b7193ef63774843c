//! `waitlist.escrows`: seats that came free for a line, and which of them are to go on open sale.

use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{EscrowId, SeatId, ShowId};
use jiff::{SignedDuration, Timestamp};
use service::postgres::Error;
use tokio_postgres::Row;

use super::published::Escrow;
use super::{our_seats, ours, texts};

/// What was noted of a line's escrows.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// What was decided to go on open sale.
    pub(crate) released: HashMap<EscrowId, Vec<SeatId>>,
    /// Those nobody had noted before.
    pub(crate) fresh: u64,
}

/// Notes escrows of a locked line as they are now. What an old program was putting on sale is put on sale.
pub(crate) async fn note(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    open: &[Escrow],
) -> Result<Noted, Error> {
    let note = "INSERT INTO waitlist.escrows AS e (id, show_id, seats, expires_at, status)
                SELECT id, $1, string_to_array(seats, ','), expires_at, 'done'
                FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS n (id, seats, expires_at)
                ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, status = 'done',
                    released = CASE WHEN e.status = 'clearing' THEN e.seats ELSE e.released END
                RETURNING id, released, xmax = 0";
    let note = transaction.prepare_cached(note).await?;
    let ids: Vec<_> = open.iter().map(|escrow| escrow.id.as_str()).collect();
    // A seat's id has no comma.
    let seats: Vec<_> = open.iter().map(|escrow| texts(&escrow.seats).join(",")).collect();
    let ends: Vec<_> = open.iter().map(|escrow| escrow.expires_at).collect();
    let rows = transaction.query(&note, &[&show_id.as_str(), &ids, &seats, &ends]).await?;
    let released = |row: &Row| (ours(EscrowId::parse(row.get::<_, &str>(0))), our_seats(row.get(1)));
    let fresh = rows.iter().filter(|row| row.get(2)).count() as u64;
    Ok(Noted { released: rows.iter().map(released).collect(), fresh })
}

/// Seats that came free for a line within so many seconds, and the time in which they did: less when nobody waited so long ago.
pub(crate) async fn freed_lately(
    client: &impl GenericClient,
    show_id: &ShowId,
    seconds: u32,
) -> Result<(Vec<SeatId>, SignedDuration), Error> {
    let lately = "SELECT s.since, clock_timestamp(), f.seat
                  FROM (SELECT greatest(clock_timestamp() - make_interval(secs => $2), max(opened_at)) AS since
                        FROM waitlist.shows WHERE id = $1) AS s
                  LEFT JOIN LATERAL (SELECT unnest(e.seats) AS seat FROM waitlist.escrows e
                                     WHERE e.show_id = $1 AND e.decided_at > s.since) AS f ON true";
    let lately = client.prepare_cached(lately).await?;
    let rows = client.query(&lately, &[&show_id.as_str(), &f64::from(seconds)]).await?;
    let over = |row: &Row| row.get::<_, Timestamp>(1).duration_since(row.get(0));
    let seats = rows.iter().filter_map(|row| row.get::<_, Option<&str>>(2));
    let over = rows.first().map_or(SignedDuration::ZERO, over);
    Ok((seats.map(|seat| ours(SeatId::parse(seat))).collect(), over))
}

/// Decides that seats go on open sale.
pub(crate) async fn release(
    transaction: &Transaction<'_>,
    id: &EscrowId,
    seats: &[SeatId],
) -> Result<(), Error> {
    let release = "UPDATE waitlist.escrows SET released = released || $2::text[] WHERE id = $1";
    let release = transaction.prepare_cached(release).await?;
    transaction.execute(&release, &[&id.as_str(), &texts(seats)]).await?;
    Ok(())
}

/// Shows with something to do: escrows that nobody has noted, a time that has come, or offers that nobody asks for.
pub(crate) async fn shows_due(
    client: &impl GenericClient,
    asked_within_ms: i32,
    limit: i64,
) -> Result<Vec<ShowId>, Error> {
    let due = "SELECT * FROM (
                   SELECT p.show_id FROM reservations_published.escrows p
                   WHERE NOT EXISTS (SELECT FROM waitlist.escrows o WHERE o.id = p.id AND o.status = 'done')
                   UNION
                   SELECT id FROM waitlist.shows WHERE look_at <= statement_timestamp()
                   UNION
                   SELECT e.show_id FROM waitlist.offers o JOIN waitlist.entries e ON e.id = o.entry_id
                   WHERE o.status IN ('decided', 'asked')
                   AND coalesce(o.asked_at, o.decided_at) < statement_timestamp() - $1::int * interval '1 millisecond'
               ) AS due ORDER BY random() LIMIT $2";
    let due = client.prepare_cached(due).await?;
    let rows = client.query(&due, &[&asked_within_ms, &limit]).await?;
    // A show's id that is not one would have been refused by whoever wrote the row.
    Ok(rows.iter().filter_map(|row| ShowId::parse(row.get::<_, &str>(0)).ok()).collect())
}

/// Forgets what came free long ago and gave no hold that must still be given back.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.escrows WHERE id IN (SELECT e.id FROM waitlist.escrows e
                  WHERE e.status = 'done' AND e.decided_at < clock_timestamp() - make_interval(days => $1)
                  AND NOT EXISTS (SELECT FROM waitlist.offers o WHERE o.escrow_id = e.id
                      AND o.status IN ('decided', 'asked', 'made', 'returning'))
                  LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
