//! A stand-in for reservations: its internal calls, and what it publishes as plain tables.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};
use service::postgres::Pool;
use tokio::sync::{Mutex, MutexGuard};

/// What it publishes.
pub(crate) const TABLES: &str = "
    CREATE SCHEMA reservations;
    CREATE SCHEMA reservations_published;
    CREATE TABLE reservations.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE VIEW reservations.outbox_told AS
        SELECT id, at, event AS told, event->>'type' AS type, event->>'show_id' AS key FROM reservations.outbox;
    CREATE TABLE reservations.escrows (id text PRIMARY KEY, show_id text, seats text[], expires_at timestamptz,
        created_at timestamptz DEFAULT clock_timestamp(), bound_at timestamptz);
    CREATE VIEW reservations_published.escrows AS SELECT id, show_id, seats, expires_at, created_at, bound_at
        FROM reservations.escrows WHERE cardinality(seats) > 0 AND expires_at > clock_timestamp();
    CREATE TABLE reservations_published.taken (show_id text, seat_id text);
    CREATE TABLE reservations_published.holds (id text PRIMARY KEY, show_id text, session_id text, entry_id text,
        status text, expires_at timestamptz, seats text[]);";

/// How it treats calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// As agreed.
    Well,
    /// Every call is answered 503, and nothing is done.
    Away,
    /// Offers are answered 503, and nothing is done.
    NoOffers,
    /// Offers are refused for a reason that was not agreed.
    Refusing,
    /// Offers are made, but the answer is lost.
    AnswersLost,
    /// A1 came free, for the street, right before the line was opened.
    FreesAtOpening,
}

/// What it did.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// The queue flags: open and revision.
    pub(crate) queues: HashMap<String, (bool, i64)>,
    /// Holds by escrow and entry, as they were first placed.
    offers: HashMap<(String, String), Value>,
    /// Who was offered what, in order.
    pub(crate) offered: Vec<(String, Vec<String>)>,
    /// Seats that went on open sale.
    pub(crate) on_sale: Vec<String>,
    /// Escrows that were kept for longer.
    pub(crate) kept: Vec<String>,
    /// Holds that were given back.
    pub(crate) given_back: Vec<String>,
}

/// The stand-in.
#[derive(Clone)]
pub(crate) struct Reservations {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pool: Pool,
    mood: Arc<AtomicU8>,
    deeds: Arc<Mutex<Deeds>>,
}

impl Reservations {
    pub(crate) async fn start(pool: Pool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let reservations = Self { address, pool, mood: Arc::default(), deeds: Arc::default() };
        let routes = Router::new()
            .route("/internal/shows/{id}/queue", put(queue))
            .route("/internal/escrows/{id}/offers", post(offer))
            .route("/internal/shows/{id}/offers", post(offer_gathered))
            .route("/internal/shows/{id}/escrows/keep", post(keep))
            .route("/internal/shows/{id}/escrows/release", post(release))
            .route("/internal/holds/{id}", delete(give_back))
            .with_state(reservations.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        reservations
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }

    pub(crate) async fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.deeds.lock().await
    }

    /// Seats come free while people wait.
    pub(crate) async fn escrow(&self, id: &str, show: &str, seats: &[&str], seconds: i32) {
        let insert = "INSERT INTO reservations.escrows (id, show_id, seats, expires_at, bound_at)
                      SELECT $1, $2, $3, now + make_interval(secs => $4), now + make_interval(secs => $4 + 60)
                      FROM clock_timestamp() AS now";
        self.execute(insert, &[&id, &show, &seats, &f64::from(seconds)]).await;
    }

    /// A hold is over.
    pub(crate) async fn end_hold(&self, id: &str, status: &str) {
        let update = "UPDATE reservations_published.holds SET status = $2 WHERE id = $1";
        self.execute(update, &[&id, &status]).await;
    }

    pub(crate) async fn execute(
        &self,
        statement: &str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> u64 {
        let client = self.pool.get().await.expect("the test database answers");
        client.execute(statement, values).await.expect("the statement is good")
    }
}

fn away() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "code": "unavailable" }))).into_response()
}

async fn queue(
    State(me): State<Reservations>,
    Path(show): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if me.is(Mood::Away) {
        return away();
    }
    let open = body["open"].as_bool().expect("`open` is agreed");
    let revision = body["revision"].as_i64().expect("`revision` is agreed");
    if me.is(Mood::FreesAtOpening) && open {
        me.execute("DELETE FROM reservations_published.taken WHERE seat_id = 'A1'", &[]).await;
    }
    let mut deeds = me.deeds().await;
    let known = deeds.queues.entry(show).or_insert((false, 0));
    if revision > known.1 {
        *known = (open, revision);
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn offer(
    State(me): State<Reservations>,
    Path(escrow): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if me.is(Mood::Away) || me.is(Mood::NoOffers) {
        return away();
    }
    if me.is(Mood::Refusing) {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "code": "unheard_of" }))).into_response();
    }
    let seats = serde_json::from_value(body["seats"].clone()).expect("`seats` is agreed");
    place(&me, &body, vec![(escrow, seats)]).await
}

async fn offer_gathered(State(me): State<Reservations>, Json(body): Json<Value>) -> Response {
    if me.is(Mood::Away) || me.is(Mood::NoOffers) {
        return away();
    }
    place(&me, &body, parts(&body)).await
}

fn parts(body: &Value) -> Vec<(String, Vec<String>)> {
    let part = |part: &Value| {
        let escrow = part["escrow_id"].as_str().expect("`escrow_id` is agreed").to_owned();
        (escrow, serde_json::from_value(part["seats"].clone()).expect("`seats` is agreed"))
    };
    body["from"].as_array().expect("`from` is agreed").iter().map(part).collect()
}

/// Out of all the escrows, or out of none.
async fn place(me: &Reservations, body: &Value, parts: Vec<(String, Vec<String>)>) -> Response {
    let mut deeds = me.deeds().await;
    let member = |name: &str| body[name].as_str().expect("the member is agreed").to_owned();
    let (entry, session) = (member("entry_id"), member("session_id"));
    let seconds = body["seconds"].as_f64().expect("`seconds` is agreed");
    let key = (parts[0].0.clone(), entry.clone());
    let mut seats: Vec<_> = parts.iter().flat_map(|(_, seats)| seats.clone()).collect();
    seats.sort();
    if !deeds.offers.contains_key(&key) {
        let mut client = me.pool.get().await.expect("the test database answers");
        let transaction = client.transaction().await.expect("a transaction begins");
        for (escrow, seats) in &parts {
            let take = "UPDATE reservations.escrows SET seats = ARRAY(SELECT unnest(seats) EXCEPT SELECT unnest($2::text[]))
                        WHERE id = $1 AND seats @> $2 AND expires_at > clock_timestamp()";
            if transaction.execute(take, &[escrow, seats]).await.expect("the statement is good") == 0 {
                return (StatusCode::GONE, Json(json!({ "code": "escrow_gone" }))).into_response();
            }
        }
        let hold = format!("hold-{}-{}", key.0, deeds.offers.len());
        let insert = "INSERT INTO reservations_published.holds
                      SELECT $1, show_id, $2, $3, 'on_hold', clock_timestamp() + make_interval(secs => $4), $5
                      FROM reservations.escrows WHERE id = $6";
        transaction
            .execute(insert, &[&hold, &session, &entry, &seconds, &seats, &key.0])
            .await
            .expect("the statement is good");
        transaction.commit().await.expect("it commits");
        let placed = json!({ "hold_id": hold, "expires_at": "2100-01-01T00:00:00Z" });
        deeds.offers.insert(key.clone(), placed);
        deeds.offered.push((entry, seats));
    }
    if me.is(Mood::AnswersLost) {
        return away();
    }
    (StatusCode::CREATED, Json(deeds.offers[&key].clone())).into_response()
}

async fn release(State(me): State<Reservations>, Json(body): Json<Value>) -> Response {
    if me.is(Mood::Away) {
        return away();
    }
    let mut deeds = me.deeds().await;
    let client = me.pool.get().await.expect("the test database answers");
    for (escrow, seats) in parts(&body) {
        let free = "UPDATE reservations.escrows AS e SET seats = ARRAY(SELECT unnest(e.seats) EXCEPT SELECT unnest($2::text[]))
                    FROM reservations.escrows AS old WHERE e.id = $1 AND old.id = e.id
                    RETURNING ARRAY(SELECT unnest(old.seats) INTERSECT SELECT unnest($2::text[]) ORDER BY 1)";
        for row in client.query(free, &[&escrow, &seats]).await.expect("the statement is good") {
            deeds.on_sale.extend(row.get::<_, Vec<String>>(0));
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn keep(State(me): State<Reservations>, Json(body): Json<Value>) -> Response {
    if me.is(Mood::Away) {
        return away();
    }
    let ids: Vec<String> = serde_json::from_value(body["escrow_ids"].clone()).expect("it is agreed");
    let seconds = body["seconds"].as_f64().expect("`seconds` is agreed");
    let keep = "UPDATE reservations.escrows
                SET expires_at = greatest(expires_at, least(bound_at, clock_timestamp() + make_interval(secs => $2)))
                WHERE id = ANY($1) AND expires_at > clock_timestamp()";
    me.execute(keep, &[&ids, &seconds]).await;
    me.deeds().await.kept.extend(ids);
    StatusCode::NO_CONTENT.into_response()
}

async fn give_back(State(me): State<Reservations>, Path(hold): Path<String>) -> Response {
    if me.is(Mood::Away) {
        return away();
    }
    let mut deeds = me.deeds().await;
    let client = me.pool.get().await.expect("the test database answers");
    let find = "SELECT status FROM reservations_published.holds WHERE id = $1";
    let Some(row) = client.query_opt(find, &[&hold]).await.expect("the statement is good") else {
        return (StatusCode::NOT_FOUND, Json(json!({ "code": "hold_not_found" }))).into_response();
    };
    match row.get(0) {
        "booked" => (StatusCode::CONFLICT, Json(json!({ "code": "already_booked" }))).into_response(),
        "on_hold" => {
            deeds.given_back.push(hold.clone());
            me.end_hold(&hold, "released").await;
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}
