//! What people do, in the tables of those who own them, and what it must come to: added up by brute force.

use std::collections::{BTreeMap, HashMap};

use catalog::popular::{Happened, PopularConfig};
use deadpool_postgres::Object;
use jiff::Timestamp;
use service::postgres::Pool;

/// Something somebody did.
#[derive(Debug, Clone)]
pub(crate) struct Did {
    pub(crate) kind: &'static str,
    pub(crate) show: usize,
    pub(crate) seats: i64,
    pub(crate) at: Timestamp,
    /// What it is called, when it is told of.
    pub(crate) told: Option<String>,
}

/// A show that is sold.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) id: String,
    pub(crate) movie: String,
    pub(crate) city: String,
    pub(crate) country: String,
}

/// Shows to come.
pub(crate) async fn shows(pool: &Pool) -> Vec<Show> {
    let client = pool.get().await.expect("the test database answers");
    let list = "SELECT s.id, s.movie_id, c.id, c.country FROM catalog.shows s
                JOIN catalog.auditoriums a ON a.id = s.auditorium_id JOIN catalog.theaters t ON t.id = a.theater_id
                JOIN catalog.cities c ON c.id = t.city_id WHERE s.starts_at > now() + interval '1 hour' ORDER BY s.id";
    let rows = client.query(list, &[]).await.expect("there are shows");
    let show = |row: &tokio_postgres::Row| Show {
        id: row.get(0),
        movie: row.get(1),
        city: row.get(2),
        country: row.get(3),
    };
    rows.iter().map(show).collect()
}

/// Sells seats, and returns the events that tell of it, for when the transaction is over.
pub(crate) async fn book(
    client: &Object,
    id: &str,
    show: &Show,
    seats: i64,
    age_seconds: f64,
) -> (Did, String) {
    let insert = "INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor,
                      currency, payment_reference, idempotency_key, booked_at)
                  SELECT $1, 'h' || $1, $2, 's', 'e', array_agg('A' || n), 'booked', 1, 'USD', 'p', 'i',
                      clock_timestamp() - $4::float8 * interval '1 second' FROM generate_series(1, $3::bigint) AS n RETURNING booked_at";
    let row = client.query_one(insert, &[&id, &show.id, &seats, &age_seconds]).await.expect("it is sold");
    let at: Timestamp = row.get(0);
    let seats_named = (1..=seats).map(|n| format!("\"A{n}\"")).collect::<Vec<_>>().join(",");
    let event = format!(
        r#"{{"type":"BookingConfirmed","version":1,"show_id":"{}","data":{{"booking_id":"{id}","hold_id":"h{id}",
            "session_id":"s","seats":[{seats_named}],"entry_id":null,"booked_at":"{at}"}}}}"#,
        show.id
    );
    let told = told(client, &event).await;
    (Did { kind: "booked", show: 0, seats, at, told: Some(format!("+{id}")) }, told)
}

/// Takes a sale back, as an older program does: it knows nothing of the column that says so.
pub(crate) async fn cancel(client: &Object, id: &str, show: &Show, sale: &Did) -> (Did, String) {
    let cancel = "UPDATE reservations.bookings SET status = 'cancelled', cancelled_at = clock_timestamp() WHERE id = $1";
    client.execute(cancel, &[&id]).await.expect("it is cancelled");
    let seats_named = (1..=sale.seats).map(|n| format!("\"A{n}\"")).collect::<Vec<_>>().join(",");
    let event = format!(
        r#"{{"type":"BookingCancelled","version":1,"show_id":"{}","data":{{"booking_id":"{id}","seats":[{seats_named}],
            "booked_at":"{}"}}}}"#,
        show.id, sale.at
    );
    let told = told(client, &event).await;
    (Did { seats: -sale.seats, told: Some(format!("-{id}")), ..sale.clone() }, told)
}

/// An event as the relay tells it.
async fn told(client: &Object, event: &str) -> String {
    let put = "INSERT INTO reservations.outbox (event) VALUES ($1::text::jsonb) RETURNING id";
    let id: i64 = client.query_one(put, &[&event]).await.expect("it is put").get(0);
    let tell = "SELECT (told || jsonb_build_object('id', 'reservations-' || id, 'at', at))::text
                FROM reservations.outbox_told WHERE id = $1";
    client.query_one(tell, &[&id]).await.expect("it is told").get(0)
}

/// Holds seats, or joins a line.
pub(crate) async fn interest(
    client: &Object,
    kind: &'static str,
    id: &str,
    show: &Show,
    seats: i64,
    age_seconds: f64,
) -> Did {
    let insert = if kind == "held" {
        "INSERT INTO reservations.holds (id, show_id, session_id, seats, token, status, price_minor, currency, fingerprint,
             created_at, expires_at)
         SELECT $1, $2, 's', array_agg('A' || n), 1, 'expired', 1, 'USD', 'f', clock_timestamp() - $4::float8 * interval '1 second', now()
         FROM generate_series(1, $3::bigint) AS n RETURNING created_at"
    } else {
        "WITH line AS (INSERT INTO waitlist.shows (id) VALUES ($2) ON CONFLICT DO NOTHING)
         INSERT INTO waitlist.entries (id, show_id, session_id, party, seats, joined_position, created_at)
         VALUES ($1, $2, $1, $3::bigint::smallint, '{}', 1, clock_timestamp() - $4::float8 * interval '1 second') RETURNING created_at"
    };
    let row = client.query_one(insert, &[&id, &show.id, &seats, &age_seconds]).await.expect("it is written");
    Did { kind, show: 0, seats, at: row.get(0), told: None }
}

/// Scores by film, of one place, by reading everything.
pub(crate) fn scores<'a>(
    did: impl Iterator<Item = &'a Did>,
    shows: &[Show],
    config: &PopularConfig,
    as_of: Timestamp,
    here: impl Fn(&Show) -> bool,
) -> HashMap<String, f64> {
    let mut scores: HashMap<String, f64> = HashMap::new();
    for one in did.filter(|one| here(&shows[one.show])) {
        let weight = BTreeMap::from([
            ("booked", config.weights.booked),
            ("held", config.weights.held),
            ("joined", config.weights.joined),
        ])[one.kind];
        let age_hours = as_of.duration_since(one.at).as_secs_f64() / 3_600.0;
        let worth = one.seats as f64 * weight * 0.5_f64.powf(age_hours / config.half_life_hours);
        *scores.entry(shows[one.show].movie.clone()).or_default() += worth;
    }
    scores
}

/// What a relay's event says.
pub(crate) fn heard(event: &str) -> Happened {
    Happened::read(event).expect("it is of concern")
}
