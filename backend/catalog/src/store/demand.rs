//! `catalog.demand` and its state: what people did about films, added up by film and theater from what other owners publish.
//!
//! Who adds up takes what transactions wrote that are all over since the last time, by their numbers. All below the oldest that was
//! running when a snapshot was taken is seen by it, and nothing is written there any more; so nothing is missed, however late it
//! commits, and nothing taken twice. What newer transactions have committed is read besides, and not kept.

use deadpool_postgres::{GenericClient, Transaction};
use domain::popularity::{HALF_LIVES_BEHIND, Interest};
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// The views that are read.
const SOURCES: [&str; 2] = ["reservations_published.demand", "waitlist_published.demand"];
/// So that a halved sum is never too small for a number.
const TINY: f64 = 1e-100;
/// What is worth less than this is forgotten when the landmark is renewed.
const FORGOTTEN: f64 = 1e-9;

/// What Postgres had seen at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// Every transaction below this one is over.
    pub(crate) below: i64,
    /// No transaction had this number yet.
    pub(crate) next: i64,
    /// Those in between that were running.
    pub(crate) running: Vec<i64>,
}

/// What a transaction sees.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// By the database's clock.
    pub(crate) as_of: Timestamp,
    /// Whose writing it sees.
    pub(crate) snapshot: Snapshot,
    /// The views there are, as SQL; nothing when there are none.
    views: String,
}

/// How far the sums go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// What was written below is in the sums.
    pub(crate) folded_below: i64,
    /// From when on is summed.
    pub(crate) landmark: Timestamp,
    /// 0 before anything was summed.
    pub(crate) half_life_seconds: i64,
    /// Which views were read.
    pub(crate) sources: String,
    /// How often something was added.
    pub(crate) folds: i64,
    /// Whose turn it was.
    pub(crate) token: i64,
}

/// What people did about a film in a theater.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Summed {
    pub(crate) movie_id: String,
    pub(crate) theater_id: String,
    /// Whatever their age.
    pub(crate) seats: Seats,
    /// By forward decay.
    pub(crate) interest: Interest,
}

/// Seats by what was done about them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) booked: i64,
    pub(crate) held: i64,
    pub(crate) joined: i64,
}

impl Seats {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            booked: self.booked + other.booked,
            held: self.held + other.held,
            joined: self.joined + other.joined,
        }
    }
}

fn summed(row: &Row) -> Summed {
    Summed {
        movie_id: row.get("movie_id"),
        theater_id: row.get("theater_id"),
        seats: Seats {
            booked: row.get("booked_seats"),
            held: row.get("held_seats"),
            joined: row.get("joined_seats"),
        },
        interest: Interest { booked: row.get("booked"), held: row.get("held"), joined: row.get("joined") },
    }
}

/// What this transaction sees. It must be one that sees the same from its beginning to its end.
pub(crate) async fn moment(transaction: &Transaction<'_>) -> Result<Moment, Error> {
    let look =
        "SELECT clock_timestamp(), pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,
                    ARRAY(SELECT running::text::bigint FROM pg_snapshot_xip(s) AS running),
                    ARRAY(SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL)
                FROM pg_current_snapshot() AS s";
    let row = transaction.query_one(&transaction.prepare_cached(look).await?, &[&SOURCES.as_slice()]).await?;
    let snapshot = Snapshot { below: row.get(1), next: row.get(2), running: row.get(3) };
    let views: Vec<String> = row.get(4);
    Ok(Moment { as_of: row.get(0), snapshot, views: views.join(" UNION ALL TABLE ") })
}

impl Moment {
    /// The names of the views, to be compared.
    pub(crate) fn sources(&self) -> &str {
        &self.views
    }

    /// What was written from one transaction on and below another, by film and theater.
    fn facts(&self) -> String {
        let none = "(SELECT ''::text AS kind, ''::text AS show_id, 0 AS seats, now() AS at, '0'::xid8 AS written_in LIMIT 0)";
        let views = if self.views.is_empty() { none.to_owned() } else { format!("(TABLE {})", self.views) };
        format!(
            "SELECT movie_id, theater_id, count(*) AS facts,
                 coalesce(sum(seats) FILTER (WHERE kind = 'booked'), 0)::bigint AS booked_seats,
                 coalesce(sum(seats) FILTER (WHERE kind = 'held'), 0)::bigint AS held_seats,
                 coalesce(sum(seats) FILTER (WHERE kind = 'joined'), 0)::bigint AS joined_seats,
                 coalesce(sum(weight) FILTER (WHERE kind = 'booked'), 0)::float8 AS booked,
                 coalesce(sum(weight) FILTER (WHERE kind = 'held'), 0)::float8 AS held,
                 coalesce(sum(weight) FILTER (WHERE kind = 'joined'), 0)::float8 AS joined
             FROM (SELECT s.movie_id, a.theater_id, d.kind, d.seats, d.seats * power(2::float8, greatest(
                       date_part('epoch', least(d.at, $3::timestamptz) - $4::timestamptz) / $5::float8,
                       -{HALF_LIVES_BEHIND})) AS weight
                   FROM {views} AS d JOIN catalog.shows s ON s.id = d.show_id
                   JOIN catalog.auditoriums a ON a.id = s.auditorium_id
                   WHERE d.written_in >= $1::text::xid8 AND d.written_in < $2::text::xid8) AS facts
             GROUP BY movie_id, theater_id"
        )
    }
}

/// The state; locked when sums are to be added.
pub(crate) async fn state(transaction: &Transaction<'_>, lock: bool) -> Result<State, Error> {
    let lock = if lock { "FOR UPDATE" } else { "" };
    let find = format!(
        "SELECT folded_below::text::bigint, landmark, half_life_seconds, sources, folds, token
         FROM catalog.demand_state {lock}"
    );
    let row = transaction.query_one(&transaction.prepare_cached(&find).await?, &[]).await?;
    Ok(State {
        folded_below: row.get(0),
        landmark: row.get(1),
        half_life_seconds: row.get(2),
        sources: row.get(3),
        folds: row.get(4),
        token: row.get(5),
    })
}

/// Notes the state; the caller has locked it.
pub(crate) async fn note(transaction: &Transaction<'_>, state: &State) -> Result<(), Error> {
    let note = "UPDATE catalog.demand_state SET folded_below = $1::text::xid8, landmark = $2, half_life_seconds = $3,
                    sources = $4, folds = $5, token = $6";
    let values: [&(dyn ToSql + Sync); 6] = [
        &state.folded_below.to_string(),
        &state.landmark,
        &state.half_life_seconds,
        &state.sources,
        &state.folds,
        &state.token,
    ];
    transaction.execute(&transaction.prepare_cached(note).await?, &values).await?;
    Ok(())
}

/// What was added.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// How many rows of the views.
    pub(crate) facts: i64,
    /// The sums that changed, as they are now.
    pub(crate) changed: Vec<Summed>,
}

/// Adds what was written in transactions from `state.folded_below` on that are all over by now.
pub(crate) async fn fold(
    transaction: &Transaction<'_>,
    moment: &Moment,
    state: &State,
) -> Result<Folded, Error> {
    let fold = format!(
        "WITH fresh AS MATERIALIZED ({}), written AS (
             INSERT INTO catalog.demand AS old
                 (movie_id, theater_id, booked_seats, held_seats, joined_seats, booked, held, joined)
             SELECT movie_id, theater_id, booked_seats, held_seats, joined_seats, booked, held, joined FROM fresh
             ON CONFLICT (movie_id, theater_id) DO UPDATE SET
                 booked_seats = old.booked_seats + excluded.booked_seats, booked = old.booked + excluded.booked,
                 held_seats = old.held_seats + excluded.held_seats, held = old.held + excluded.held,
                 joined_seats = old.joined_seats + excluded.joined_seats, joined = old.joined + excluded.joined
             RETURNING *)
         SELECT *, (SELECT sum(facts)::bigint FROM fresh) AS facts FROM written",
        moment.facts()
    );
    let rows = query(transaction, &fold, moment, state, (state.folded_below, moment.snapshot.below)).await?;
    let facts = rows.first().map_or(0, |row| row.get("facts"));
    Ok(Folded { facts, changed: rows.iter().map(summed).collect() })
}

/// What is to be seen from a transaction on, and was not added.
pub(crate) async fn since(
    transaction: &Transaction<'_>,
    moment: &Moment,
    state: &State,
    from: i64,
) -> Result<Vec<Summed>, Error> {
    let rows = query(transaction, &moment.facts(), moment, state, (from, i64::MAX)).await?;
    Ok(rows.iter().map(summed).collect())
}

async fn query(
    transaction: &Transaction<'_>,
    statement: &str,
    moment: &Moment,
    state: &State,
    (from, below): (i64, i64),
) -> Result<Vec<Row>, Error> {
    let statement = transaction.prepare_cached(statement).await?;
    let half_life = state.half_life_seconds as f64;
    let values: [&(dyn ToSql + Sync); 5] =
        [&from.to_string(), &below.to_string(), &moment.as_of, &state.landmark, &half_life];
    Ok(transaction.query(&statement, &values).await?)
}

/// The sums of these films.
pub(crate) async fn of_films(client: &impl GenericClient, ids: &[&str]) -> Result<Vec<Summed>, Error> {
    let find = "SELECT movie_id, theater_id, booked_seats, held_seats, joined_seats, booked, held, joined
                FROM catalog.demand WHERE movie_id = ANY($1)";
    let find = client.prepare_cached(find).await?;
    Ok(client.query(&find, &[&ids]).await?.iter().map(summed).collect())
}

/// Forgets all sums, to be added up anew.
pub(crate) async fn forget(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.execute("DELETE FROM catalog.demand", &[]).await?;
    Ok(())
}

/// Halves all sums so many times, and forgets what nothing is left of.
pub(crate) async fn halve(transaction: &Transaction<'_>, times: i32) -> Result<(), Error> {
    let factor = f64::from(-times).exp2();
    let halved =
        |column: &str| format!("{column} = CASE WHEN abs({column}) < {TINY:e} THEN 0 ELSE {column} * $1 END");
    let halve =
        format!("UPDATE catalog.demand SET {}, {}, {}", halved("booked"), halved("held"), halved("joined"));
    transaction.execute(&halve, &[&factor]).await?;
    let forget = format!("DELETE FROM catalog.demand WHERE greatest(booked, held, joined) < {FORGOTTEN:e}");
    transaction.execute(&forget, &[]).await?;
    Ok(())
}

/// The next leader's fencing token.
pub(crate) async fn token(client: &impl GenericClient) -> Result<i64, Error> {
    let next = client.prepare_cached("SELECT nextval('catalog.popular_fence')").await?;
    Ok(client.query_one(&next, &[]).await?.get(0))
}
