//! One test's world: the demo catalogue, instances of the warmer, and what is in Redis.

use std::net::SocketAddr;

use cache_warmer::Config;
use service::drain::Drain;
use service::redis::Redis;
use testkit::client::Client;
use testkit::stores::Stores;
use testkit::wait;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) config: Config,
    pub(crate) redis: Redis,
    drain: Drain,
}

/// An instance.
pub(crate) struct Warmer {
    pub(crate) probe: Client,
    drain: Drain,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    pub(crate) async fn fresh() -> Self {
        let stores = Stores::fresh().await;
        let catalog = catalog::Config {
            postgres: stores.postgres(),
            redis: stores.redis(),
            ..catalog::Config::default()
        };
        catalog::migrate(&catalog).await.expect("the migrations are good");
        catalog::demo::load(&catalog).await.expect("the demo loads");
        let drain = Drain::default();
        let redis = Redis::start(&stores.redis(), &drain).await.expect("redis is named");
        let config = Config {
            interval_ms: 20,
            pause_ms_max: 50,
            // What a test does to the program is seen at once.
            program_ms: 1,
            postgres: stores.postgres(),
            redis: stores.redis(),
            ..Config::default()
        };
        Self { stores, config, redis, drain }
    }

    pub(crate) async fn start(&self) -> Warmer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        let drain = Drain::default();
        let task = tokio::spawn(cache_warmer::serve(self.config.clone(), listener, drain.clone()));
        Warmer { probe: Client::new(address), drain, task }
    }

    pub(crate) fn key(&self, rest: &str) -> String {
        format!("{}:{{popular}}:{rest}", self.redis.prefix())
    }

    /// As of when the lists are.
    pub(crate) async fn as_of(&self) -> Option<String> {
        let mut get = redis::cmd("HGET");
        get.arg(self.key("meta")).arg("as_of");
        self.redis.run(&get).await.expect("redis answers")
    }

    /// A key's text.
    pub(crate) async fn text(&self, rest: &str) -> Option<String> {
        let mut get = redis::cmd("GET");
        get.arg(self.key(rest));
        self.redis.run(&get).await.expect("redis answers")
    }

    /// How many films are on the list.
    pub(crate) async fn films(&self) -> u64 {
        let mut count = redis::cmd("ZCARD");
        count.arg(self.key("list:all"));
        self.redis.run(&count).await.expect("redis answers")
    }

    /// Waits until a list is there that is not the one of `before`.
    pub(crate) async fn newer(&self, before: Option<&str>) -> String {
        wait::until("a newer list", async || {
            self.as_of().await.filter(|as_of| Some(as_of.as_str()) != before)
        })
        .await
    }

    pub(crate) async fn delete(&self, rest: &[&str]) {
        let mut delete = redis::cmd("DEL");
        for rest in rest {
            delete.arg(self.key(rest));
        }
        self.redis.run::<()>(&delete).await.expect("redis answers");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.drain.stop();
    }
}

impl Warmer {
    /// A metric's value.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = self.probe.get("/metrics").await;
        let text = metrics.body.as_str().expect("text").to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric is there");
        line.trim().parse().expect("a number")
    }

    pub(crate) async fn rounds(&self, outcome: &str) -> f64 {
        self.metric(&format!("marquee_cache_warmer_rounds_total{{outcome=\"{outcome}\"}}")).await
    }

    /// Waits for one more round of that outcome.
    pub(crate) async fn another(&self, outcome: &str) {
        let before = self.rounds(outcome).await;
        wait::until(outcome, async || (self.rounds(outcome).await > before).then_some(())).await;
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        self.drain.stop();
        self.task.await.expect("it ends").expect("it ends well");
    }
}
