//! One test's world: a database, some shows, and instances of the service.

use std::net::SocketAddr;

use reservations::config::Config;
use reservations::payment::{PaymentProvider, TestProvider};
use reservations::secrets::Secrets;
use reservations::ticket::TicketKeys;
use serde_json::{Value, json};
use service::drain::Drain;
use service::postgres::Connection;
use service::session::SessionKeys;
use testkit::client::Client;
use testkit::stores::Stores;
use tokio::net::TcpListener;

/// A show of 3 rows (A–C) with 6 seats each, tomorrow.
pub(crate) const SHOW: &str = "show_1";
/// The same, begun an hour ago.
pub(crate) const BEGUN: &str = "show_begun";
pub(crate) const CAPACITY: usize = 18;

pub(crate) struct World {
    pub(crate) stores: Stores,
    /// What instances started from now on sign tickets with.
    pub(crate) ticket_keys: String,
    instances: Vec<Instance>,
}

pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
}

impl World {
    /// `count` instances with the usual configuration.
    pub(crate) async fn start(count: usize) -> Self {
        Self::with(count, |_| {}).await
    }

    /// `count` instances with the configuration changed.
    pub(crate) async fn with(count: usize, change: impl Fn(&mut Config)) -> Self {
        let stores = Stores::fresh().await;
        let mut world = Self { stores, ticket_keys: testkit::TICKET_KEY.to_owned(), instances: Vec::new() };
        let mut config = world.config();
        change(&mut config);
        reservations::migrate(&config).await.unwrap();
        world.publish_shows().await;
        for _ in 0..count {
            world.add(config.clone()).await;
        }
        world
    }

    pub(crate) fn config(&self) -> Config {
        let shipped = include_str!("../../../../configs/reservations.toml");
        let path = std::path::Path::new("configs/reservations.toml");
        Config {
            listen: ([127, 0, 0, 1], 0).into(),
            sweep_interval_ms: 50,
            sockets_max: 100,
            live: reservations::config::LiveConfig::default(),
            http: service::http::HttpConfig { drain_seconds: 0, ..service::http::HttpConfig::default() },
            postgres: self.stores.postgres(),
            redis: self.stores.redis(),
            ..service::config::parse("reservations", path, shipped, []).unwrap()
        }
    }

    /// Starts one more instance.
    pub(crate) async fn add(&mut self, config: Config) {
        self.add_with(config, Box::new(TestProvider)).await;
    }

    /// Starts one more instance with its own way to be paid.
    pub(crate) async fn add_with(&mut self, config: Config, payment: Box<dyn PaymentProvider>) {
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let (address, drain) = (listener.local_addr().unwrap(), Drain::default());
        let sessions = SessionKeys::parse(testkit::SESSION_KEY).unwrap();
        let secrets = Secrets { sessions, tickets: TicketKeys::parse(&self.ticket_keys).unwrap() };
        tokio::spawn(reservations::serve_with(config, secrets, listener, drain.clone(), payment));
        self.instances.push(Instance { address, drain });
    }

    pub(crate) fn instance(&self, at: usize) -> &Instance {
        &self.instances[at]
    }

    /// A new visitor of the first instance.
    pub(crate) fn visitor(&self) -> Client {
        self.visitor_of(0)
    }

    /// A new visitor of one instance.
    pub(crate) fn visitor_of(&self, at: usize) -> Client {
        Client::new(self.instances[at].address)
    }

    pub(crate) async fn database(&self) -> Connection {
        self.stores.pool().get().await.unwrap()
    }

    /// What the catalog would publish.
    async fn publish_shows(&self) {
        let database = self.database().await;
        let rows: Vec<Value> = ["A", "B", "C"].iter().enumerate().map(|(y, label)| row(label, y)).collect();
        let map = json!({ "rows": rows });
        database
            .batch_execute(
                "CREATE SCHEMA catalog_published;
                 CREATE TABLE catalog_published.shows (id text, movie_id text, auditorium_id text,
                    starts_at timestamptz, price_minor bigint, currency text, capacity int, seat_map jsonb,
                    orphan_rule boolean NOT NULL DEFAULT false)",
            )
            .await
            .unwrap();
        let insert = "INSERT INTO catalog_published.shows
            SELECT $1, 'movie_1', 'auditorium_1', now() + $2 * interval '1 hour', 1250, 'USD', 18, $3";
        for (show, hours) in [(SHOW, 24.0), (BEGUN, -1.0)] {
            database.execute(insert, &[&show, &hours, &map]).await.unwrap();
        }
    }

    /// A show tomorrow in a house as drawn: `o` a seat, `w` room for a wheelchair, `c` a companion's place, a space an aisle.
    pub(crate) async fn publish(&self, show: &str, drawing: &[&str], orphan_rule: bool) {
        let rows: Vec<Value> = drawing.iter().enumerate().map(|(y, line)| drawn(line, y)).collect();
        let capacity = drawing.iter().flat_map(|line| line.chars()).filter(|letter| *letter != ' ').count();
        let insert = "INSERT INTO catalog_published.shows
            SELECT $1, 'movie_1', 'auditorium_2', now() + interval '1 day', 1250, 'USD', $2, $3, $4";
        let (capacity, map) = (i32::try_from(capacity).unwrap(), json!({ "rows": rows }));
        self.database().await.execute(insert, &[&show, &capacity, &map, &orphan_rule]).await.unwrap();
    }

    /// The sum of a counter over all instances.
    pub(crate) async fn counted(&self, counter: &str) -> u64 {
        let mut sum = 0;
        for at in 0..self.instances.len() {
            let metrics = self.visitor_of(at).get("/metrics").await;
            let lines = metrics.body.as_str().unwrap().lines();
            let values =
                lines.filter_map(|line| line.strip_prefix(counter)?.rsplit(' ').next()?.parse::<u64>().ok());
            sum += values.sum::<u64>();
        }
        sum
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for instance in &self.instances {
            instance.drain.stop();
        }
    }
}

fn row(label: &str, y: usize) -> Value {
    let seats: Vec<Value> =
        (1..=6).map(|x| json!({ "id": format!("{label}{x}"), "x": x, "y": y, "kind": "standard" })).collect();
    json!({ "label": label, "seats": seats })
}

fn drawn(line: &str, y: usize) -> Value {
    let label = char::from(b'A' + y as u8);
    let places = line.chars().enumerate().filter(|(_, letter)| *letter != ' ').enumerate();
    let seats: Vec<Value> = places
        .map(|(at, (x, letter))| {
            let kind = match letter {
                'w' => "wheelchair",
                'c' => "companion",
                _ => "standard",
            };
            json!({ "id": format!("{label}{}", at + 1), "x": x, "y": y, "kind": kind })
        })
        .collect();
    json!({ "label": label, "seats": seats })
}

pub(crate) fn holds(show: &str) -> String {
    format!("/api/shows/{show}/holds")
}

pub(crate) fn seats(show: &str) -> String {
    format!("/api/shows/{show}/seats")
}

/// Holds seats of [`SHOW`] and returns the hold's id.
pub(crate) async fn hold(visitor: &Client, seats: &[&str]) -> String {
    let answer = visitor.post(&holds(SHOW), &json!({ "seats": seats })).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.text("id").to_owned()
}

/// What a confirmation says.
pub(crate) fn payment(token: &str) -> Value {
    json!({ "email": "buyer@marquee.example", "payment": { "token": token } })
}
