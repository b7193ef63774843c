//! Owner of movies, theaters, auditoriums, shows, the popular list and the web pages.
//!
//! - **Tables**, schema `catalog`, all private: `movies` and what sources say of them (`movie_records`), `cities`,
//!   `theaters`, `auditoriums`, `shows`, `demand` and `demand_state`, which the cache-warmer writes through [`popular`].
//!   **Published**: `catalog_published.shows`.
//! - **Redis keys**: those of the popular list ([`keys`]), which the cache-warmer writes the same way.
//! - **Events**: none out; in, sales and their cancellations, which the cache-warmer hears.
//! - **Reads** `reservations_published.demand` and `waitlist_published.demand`, for the popular list only.
//! - **Calls out**: the other services' `/openapi.json`.
//!
//! A visitor's request reads: it writes nothing, here or in Redis. Films and shows come in by `demo` and `import`.

mod config;
mod keys;
mod metrics;
mod routes;

mod movies;
mod openapi;
mod pages;
mod shows;

mod answer;
mod listing;
mod names;

pub mod demo;
pub mod import;
mod merging;
pub mod popular;

mod error;
mod store;

use std::sync::Arc;
use std::time::Duration;

use service::drain::Drain;
use service::http::Readiness;
use service::postgres::{self, Pool};
use service::redis::Redis;
use service::session::SessionKeys;
use tokio::net::TcpListener;

pub use config::Config;

use metrics::Metrics;
use openapi::Sources;
use popular::Reader;

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// What every request shares.
struct Catalog {
    pool: Pool,
    popular: Reader,
    openapi: Sources,
    metrics: Metrics,
}

/// Runs an instance on `listener` until it is drained.
pub async fn serve(
    config: Config,
    keys: SessionKeys,
    listener: TcpListener,
    drain: Drain,
) -> anyhow::Result<()> {
    let registry = service::metrics::registry("catalog", env!("CARGO_PKG_VERSION"));
    let fresh = Duration::from_secs(config.popular_fallback_seconds);
    let pool = postgres::pool("catalog", &config.postgres)?;
    pool.watch_over(&drain);
    let redis = Redis::start(&config.redis, &drain).await?;
    service::metrics::stores::watch(&registry, &pool, &redis);
    let readiness = Readiness::of_postgres(&pool);
    let catalog = Arc::new(Catalog {
        popular: Reader::new(pool.clone(), redis, config.popular.clone(), fresh),
        pool,
        openapi: Sources::new(&config)?,
        metrics: Metrics::new(&registry),
    });
    drain.spawn(popular::measure(Arc::clone(&catalog), drain.clone()));
    let routes = routes::all(catalog, keys);
    let served = service::http::serve(listener, routes, &config.http, &registry, readiness, &drain).await;
    drain.stop();
    drain.finish().await;
    served
}

/// Brings the schema up to this program.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    let pool = postgres::pool("catalog", &config.postgres)?;
    postgres::migrate(&pool, store::SCHEMA, migrations::migrations::runner()).await
}
