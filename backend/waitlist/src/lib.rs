//! Owner of queue entries and offers: who waits for seats of a show, and who is offered those that come free.
//!
//! - **Tables**, schema `waitlist`, all private: `shows` (the lock of a line, and its queue flag), `entries`, `escrows`
//!   and `offers` (what was decided), `decisions` (what is remembered of it), `mails` (to be sent), `told`, `outbox`.
//! - **Events in**, group `waitlist` on reservations' streams: `SeatsEscrowed`, `HoldExpired`, `SeatsReleased`, `BookingConfirmed`.
//!   All but the last only hurry what [`backstop`] finds in the published views anyway.
//! - **Events out**: `WaitersTold`, `LineMoved`, `LineClosed`.
//! - **Calls out**: reservations' internal HTTP, all in [`reservations_client`].
//! - **Mail** by SMTP, to those who gave an address ([`mail`]).
//! - **Reads** `catalog_published.shows`, and `reservations_published.escrows`, `….holds` and `….taken`.
//! - **Redis**: no keys of our own; only the event streams. Without Redis everything here goes on, a second slower.
//!
//! A line changes only under the lock of its row in `waitlist.shows`, and no transaction is open during a call to
//! reservations: what is to be called is written first, and whoever finds it written may call, once or again.

mod config;
mod metrics;
mod routes;

mod audit;
mod available;
mod entries;
mod estimating;
mod houses;
mod idempotency;
mod wish;

mod joining;
mod leaving;

mod backstop;
mod inbox;
mod notify;
mod serving;
mod settling;
mod telling;

mod flag;
mod mail;
mod reservations_client;

mod error;
mod store;

use std::sync::Arc;

use service::drain::Drain;
use service::http::Readiness;
use service::outbox::{self, Bell};
use service::postgres::{self, Connection, Pool};
use service::redis::Redis;
use service::session::SessionKeys;
use service::stream::{self, Subscription};
use tokio::net::TcpListener;

pub use config::Config;
pub use mail::MailConfig;

use estimating::Estimates;
use houses::Houses;
use mail::Mail;
use metrics::Metrics;
use reservations_client::ReservationsClient;
use serving::Counter;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What every part of a running waitlist shares.
struct Waitlist {
    config: Config,
    pool: Pool,
    reservations: ReservationsClient,
    metrics: Metrics,
    bell: Bell,
    counter: Counter,
    joins: joining::Queue,
    houses: Houses,
    estimates: Estimates,
    mail: Mail,
    /// This instance's, unlike any other's, and none that was before.
    name: String,
    drain: Drain,
}

impl Waitlist {
    async fn connection(&self) -> Result<Connection, postgres::Error> {
        self.pool.get().await
    }
}

/// Runs an instance on `listener` until it is drained.
pub async fn serve(
    config: Config,
    keys: SessionKeys,
    listener: TcpListener,
    drain: Drain,
) -> anyhow::Result<()> {
    let registry = service::metrics::registry("waitlist", env!("CARGO_PKG_VERSION"));
    let pool = postgres::pool("waitlist", &config.postgres)?;
    pool.watch_over(&drain);
    let redis = Redis::start(&config.redis, &drain).await?;
    service::metrics::stores::watch(&registry, &pool, &redis);
    let (http, readiness) = (config.http.clone(), Readiness::of_postgres(&pool));
    let waitlist = Arc::new(Waitlist {
        reservations: ReservationsClient::new(&config)?,
        metrics: Metrics::new(&registry),
        counter: Counter::new(config.serve_concurrency_max),
        joins: joining::Queue::default(),
        houses: Houses::default(),
        estimates: Estimates::default(),
        mail: Mail::new(&config.mail)?,
        name: uuid::Uuid::new_v4().simple().to_string(),
        bell: Bell::default(),
        drain: drain.clone(),
        pool: pool.clone(),
        config,
    });
    drain.spawn(outbox::relay(
        store::SCHEMA,
        pool,
        redis.clone(),
        waitlist.bell.clone(),
        waitlist.metrics.outbox.clone(),
        waitlist.metrics.loops.clone(),
        drain.clone(),
    ));
    // The same instance is the same consumer after a restart, and takes up what it had not acknowledged.
    let consumer = listener.local_addr()?.to_string();
    drain.spawn(listen(redis, Arc::clone(&waitlist), consumer));
    drain.spawn(backstop::run(Arc::clone(&waitlist)));
    drain.spawn(telling::run(Arc::clone(&waitlist)));
    drain.spawn(mail::run(Arc::clone(&waitlist)));
    let routes = routes::all(waitlist, keys);
    let served = service::http::serve(listener, routes, &http, &registry, readiness, &drain).await;
    drain.stop();
    drain.finish().await;
    served
}

async fn listen(redis: Redis, waitlist: Arc<Waitlist>, consumer: String) {
    let subscription =
        Subscription { owner: "reservations", group: "waitlist", consumer, types: &inbox::TYPES };
    let Metrics { behind, loops, .. } = &waitlist.metrics;
    let (behind, loops, drain) = (behind.clone(), loops.clone(), waitlist.drain.clone());
    let take = |event| inbox::take(Arc::clone(&waitlist), event);
    stream::consume(redis, subscription, behind, loops, drain, take).await;
}

/// Brings the schema up to this program.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = postgres::pool("waitlist", &config.postgres)?;
    postgres::migrate(&pool, store::SCHEMA, migrations::migrations::runner()).await
}
