//! Keeps the popular list warm: one leader adds up what was written since the last time, counts, and swaps the lists into Redis
//! every few seconds; and what is sold in between it adds at once.
//!
//! - **Redis keys**: the lease ([`lease`]); the lists themselves are the catalog's, written through [`catalog::popular`].
//! - **Reads and writes** in Postgres what [`catalog::popular`] does.
//! - **Events in**, followed on reservations' streams: `BookingConfirmed`, `BookingCancelled` ([`hearing`]).
//! - **Calls**: none. Visitors never wait for this process: without it the list grows old, no more.

mod config;
mod hearing;
mod lease;
mod metrics;
mod plan;
mod refresh;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use catalog::popular::Warming;
use service::drain::Drain;
use service::http::Readiness;
use service::postgres;
use service::redis::Redis;
use service::stream::Behind;
use tokio::net::TcpListener;

pub use config::Config;

use lease::Lease;
use metrics::Metrics;
use plan::{Plan, Round};

/// Runs until drained; the lease is given back before it returns.
pub async fn serve(config: Config, listener: TcpListener, drain: Drain) -> anyhow::Result<()> {
    let registry = service::metrics::registry("cache-warmer", env!("CARGO_PKG_VERSION"));
    let redis = Redis::start(&config.redis, &drain).await?;
    let metrics = Metrics::new(&registry);
    let timeout = Duration::from_millis(config.refresh_timeout_ms);
    let program_lives = Duration::from_millis(config.program_ms);
    let pool = postgres::pool("cache-warmer", &config.postgres)?;
    pool.watch_over(&drain);
    service::metrics::stores::watch(&registry, &pool, &redis);
    let warming = Warming::new(pool, redis.clone(), config.popular.clone(), program_lives, timeout);
    let behind = Behind::new(&registry, "cache_warmer");
    drain.spawn(hearing::run(warming.live(), redis.clone(), metrics.clone(), behind, drain.clone()));
    let warmer = Warmer {
        lease: Lease::new(redis, config.lease_ms),
        warming,
        timeout,
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
    warming: Warming,
    timeout: Duration,
    plan: Plan,
    /// Whether the last round ended well.
    settled: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Warmer {
    async fn run(mut self, drain: Drain) {
        let last_success = self.metrics.loops.begin("refresh", self.plan.interval());
        loop {
            let round = self.round().await;
            self.note(&round);
            last_success.note_if(!matches!(round, Round::Failed(_)));
            let pause = self.plan.after(&round);
            if !drain.pause(pause).await {
                break;
            }
        }
        self.lease.release().await;
    }

    async fn round(&mut self) -> Round {
        let warming = &mut self.warming;
        match self.lease.take(async || warming.token().await).await {
            Ok(Some(token)) => {
                refresh::run(&mut self.warming, &self.lease, token, self.timeout, &self.metrics).await
            }
            Ok(None) => {
                self.warming.stand_by();
                Round::StoodBy
            }
            Err(error) => Round::Failed(error),
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
            Round::Refreshed | Round::StoodBy | Round::Fenced if !before => {
                tracing::info!(outcome = round.outcome(), "the popular list is kept warm");
            }
            Round::Failed(_) | Round::Refreshed | Round::StoodBy | Round::Fenced => {}
        }
    }
}
