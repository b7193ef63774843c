//! Owner of seat claims, holds, bookings and the live sockets.
//!
//! - Tables: schema `reservations` (see `migrations/`); views for others: `reservations_published`.
//! - Redis keys: `keys.rs`; what stands in a mirror: `gate.rs`.
//! - Reads: `catalog_published.shows`.
//! - Events out: `SeatsHeld`, `SeatsReleased`, `HoldExpired`, `BookingConfirmed`, `BookingCancelled`, `SeatsEscrowed`,
//!   `SeatsOffered`. Events in, for live sockets only: `HoldExpired`, `SeatsOffered`, and the waitlist's `WaitersTold`,
//!   `LineMoved` and `LineClosed`.
//! - Calls: `routes.rs`.
//! - Tickets: signed in `ticket.rs`, which needs no store; `ticket/scanner.rs` is the program at the door.
//!
//! A hold enters `routes → holds → placing → choosing → gate (Redis) → store/claims (Postgres)` and returns the way it came; the live
//! picture leaves by `gate → Redis → live/feed → live/show → live/socket`.

pub mod config;
pub mod context;
pub mod routes;

pub mod bookings;
pub mod holds;
pub mod internal;
pub mod seats;
pub mod sockets;
pub mod tickets;

pub mod cancelling;
pub mod choosing;
pub mod confirming;
pub mod expiry;
pub mod extending;
pub mod freeing;
pub mod offering;
pub mod placing;
pub mod settling;
pub mod telling;
pub mod ticket;

pub mod batch;
pub mod lookups;
pub mod shows;

pub mod gate;
pub mod live;
pub mod mirror;

pub mod app;
pub mod demo;
pub mod error;
pub mod keys;
pub mod metrics;
pub mod names;
pub mod payment;
pub mod secrets;
pub mod store;

use std::sync::Arc;

use config::Config;
use service::drain::Drain;
use service::http::{self, Readiness};
use service::redis::Redis;
use service::{outbox, postgres};
use tokio::net::TcpListener;

use crate::app::App;
use crate::context::Context;
use crate::gate::Gate;
use crate::live::feed;
use crate::live::hub::Hub;
use crate::live::wanted::Wanted;
use crate::metrics::Metrics;
use crate::payment::{PaymentProvider, TestProvider};
use crate::secrets::Secrets;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What the program is called in logs, metrics and Postgres' activity.
pub const PROGRAM: &str = "reservations";

/// Every statement of ours goes by an index, and is planned once for each connection: planning costs more than running. Without
/// the first a plan that was made while its tables were small would read them whole for as long as its connection lives. None is
/// worth being compiled, which the server would do for the cost of a table that has no index.
const SESSIONS: &str = "-c plan_cache_mode=force_generic_plan -c jit=off \
    -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

/// Brings the schema up to date.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    postgres::migrate(
        &postgres::pool(PROGRAM, &config.postgres)?,
        store::SCHEMA,
        migrations::migrations::runner(),
    )
    .await
}

/// Serves until drained, with the built-in payment provider.
pub async fn serve(
    config: Config,
    secrets: Secrets,
    listener: TcpListener,
    drain: Drain,
) -> anyhow::Result<()> {
    serve_with(config, secrets, listener, drain, Box::new(TestProvider)).await
}

/// Serves until drained, with this payment provider.
pub async fn serve_with(
    config: Config,
    secrets: Secrets,
    listener: TcpListener,
    drain: Drain,
    payment: Box<dyn PaymentProvider>,
) -> anyhow::Result<()> {
    let registry = service::metrics::registry(PROGRAM, env!("CARGO_PKG_VERSION"));
    let pool = postgres::pool_with(PROGRAM, &config.postgres, SESSIONS)?;
    pool.watch_over(&drain);
    let redis = Redis::start(&config.redis, &drain).await?;
    service::metrics::stores::watch(&registry, &pool, &redis);
    let (gate, readiness) = (Gate::new(redis.clone()), Readiness::of_postgres(&pool));
    let metrics = Metrics::new(&registry);
    let app = Arc::new(App::new(config, secrets.tickets, pool, gate, payment, metrics));
    let wanted = Wanted::default();
    let hub = Hub::new(Arc::clone(&app), wanted.clone());
    let _writers = batch::start(&app, &drain);
    start_loops(&app, &redis, &hub, wanted, &drain);
    let routes =
        routes::routes(Context { app: Arc::clone(&app), hub, drain: drain.clone() }, secrets.sessions);
    let served = http::serve(listener, routes, &app.config.http, &registry, readiness, &drain).await;
    drain.stop();
    drain.finish().await;
    served
}

fn start_loops(app: &Arc<App>, redis: &Redis, hub: &Hub, wanted: Wanted, drain: &Drain) {
    let loops = &app.metrics.loops;
    drain.spawn(outbox::relay(
        store::SCHEMA,
        app.pool.clone(),
        redis.clone(),
        app.bell.clone(),
        app.metrics.outbox.clone(),
        loops.clone(),
        drain.clone(),
    ));
    // What is live stays so until the last socket is closed.
    let live = Drain::default();
    drain.spawn(feed::listen(redis.clone(), hub.clone(), wanted, loops.clone(), live.clone()));
    drain.spawn(feed::hear(
        redis.clone(),
        hub.clone(),
        app.metrics.behind.clone(),
        loops.clone(),
        live.clone(),
    ));
    drain.spawn(feed::check_versions(hub.clone(), app.gate.clone(), loops.clone(), live.clone()));
    let leaving = (hub.clone(), drain.clone());
    drain.spawn(async move {
        leaving.0.deserted(&leaving.1).await;
        live.stop();
    });
    let sweeping = (Arc::clone(app), drain.clone());
    drain.spawn(async move { expiry::sweep(&sweeping.0, sweeping.1).await });
    let forgetting = (Arc::clone(app), drain.clone());
    drain.spawn(async move { expiry::sweep_idempotency(&forgetting.0, forgetting.1).await });
    let settling = (Arc::clone(app), drain.clone());
    drain.spawn(async move { settling::settle_new(&settling.0, settling.1).await });
    let settling = (Arc::clone(app), drain.clone());
    drain.spawn(async move { settling::settle(&settling.0, settling.1).await });
    let living = (Arc::clone(app), drain.clone());
    drain.spawn(async move { mirror::reconciling::stay_alive(&living.0, living.1).await });
    let mending = (Arc::clone(app), hub.clone(), drain.clone());
    drain.spawn(async move {
        mirror::reconciling::reconcile(&mending.0, || mending.1.watched(), mending.2).await;
    });
}
