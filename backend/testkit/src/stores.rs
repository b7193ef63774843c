//! One test's own database and Redis namespace.

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use service::postgres::{Pool, PostgresConfig, pool};
use service::redis::RedisConfig;
use tokio_postgres::NoTls;

use crate::wire::Wire;

/// Connections per process under test: many tests run at once against one server.
const CONNECTIONS_MAX: usize = 8;
/// Where Postgres listens when nobody says otherwise.
const POSTGRES_PORT: u16 = 5432;

/// A test's stores. The database goes when this is dropped.
#[derive(Debug)]
pub struct Stores {
    name: String,
    server_url: String,
    redis_url: String,
}

impl Stores {
    /// Creates a database of a new name.
    ///
    /// # Panics
    /// When the servers are not named or do not answer: the test cannot run.
    pub async fn fresh() -> Self {
        let server_url = variable("MARQUEE_TEST_DATABASE_URL");
        let redis_url = variable("MARQUEE_TEST_REDIS_URL");
        let stores = Self { name: format!("test_{}", uuid::Uuid::new_v4().simple()), server_url, redis_url };
        execute(&stores.server_url, &format!("CREATE DATABASE {}", stores.name)).await;
        stores
    }

    /// How a program under test reaches the database.
    pub fn postgres(&self) -> PostgresConfig {
        PostgresConfig {
            url: self.database_url().into(),
            connections_max: CONNECTIONS_MAX,
            ..PostgresConfig::default()
        }
    }

    /// The same, by a wire.
    ///
    /// # Panics
    /// When no wire can be laid.
    pub async fn postgres_by_wire(&self) -> (PostgresConfig, Wire) {
        let mut url = reqwest::Url::parse(&self.database_url()).expect("it was put together as one");
        let host = url.host_str().expect("a server has a name");
        let wire = Wire::to(format!("{host}:{}", url.port().unwrap_or(POSTGRES_PORT))).await;
        url.set_host(Some("127.0.0.1")).expect("an address is a host");
        url.set_port(Some(wire.address().port())).expect("this URL may have a port");
        (PostgresConfig { url: url.as_str().into(), ..self.postgres() }, wire)
    }

    /// How a program under test reaches Redis.
    pub fn redis(&self) -> RedisConfig {
        RedisConfig {
            url: self.redis_url.as_str().into(),
            prefix: self.name.clone(),
            ..RedisConfig::default()
        }
    }

    /// A pool of the test's own.
    ///
    /// # Panics
    /// When the URL is wrong.
    pub fn pool(&self) -> Pool {
        pool("test", &self.postgres()).expect("the test database's URL is good")
    }

    /// A connection to Redis of the test's own. It waits as long as it takes: a busy machine is no failure.
    ///
    /// # Panics
    /// When the server does not answer at all.
    pub async fn redis_connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).expect("the test Redis' URL is good");
        let patient = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&patient);
        connecting.await.expect("the test Redis answers")
    }

    fn database_url(&self) -> String {
        let mut url = reqwest::Url::parse(&self.server_url).expect("MARQUEE_TEST_DATABASE_URL is a URL");
        url.set_path(&self.name);
        url.to_string()
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        let (url, name) = (self.server_url.clone(), self.name.clone());
        // Not waited for: this may be the thread on which connections to that database are just being made, and Postgres lets
        // nobody drop it before they are made or closed. What is left when the process ends goes with the server.
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(execute(&url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests through scripts/test"))
}

async fn execute(url: &str, statement: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test Postgres answers");
    tokio::spawn(connection);
    client.batch_execute(statement).await.expect("the test Postgres follows");
}
