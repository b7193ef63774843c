//! A world whose lists are kept warm by hand.

use std::time::Duration;

use catalog::popular::{PopularConfig, Refreshed, Unrefreshed, Warming, lease_key};
use serde_json::Value;
use service::drain::Drain;
use service::postgres::Pool;
use service::redis::Redis;
use testkit::client::{Answer, Client};
use testkit::wait::until;

use crate::world::{World, owners};

/// The demo catalogue with everybody's tables, and one who warms.
pub(crate) struct Warm {
    pub(crate) world: World,
    pub(crate) pool: Pool,
    pub(crate) redis: Redis,
    pub(crate) visitor: Client,
    pub(crate) leader: Leader,
    pub(crate) config: PopularConfig,
    _drain: Drain,
}

/// One who warms, and under which token.
pub(crate) struct Leader {
    pub(crate) warming: Warming,
    pub(crate) token: i64,
}

impl Warm {
    pub(crate) async fn fresh() -> Self {
        Self::with(PopularConfig::default()).await
    }

    pub(crate) async fn with(config: PopularConfig) -> Self {
        let mut world = World::demo().await;
        owners::make(&world).await;
        world.config.popular = config.clone();
        let (pool, drain) = (world.stores.pool(), Drain::default());
        let redis = Redis::start(&world.stores.redis(), &drain).await.expect("redis is named");
        let visitor = Client::new(world.start().await);
        let leader = Leader::new(&pool, &redis, &config).await;
        Self { world, pool, redis, visitor, leader, config, _drain: drain }
    }

    /// Another one, who leads from now on.
    pub(crate) async fn another(&self) -> Leader {
        Leader::new(&self.pool, &self.redis, &self.config).await
    }

    pub(crate) async fn refresh(&mut self) -> Refreshed {
        self.leader.refresh().await.expect("it is counted")
    }

    /// Waits until all that was written is older than every transaction that is open on the server, where other tests have theirs.
    pub(crate) async fn settle(&self) {
        let newest = self.world.texts("SELECT pg_current_xact_id()::text").await.remove(0);
        let older = format!("SELECT (pg_snapshot_xmin(pg_current_snapshot()) > '{newest}'::xid8)::text");
        until("older transactions to end", async || {
            (self.world.texts(&older).await == ["true"]).then_some(())
        })
        .await;
    }

    /// The whole list that a query asks for.
    pub(crate) async fn list(&self, query: &str) -> Answer {
        let answer = self.visitor.get(&format!("/api/movies/popular?limit=100{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{{popular}}:{rest}", self.redis.prefix())
    }

    pub(crate) async fn forget(&self, rest: &[&str]) {
        let mut forget = redis::cmd("DEL");
        for rest in rest {
            forget.arg(self.key(rest));
        }
        self.redis.run::<()>(&forget).await.expect("redis forgets");
    }

    /// How many lists came from where.
    pub(crate) async fn reads(&self, source: &str) -> u64 {
        reads(&self.visitor, source).await
    }
}

/// How many lists an instance had from where.
pub(crate) async fn reads(visitor: &Client, source: &str) -> u64 {
    let metrics = visitor.get("/metrics").await;
    let name = format!("marquee_catalog_popular_reads_total{{source=\"{source}\"}} ");
    let line = metrics.body.as_str().expect("text").lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().expect("a number"))
}

impl Leader {
    async fn new(pool: &Pool, redis: &Redis, config: &PopularConfig) -> Self {
        let patience = Duration::from_mins(1);
        // Whatever is done to the program by a test is seen at once.
        let warming = Warming::new(pool.clone(), redis.clone(), config.clone(), Duration::ZERO, patience);
        let token = warming.token().await.expect("the test database answers");
        let mut lead = redis::cmd("SET");
        lead.arg(lease_key(redis.prefix())).arg(token);
        redis.run::<()>(&lead).await.expect("redis answers");
        Self { warming, token }
    }

    pub(crate) async fn refresh(&mut self) -> Result<Refreshed, Unrefreshed> {
        self.warming.refresh(self.token).await
    }
}

/// Films with their scores, in order.
pub(crate) fn scores(body: &Value) -> Vec<(String, f64)> {
    let film = |film: &Value| {
        let id = film["id"].as_str().expect("an id").to_owned();
        (id, film["score"].as_f64().expect("a score"))
    };
    body["movies"].as_array().expect("a list").iter().map(film).collect()
}
