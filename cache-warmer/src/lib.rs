//! Keeps the popular list warm: one leader counts it every few seconds and swaps it into Redis.
//!
//! - **Redis keys**: `<prefix>:cache-warmer:lease` ([`lease`]); the list itself is the catalog's, written through
//!   [`catalog::popular`].
//! - **Reads** what [`catalog::popular::compute`] reads. It writes nothing to Postgres.
//! - **Events**, **calls**: none. Visitors never wait for this process: without it the list grows old, no more.

mod config;
mod lease;
mod metrics;
mod plan;
mod refresh;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use service::drain::Drain;
use service::http::Readiness;
use service::postgres;
use service::redis::Redis;
use tokio::net::TcpListener;

pub use config::Config;

use lease::Lease;
use metrics::Metrics;
use plan::{Plan, Round};
use refresh::Refresh;

/// Runs until drained; the lease is given back before it returns.
pub async fn serve(config: Config, listener: TcpListener, drain: Drain) -> anyhow::Result<()> {
    let registry = service::metrics::registry("cache-warmer", env!("CARGO_PKG_VERSION"));
    let redis = Redis::start(&config.redis, &drain).await?;
    let metrics = Metrics::new(&registry);
    let warmer = Warmer {
        lease: Lease::new(redis.clone(), config.lease_ms),
        refresh: Refresh::new(postgres::pool("cache-warmer", &config.postgres)?, redis, &config),
        plan: Plan::new(config.interval_ms, config.pause_ms_max),
        settled: Arc::default(),
        metrics,
    };
    let settled = Arc::clone(&warmer.settled);
    let readiness = Readiness::when(move || {
        let settled = settled.load(Ordering::Relaxed);
        if settled { Ok(()) } else { Err("no list has been written, and nobody else writes it".to_owned()) }
    });
    drain.spawn(warmer.run(drain.clone()));
    let served =
        service::http::serve(listener, Router::new(), &config.http, &registry, readiness, &drain).await;
    drain.stop();
    drain.finish().await;
    served
}

/// The job.
struct Warmer {
    lease: Lease,
    refresh: Refresh,
    plan: Plan,
    /// Whether the last round ended well.
    settled: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Warmer {
    async fn run(mut self, drain: Drain) {
        loop {
            let round = self.round().await;
            self.note(&round);
            let pause = self.plan.after(&round);
            if !drain.pause(pause).await {
                break;
            }
        }
        self.lease.release().await;
    }

    async fn round(&self) -> Round {
        match self.lease.take().await {
            Ok(true) => {
                self.refresh.run(&self.metrics).await.map_or_else(Round::Failed, |()| Round::Refreshed)
            }
            Ok(false) => Round::StoodBy,
            Err(error) => Round::Failed(error.into()),
        }
    }

    /// Tells operators. A failure is logged when it begins, not again while it lasts.
    fn note(&self, round: &Round) {
        self.metrics.leader.set(i64::from(matches!(round, Round::Refreshed)));
        self.metrics.rounds.with_label_values(&[round.outcome()]).inc();
        let well = !matches!(round, Round::Failed(_));
        let before = self.settled.swap(well, Ordering::Relaxed);
        match round {
            Round::Failed(error) if before || self.plan.failures() == 0 => {
                tracing::warn!(error = %format!("{error:#}"), "the popular list stays as it is");
            }
            Round::Refreshed | Round::StoodBy if !before => {
                tracing::info!(outcome = round.outcome(), "the popular list is kept warm");
            }
            Round::Failed(_) | Round::Refreshed | Round::StoodBy => {}
        }
    }
}
