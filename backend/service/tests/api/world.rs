//! One test's shop: its outbox, its streams, and what was measured.

use prometheus::Registry;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply};
use serde_json::{Value, json};
use service::drain::Drain;
use service::metrics::loops::Loops;
use service::outbox::{self, Bell, Waiting};
use service::postgres::{Connection, Pool};
use service::redis::Redis;
use service::stream::{self, Behind};
use testkit::stores::Stores;
use testkit::wait::until;

const TABLES: &str = "
    CREATE SCHEMA shop;
    CREATE TABLE shop.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event jsonb NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE VIEW shop.outbox_told AS
        SELECT id, at, event AS told, event->>'type' AS type, event->>'shoe_id' AS key FROM shop.outbox;";

pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) pool: Pool,
    pub(crate) registry: Registry,
    pub(crate) waiting: Waiting,
    pub(crate) behind: Behind,
    pub(crate) loops: Loops,
}

impl World {
    pub(crate) async fn fresh() -> Self {
        let stores = Stores::fresh().await;
        let pool = stores.pool();
        pool.get().await.unwrap().batch_execute(TABLES).await.unwrap();
        let registry = Registry::new();
        let (waiting, behind) = (Waiting::new(&registry, "shop"), Behind::new(&registry, "shop"));
        let loops = Loops::new(&registry);
        Self { stores, pool, registry, waiting, behind, loops }
    }

    pub(crate) async fn database(&self) -> Connection {
        self.pool.get().await.unwrap()
    }

    pub(crate) async fn redis(&self, drain: &Drain) -> Redis {
        Redis::start(&self.stores.redis(), drain).await.unwrap()
    }

    /// A connection past the program under test.
    pub(crate) async fn direct(&self) -> MultiplexedConnection {
        self.stores.redis_connection().await
    }

    pub(crate) async fn put_all(&self, events: &[Value]) {
        let mut client = self.database().await;
        let transaction = client.transaction().await.unwrap();
        outbox::put_all(&transaction, "shop", events).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Puts events and sees them leave.
    pub(crate) async fn tell(&self, events: &[Value]) {
        self.put_all(events).await;
        self.relay().await;
    }

    /// Runs the relay until the outbox is empty.
    pub(crate) async fn relay(&self) {
        let drain = Drain::default();
        let redis = self.redis(&drain).await;
        let (pool, waiting, loops) = (self.pool.clone(), self.waiting.clone(), self.loops.clone());
        drain.spawn(outbox::relay("shop", pool, redis, Bell::default(), waiting, loops, drain.clone()));
        let client = self.database().await;
        until("the outbox to be empty", async || {
            let left = client.query_one("SELECT count(*) FROM shop.outbox", &[]).await.unwrap();
            (left.get::<_, i64>(0) == 0).then_some(())
        })
        .await;
        drain.stop();
        drain.finish().await;
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        stream::keys(&self.stores.redis().prefix, "shop")
    }

    pub(crate) async fn entries(&self, key: &str) -> Vec<StreamId> {
        let range: StreamRangeReply = redis::cmd("XRANGE")
            .arg(key)
            .arg("-")
            .arg("+")
            .query_async(&mut self.direct().await)
            .await
            .unwrap();
        range.ids
    }

    /// The value of a metric, with its labels as they are printed.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = String::from_utf8(service::metrics::text(&self.registry).unwrap()).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.map(|value| value.parse().unwrap())
    }
}

pub(crate) fn event(kind: &str, shoe: &str, at: usize) -> Value {
    json!({ "type": kind, "shoe_id": shoe, "at_sale": at })
}
