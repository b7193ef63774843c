//! Reading the tables: one query a table, all in one transaction that sees one moment.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result};
use domain::id::{AuditoriumId, BookingId, EntryId, EscrowId, HoldId, InvalidId, SeatId, SessionId, ShowId};
use domain::seat_map::{SeatKind, SeatMap};
use domain::status::{BookingStatus, EntryStatus, HoldStatus};
use jiff::Timestamp;
use serde::de::value::Error as NoSuchWord;
use serde::de::{DeserializeOwned, IntoDeserializer};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Config, IsolationLevel, NoTls, Row, Transaction};

use super::{Booking, BookingSeat, Books, Claim, Entry, Escrow, Hold, Nanos, Offer, Queue, Show, Spot};

/// How long connecting, and the whole reading, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_mins(2);

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every row.
    Everything,
    /// What [`audit`](super::audit::audit) needs of the shows that have not begun: no holds that are over, no cancelled
    /// bookings, no lines. Small enough to be read again and again while seats are sold.
    OnSale,
}

/// A connection of its own; it ends with the client.
pub(crate) async fn connect(database_url: &str) -> Result<Client> {
    let mut config: Config = database_url.parse().context("the database's URL cannot be read")?;
    config.application_name("drill").connect_timeout(CONNECT_TIMEOUT);
    let (client, connection) =
        config.connect(NoTls).await.context("the database cannot be reached, to read the books")?;
    // Its error is the client's error too, and told there.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Reads it all as it stands at one moment.
pub(super) async fn read(client: &mut Client, scope: Scope) -> Result<Books> {
    tokio::time::timeout(READ_TIMEOUT, read_now(client, scope)).await.context("the books take too long")?
}

async fn read_now(client: &mut Client, scope: Scope) -> Result<Books> {
    let builder = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = builder.start().await?;
    // The first statement takes the snapshot, and its clock is read before anything of it could be newer.
    let now: Timestamp = transaction.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    let tables = Tables { transaction, scope };
    let mut books = Books { read_at_ns: Some(nanos(now)?), ..tables.seats().await? };
    if scope == Scope::Everything {
        books.entries = tables.rows(ENTRIES, entry).await?;
        books.offers = tables.rows(OFFERS, offer).await?;
    }
    Ok(books)
}

struct Tables<'a> {
    transaction: Transaction<'a>,
    scope: Scope,
}

/// Put behind queries of [`Scope::OnSale`].
const OF_SHOWS_ON_SALE: &str =
    " AND show_id IN (SELECT id FROM catalog_published.shows WHERE starts_at > clock_timestamp())";

const CLAIMS: &str =
    "SELECT show_id, seat_id, status, owner, token, expires_at FROM reservations.claims WHERE true";
const HOLDS: &str = "SELECT id, show_id, session_id, entry_id, seats, token, status, created_at, expires_at,
    extended, graced, ended_at FROM reservations.holds WHERE true";
const BOOKINGS: &str =
    "SELECT id, hold_id, show_id, session_id, seats, status, idempotency_key, booked_at, cancelled_at
    FROM reservations.bookings WHERE true";
const BOOKING_SEATS: &str =
    "SELECT booking_id, show_id, seat_id, live FROM reservations.booking_seats WHERE true";
const ESCROWS: &str = "SELECT id, show_id, seats, open, expires_at FROM reservations.escrows WHERE true";
const QUEUES: &str = "SELECT show_id, open FROM reservations.queues WHERE true";
/// A waitlist that knows no such wishes has no such columns.
const ENTRIES: &str = "SELECT id, seq, show_id, session_id, party, seats, status, created_at, ended_at,
    coalesce((to_jsonb(e)->>'together')::boolean, false), coalesce(to_jsonb(e)->>'kind' = 'wheelchair', false)
    FROM waitlist.entries AS e ORDER BY seq";
const OFFERS: &str =
    "SELECT seq, escrow_id, entry_id, seats, status, hold_id, decided_at FROM waitlist.offers ORDER BY seq";

impl Tables<'_> {
    /// Everything of reservations, and the shows it is about.
    async fn seats(&self) -> Result<Books> {
        let on_sale = self.scope == Scope::OnSale;
        let query = |all: &str, live: &str| {
            if on_sale { format!("{all}{live}{OF_SHOWS_ON_SALE}") } else { all.to_owned() }
        };
        let mut books = Books {
            claims: self.rows(&query(CLAIMS, ""), claim).await?,
            holds: self.rows(&query(HOLDS, " AND status = 'on_hold'"), hold).await?,
            bookings: self.rows(&query(BOOKINGS, " AND status = 'booked'"), booking).await?,
            booking_seats: self.rows(&query(BOOKING_SEATS, " AND live"), booking_seat).await?,
            escrows: self.rows(&query(ESCROWS, " AND open"), escrow).await?,
            queues: self.rows(&query(QUEUES, ""), queue).await?,
            ..Books::default()
        };
        self.add_shows(&mut books).await?;
        Ok(books)
    }

    /// The shows of which a seat was ever claimed, and the rooms they are in.
    async fn add_shows(&self, books: &mut Books) -> Result<()> {
        let mut shows: Vec<&str> = books.claims.iter().map(|claim| claim.show.as_str()).collect();
        shows.sort_unstable();
        shows.dedup();
        let find =
            "SELECT id, auditorium_id, capacity::bigint FROM catalog_published.shows WHERE id = ANY($1)";
        let rows = self.transaction.query(find, &[&shows]).await?;
        let maps = "SELECT DISTINCT ON (auditorium_id) auditorium_id, seat_map FROM catalog_published.shows
                    WHERE id = ANY($1)";
        let maps = self.transaction.query(maps, &[&shows]).await?;
        books.shows = rows.iter().map(show).collect::<Result<_>>()?;
        books.auditoriums = maps.iter().map(auditorium).collect::<Result<_>>()?;
        books.rooms = maps.iter().map(room).collect::<Result<_>>()?;
        Ok(())
    }

    async fn rows<T>(&self, query: &str, read: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
        let rows =
            self.transaction.query(query, &[]).await.with_context(|| format!("cannot read: {query}"))?;
        rows.iter().map(read).collect()
    }
}

fn show(row: &Row) -> Result<Show> {
    Ok(Show {
        show: id(row, 0, ShowId::parse)?,
        auditorium: id(row, 1, AuditoriumId::parse)?,
        capacity: usize::try_from(row.get::<_, i64>(2))?,
    })
}

fn auditorium(row: &Row) -> Result<(AuditoriumId, HashSet<SeatId>)> {
    let map: Json<SeatMap> = row.try_get(1)?;
    Ok((id(row, 0, AuditoriumId::parse)?, map.0.seats().map(|seat| seat.id.clone()).collect()))
}

fn room(row: &Row) -> Result<(AuditoriumId, HashMap<SeatId, Spot>)> {
    let map: Json<SeatMap> = row.try_get(1)?;
    let spots = map.0.seats().map(|seat| {
        let spot = Spot { x: seat.x, y: seat.y, standard: seat.kind == SeatKind::Standard };
        (seat.id.clone(), spot)
    });
    Ok((id(row, 0, AuditoriumId::parse)?, spots.collect()))
}

fn claim(row: &Row) -> Result<Claim> {
    Ok(Claim {
        show: id(row, 0, ShowId::parse)?,
        seat: id(row, 1, SeatId::parse)?,
        status: word(row, 2)?,
        owner: row.get(3),
        token: row.get(4),
        expires_at_ns: row.get::<_, Option<Timestamp>>(5).map(nanos).transpose()?,
    })
}

fn hold(row: &Row) -> Result<Hold> {
    Ok(Hold {
        hold: id(row, 0, HoldId::parse)?,
        show: id(row, 1, ShowId::parse)?,
        session: id(row, 2, SessionId::parse)?,
        entry: row.get::<_, Option<String>>(3).map(EntryId::parse).transpose()?,
        seats: seats(row, 4)?,
        token: row.get(5),
        status: word::<HoldStatus>(row, 6)?,
        created_at_ns: nanos(row.get(7))?,
        expires_at_ns: nanos(row.get(8))?,
        extended: row.get(9),
        graced: row.get(10),
        ended_at_ns: row.get::<_, Option<Timestamp>>(11).map(nanos).transpose()?,
    })
}

fn booking(row: &Row) -> Result<Booking> {
    Ok(Booking {
        booking: id(row, 0, BookingId::parse)?,
        hold: id(row, 1, HoldId::parse)?,
        show: id(row, 2, ShowId::parse)?,
        session: id(row, 3, SessionId::parse)?,
        seats: seats(row, 4)?,
        status: word::<BookingStatus>(row, 5)?,
        key: row.get(6),
        booked_at_ns: nanos(row.get(7))?,
        cancelled_at_ns: row.get::<_, Option<Timestamp>>(8).map(nanos).transpose()?,
    })
}

fn booking_seat(row: &Row) -> Result<BookingSeat> {
    Ok(BookingSeat {
        booking: id(row, 0, BookingId::parse)?,
        show: id(row, 1, ShowId::parse)?,
        seat: id(row, 2, SeatId::parse)?,
        live: row.get(3),
    })
}

fn escrow(row: &Row) -> Result<Escrow> {
    Ok(Escrow {
        escrow: id(row, 0, EscrowId::parse)?,
        show: id(row, 1, ShowId::parse)?,
        seats: seats(row, 2)?,
        open: row.get(3),
        expires_at_ns: nanos(row.get(4))?,
    })
}

fn queue(row: &Row) -> Result<Queue> {
    Ok(Queue { show: id(row, 0, ShowId::parse)?, open: row.get(1) })
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        entry: id(row, 0, EntryId::parse)?,
        seq: row.get(1),
        show: id(row, 2, ShowId::parse)?,
        session: id(row, 3, SessionId::parse)?,
        party: usize::try_from(row.get::<_, i16>(4))?,
        seats: seats(row, 5)?,
        status: word::<EntryStatus>(row, 6)?,
        created_at_ns: nanos(row.get(7))?,
        ended_at_ns: row.get::<_, Option<Timestamp>>(8).map(nanos).transpose()?,
        together: row.get(9),
        wheelchair: row.get(10),
    })
}

fn offer(row: &Row) -> Result<Offer> {
    Ok(Offer {
        seq: row.get(0),
        escrow: id(row, 1, EscrowId::parse)?,
        entry: id(row, 2, EntryId::parse)?,
        seats: seats(row, 3)?,
        status: word(row, 4)?,
        hold: row.get::<_, Option<String>>(5).map(HoldId::parse).transpose()?,
        decided_at_ns: nanos(row.get(6))?,
    })
}

fn id<T>(row: &Row, column: usize, parse: impl Fn(String) -> Result<T, InvalidId>) -> Result<T> {
    Ok(parse(row.get(column))?)
}

fn seats(row: &Row, column: usize) -> Result<Vec<SeatId>> {
    let names: Vec<String> = row.get(column);
    Ok(names.into_iter().map(SeatId::parse).collect::<Result<_, _>>()?)
}

/// A status, by its word.
fn word<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    let word: &str = row.get(column);
    let read: Result<T, NoSuchWord> = T::deserialize(word.into_deserializer());
    read.with_context(|| format!("{word:?} is no word of column {column}"))
}

fn nanos(time: Timestamp) -> Result<Nanos> {
    Ok(Nanos::try_from(time.as_nanosecond())?)
}
