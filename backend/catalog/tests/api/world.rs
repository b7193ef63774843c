//! One test's world: a database, and instances of the catalog.

use std::net::SocketAddr;

use catalog::Config;
use serde_json::Value;
use service::drain::Drain;
use service::session::SessionKeys;
use testkit::client::Client;
use testkit::stores::Stores;
use tokio::net::TcpListener;

pub(crate) struct World {
    pub(crate) stores: Stores,
    pub(crate) config: Config,
    drains: Vec<Drain>,
}

impl World {
    /// An empty catalog.
    pub(crate) async fn empty() -> Self {
        let stores = Stores::fresh().await;
        let config = Config {
            openapi_sources: Vec::new(),
            postgres: stores.postgres(),
            redis: stores.redis(),
            ..Config::default()
        };
        catalog::migrate(&config).await.expect("the migrations are good");
        Self { stores, config, drains: Vec::new() }
    }

    /// The demo catalogue.
    pub(crate) async fn demo() -> Self {
        let world = Self::empty().await;
        catalog::demo::load(&world.config).await.expect("the demo loads");
        world
    }

    /// The demo catalogue and a visitor of one instance.
    pub(crate) async fn visited() -> (Self, Client) {
        let mut world = Self::demo().await;
        let visitor = Client::new(world.start().await);
        (world, visitor)
    }

    /// Starts an instance.
    pub(crate) async fn start(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let keys = SessionKeys::parse(testkit::SESSION_KEY).expect("the key is good");
        let drain = Drain::default();
        self.drains.push(drain.clone());
        tokio::spawn(catalog::serve(self.config.clone(), keys, listener, drain));
        address
    }

    pub(crate) async fn execute(&self, statements: &str) {
        let client = self.stores.pool().get().await.expect("the test database answers");
        client.batch_execute(statements).await.expect("the statements are good");
    }

    /// The first column of all rows, as text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let client = self.stores.pool().get().await.expect("the test database answers");
        let rows = client.query(query, &[]).await.expect("the query is good");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.drains.iter().for_each(Drain::stop);
    }
}

/// A member of every object in a list.
pub(crate) fn each(list: &Value, member: &str) -> Vec<String> {
    let text = |item: &Value| item[member].as_str().expect("it is text").to_owned();
    list.as_array().expect("it is a list").iter().map(text).collect()
}

/// More pages than any list here has: a cursor that goes nowhere fails a test instead of keeping it.
const PAGES_MAX: usize = 300;

/// All pages of a list, following cursors.
pub(crate) async fn all_pages(visitor: &Client, path: &str, member: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let page = visitor.get(&format!("{path}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        all.extend(page.body[member].as_array().expect("a list").iter().cloned());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
    panic!("{path} does not end");
}

/// The other owners' tables, made by their own migrations.
pub(crate) mod owners {
    use std::path::Path;

    use super::World;

    /// Makes reservations' and, where there is one, the waitlist's.
    pub(crate) async fn make(world: &World) {
        for owner in ["reservations", "waitlist"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(owner).join("migrations");
            let Ok(files) = std::fs::read_dir(folder) else { continue };
            let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
            files.sort_by_key(|file| {
                let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
                let number =
                    name.trim_start_matches('V').split("__").next().and_then(|text| text.parse::<u32>().ok());
                number.expect("V1__name.sql")
            });
            for file in files {
                world.execute(&std::fs::read_to_string(file).expect("it can be read")).await;
            }
        }
        // What is counted are bookings, not the holds they came from: those need not be there.
        world.execute("ALTER TABLE reservations.bookings DROP CONSTRAINT bookings_hold_id_fkey").await;
    }
}
