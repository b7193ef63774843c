//! One test's world: a database with a show, the stand-in, and instances of the waitlist.

use std::net::SocketAddr;

use domain::event::Event;
use domain::id::SeatId;
use domain::plan::Plan;
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};
use http::Method;
use serde_json::{Value, json};
use service::drain::Drain;
use service::metrics::loops::Loops;
use service::outbox::{self, Bell, Waiting};
use service::postgres::Pool;
use service::redis::Redis;
use service::session::{Session, SessionKeys};
use testkit::client::{Answer, Client};
use testkit::stores::Stores;
use testkit::wait;
use tokio::net::TcpListener;
use tokio_postgres::types::Json;
use waitlist::Config;

use crate::reservations::{self, Reservations};

/// The show everybody wants.
pub(crate) const SHOW: &str = "tonight";
/// Long enough for a backstop that shall never come.
pub(crate) const NEVER_MS: u64 = 3_600_000;

pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) pool: Pool,
    pub(crate) reservations: Reservations,
    pub(crate) config: Config,
    drains: Vec<Drain>,
}

impl World {
    /// A database with shows, and nobody waiting. The backstop comes often.
    pub(crate) async fn fresh() -> Self {
        let stores = Stores::fresh().await;
        let pool = stores.pool();
        let client = pool.get().await.expect("the test database answers");
        client.batch_execute(reservations::TABLES).await.expect("the tables are good");
        let shows = "CREATE SCHEMA catalog_published;
                     CREATE TABLE catalog_published.shows (id text PRIMARY KEY, starts_at timestamptz, seat_map jsonb,
                         price_minor bigint DEFAULT 1250, currency text DEFAULT 'USD', title text DEFAULT 'The Matinee',
                         theater text DEFAULT 'Grand', city text DEFAULT 'Chicago', timezone text DEFAULT 'America/Chicago')";
        client.batch_execute(shows).await.expect("the tables are good");
        let reservations = Reservations::start(pool.clone()).await;
        let config = Config {
            reservations: vec![format!("http://{}", reservations.address)],
            serve_interval_ms: 25,
            postgres: stores.postgres(),
            redis: stores.redis(),
            ..Config::default()
        };
        waitlist::migrate(&config).await.expect("the migrations are good");
        let world = Self { stores, pool, reservations, config, drains: Vec::new() };
        world.add_show(SHOW, "1 day").await;
        world
    }

    /// A show of two rows of six, and C1 to C4 for wheelchairs and a companion, that starts in `begins`.
    pub(crate) async fn add_show(&self, id: &str, begins: &str) {
        let row = |label: &str, y: u16| Row {
            label: label.to_owned(),
            seats: (1..=6)
                .map(|x| Seat {
                    id: SeatId::parse(format!("{label}{x}")).expect("an id"),
                    x,
                    y,
                    kind: SeatKind::Standard,
                })
                .collect(),
        };
        let kept = |x: u16, kind| Seat { id: SeatId::parse(format!("C{x}")).expect("an id"), x, y: 2, kind };
        let accessible =
            vec![kept(1, SeatKind::Wheelchair), kept(2, SeatKind::Companion), kept(4, SeatKind::Wheelchair)];
        let last = Row { label: "C".to_owned(), seats: accessible };
        let map = SeatMap { rows: vec![row("A", 0), row("B", 1), last] };
        let insert = "INSERT INTO catalog_published.shows (id, starts_at, seat_map) VALUES ($1, clock_timestamp() + $2::text::interval, $3)";
        self.reservations.execute(insert, &[&id, &begins, &Json(&map)]).await;
        // Sold out, as shows are that people wait for.
        let seats: Vec<_> = map.seats().map(|seat| seat.id.as_str()).collect();
        let sold = "INSERT INTO reservations_published.taken SELECT $1, unnest($2::text[])";
        self.reservations.execute(sold, &[&id, &seats]).await;
    }

    /// Seats that the street can have.
    pub(crate) async fn free(&self, show: &str, seats: &[&str]) {
        let free = "DELETE FROM reservations_published.taken WHERE show_id = $1 AND seat_id = ANY($2)";
        self.reservations.execute(free, &[&show, &seats]).await;
    }

    /// Its places.
    pub(crate) async fn plan(&self, show: &str) -> Plan {
        let client = self.pool.get().await.expect("the test database answers");
        let find = "SELECT seat_map FROM catalog_published.shows WHERE id = $1";
        let row = client.query_one(find, &[&show]).await.expect("the query is good");
        Plan::of(&row.get::<_, Json<SeatMap>>(0).0)
    }

    /// Starts one more instance.
    pub(crate) async fn start(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let drain = Drain::default();
        self.drains.push(drain.clone());
        tokio::spawn(waitlist::serve(self.config.clone(), keys(), listener, drain));
        address
    }

    /// A world with one instance.
    pub(crate) async fn with_one() -> (Self, SocketAddr) {
        let mut world = Self::fresh().await;
        let address = world.start().await;
        (world, address)
    }

    /// Stops all instances and waits until they are gone.
    pub(crate) async fn stop(&mut self) {
        for drain in self.drains.drain(..) {
            drain.stop();
            drain.finish().await;
        }
    }

    /// Tells events as reservations does: by its outbox and stream.
    pub(crate) async fn tell(&self, events: &[Event]) {
        let mut client = self.pool.get().await.expect("the test database answers");
        let transaction = client.transaction().await.expect("a transaction begins");
        outbox::put_all(&transaction, "reservations", events).await.expect("the outbox takes events");
        transaction.commit().await.expect("it commits");
        let drain = Drain::default();
        let redis = Redis::start(&self.stores.redis(), &drain).await.expect("redis is named");
        let (pool, registry) = (self.pool.clone(), prometheus::Registry::new());
        let (waiting, loops) = (Waiting::new(&registry, "reservations"), Loops::new(&registry));
        drain.spawn(outbox::relay(
            "reservations",
            pool,
            redis,
            Bell::default(),
            waiting,
            loops,
            drain.clone(),
        ));
        wait::until("the outbox to be empty", async || {
            let left = client
                .query_one("SELECT count(*) FROM reservations.outbox", &[])
                .await
                .expect("the query is good");
            (left.get::<_, i64>(0) == 0).then_some(())
        })
        .await;
        drain.stop();
        drain.finish().await;
    }

    /// Waits until nothing of an escrow is left to be decided: it was given away, put on sale, or is over.
    pub(crate) async fn served(&self, escrow: &str) {
        let client = self.pool.get().await.expect("the test database answers");
        let find = "SELECT NOT EXISTS (SELECT FROM reservations_published.escrows WHERE id = $1)
                    AND NOT EXISTS (SELECT FROM waitlist.offers WHERE escrow_id = $1 AND status IN ('decided', 'asked'))
                    FROM waitlist.escrows WHERE id = $1";
        wait::until("the escrow to be served", async || {
            client
                .query_opt(find, &[&escrow])
                .await
                .expect("the query is good")
                .is_some_and(|row| row.get(0))
                .then_some(())
        })
        .await;
    }

    /// Waits until so many escrows are taken up.
    pub(crate) async fn served_or_decided(&self, escrows: i64) {
        let client = self.pool.get().await.expect("the test database answers");
        wait::until("the escrows to be taken up", async || {
            let count = client.query_one("SELECT count(*) FROM waitlist.escrows", &[]).await;
            (count.expect("the query is good").get::<_, i64>(0) == escrows).then_some(())
        })
        .await;
    }

    /// Whether reservations keeps free seats for the show's line.
    pub(crate) async fn queue_open(&self, show: &str) -> bool {
        self.reservations.deeds().await.queues.get(show).is_some_and(|queue| queue.0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for drain in &self.drains {
            drain.stop();
        }
    }
}

fn keys() -> SessionKeys {
    SessionKeys::parse(testkit::SESSION_KEY).expect("the test key is long enough")
}

/// Somebody with a session of a known name, at any instance.
#[derive(Clone)]
pub(crate) struct Visitor {
    cookie: String,
    client: Client,
}

impl Visitor {
    pub(crate) fn new(name: &str, instance: SocketAddr) -> Self {
        let cookie = format!("session={}", keys().sign(&Session(name.into())));
        Self { cookie, client: Client::new(instance) }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str())];
        all.extend(headers);
        self.client.send(method, path, &all, body).await
    }

    pub(crate) async fn try_join(&self, show: &str, key: Option<&str>, wish: &Value) -> Answer {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        self.send(Method::POST, &format!("/api/shows/{show}/waitlist"), &headers, Some(wish)).await
    }

    /// Joins the line for any seats, and gives the entry's id.
    pub(crate) async fn join(&self, party: usize) -> String {
        let answer = self.try_join(SHOW, None, &json!({ "party": party })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.text("id").to_owned()
    }

    pub(crate) async fn entry(&self, id: &str) -> Value {
        let answer = self.send(Method::GET, &format!("/api/waitlist/{id}"), &[], None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    pub(crate) async fn leave(&self, id: &str) {
        let answer = self.send(Method::DELETE, &format!("/api/waitlist/{id}"), &[], None).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }

    /// Waits until the entry has a status.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        wait::until(&format!("entry {id} to be {status}"), async || {
            let entry = self.entry(id).await;
            (entry["status"] == status).then_some(entry)
        })
        .await
    }
}
