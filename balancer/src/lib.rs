//! The layer-7 load balancer. It does not know what a seat is: routes, pools, limits are configuration.
//!
//! The life of a request: its whole header must arrive before a deadline ([`proxy::deadline`]); the edge refuses what
//! is too large or could be read in two ways ([`proxy::edge`]); its path finds a route ([`proxy::route`]); a stored
//! answer may end it here ([`cache`]); its affinity cookie or another part of it gives the key
//! ([`proxy::hash_key`], [`proxy::affinity`]) by which the policy of the route's pool places it ([`fleet::policy`]);
//! when an endpoint fails it, another one may be tried ([`proxy::retry`]); the answer goes back with what belongs to
//! this client alone, is perhaps stored without that, and leaves a line and a few counts ([`operate`]).

pub mod cache;
pub mod config;
pub mod fields;
pub mod fleet;
pub mod limit;
pub mod operate;
pub mod proxy;
pub mod secret;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context as _;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::Acceptor;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::cache::purge::Purger;
use crate::cache::subscription::Subscription;
use crate::config::Config;
use crate::fleet::Fleet;
use crate::fleet::discovery::Discovery;
use crate::fleet::discovery::journal::Journal;
use crate::fleet::health::HealthChecks;
use crate::fleet::marks::Marks;
use crate::limit::open::Open;
use crate::operate::access_log::AccessLog;
use crate::operate::admin::Admin;
use crate::operate::drain::{Drain, Signals};
use crate::operate::handover::Sockets;
use crate::operate::listener::{self, Door, Listener, TlsDoor};
use crate::operate::metrics::Metrics;
use crate::operate::reload::{OnHangUp, Reload};
use crate::operate::serving::Serving;
use crate::operate::telemetry;
use crate::operate::tls::store::Store;
use crate::operate::tls::{self, Renewal};
use crate::operate::traces::{self, Traces};
use crate::proxy::Gateway;
use crate::proxy::deadline::Timed;
use crate::proxy::silence::{Silence, Ticking};

/// Pingora's own bound on tries of one request; ours, `retry.attempts_max`, is reached first.
const TRIES_MAX: usize = config::ENDPOINTS_PER_POOL_MAX + 1;
/// What is read at once from a client: most connections are idle sockets, and each keeps this in memory.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What waits to be sent on one HTTP/2 stream.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;
/// Time for threads to end after everything was drained, in seconds.
const THREADS_END_SECONDS: u64 = 1;

/// How this process comes to life.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// It takes over from one that runs.
    pub upgrade: bool,
    /// Where its id is written once it serves.
    pub pid_file: Option<PathBuf>,
}

/// Runs until SIGTERM, SIGINT or a successor by the configuration in this file, which may change meanwhile; everything in
/// flight has had its time when this returns.
pub fn run(path: &Path, config: Config, start: Start) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let _telemetry = telemetry::start(&metrics).context("log")?;
    let listen = &config.listen;
    let mut sockets =
        if start.upgrade { Sockets::inherit(listen.public)? } else { Sockets::first(listen.public) };
    let public = public_sockets(listen, &mut sockets)?;
    let admin = sockets.open("listen.admin", listen.admin)?;
    let inherited = Marks::read(sockets.told());
    let (predecessor, successor) = sockets.between();
    raise_open_files();
    let conf = server_conf(&config);
    let (traces, exporting) = traces::start(config.traces.as_ref(), &metrics).context("traces")?.unzip();
    let parts = Parts::new(path, config, metrics, traces)?;
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let (fleet, metrics) = (parts.fleet.clone(), parts.metrics.clone());
    let checks =
        HealthChecks { fleet: fleet.clone(), metrics: metrics.clone(), inherited: inherited.clone() };
    let checks = server.add_service(background_service("health", checks));
    checks.add_dependency(server.add_service(background_service("discovery", parts.discovery())));
    server.add_service(background_service("silence", Ticking(parts.silence.clone())));
    server.add_service(background_service("reload", OnHangUp(parts.reload.clone())));
    if let Some(store) = &parts.certificates {
        let renewal = Renewal { store: store.clone(), metrics: parts.metrics.clone() };
        server.add_service(background_service("certificates", renewal));
    }
    if let Some(exporting) = exporting {
        server.add_service(background_service("traces", exporting));
    }
    if parts.purger.connected() {
        server.add_service(background_service("purges", Subscription(parts.purger.clone())));
    }
    let public = server.add_service(parts.public(&server.configuration, public)?);
    public.add_dependency(&checks);
    let admin = server.add_service(parts.admin(admin));
    if start.upgrade {
        // Until then the old process answers there, and it is ready.
        admin.add_dependency(&checks);
    }
    let (serving, in_service) = watch::channel(false);
    let predecessor = Mutex::new(predecessor);
    let serving = Serving { fleet, metrics, inherited, predecessor, pid_file: start.pid_file, serving };
    let serving = server.add_service(background_service("serving", serving));
    serving.add_dependency(&public);
    serving.add_dependency(&admin);

    let Config { listen, threads, .. } = &parts.config;
    tracing::info!(public = %listen.public, admin = %listen.admin, threads, "starting");
    let signals = Signals {
        drain: parts.drain.clone(),
        fleet: parts.fleet.clone(),
        successor: Mutex::new(Some(successor)),
        serving: in_service,
    };
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    parts.access_log.flush();
    Ok(())
}

/// What the services share.
struct Parts {
    /// As it was at the start: where it listens, and with how many threads.
    config: Config,
    fleet: Arc<Fleet>,
    journal: Arc<Journal>,
    reload: Arc<Reload>,
    cache: Cache,
    purger: Arc<Purger>,
    metrics: Arc<Metrics>,
    drain: Arc<Drain>,
    access_log: Arc<AccessLog>,
    traces: Option<Arc<Traces>>,
    certificates: Option<Arc<Store>>,
    silence: Arc<Silence>,
}

impl Parts {
    fn new(
        path: &Path,
        config: Config,
        metrics: Arc<Metrics>,
        traces: Option<Traces>,
    ) -> anyhow::Result<Self> {
        let access_log = AccessLog::start(config.access_log.as_ref(), &metrics)
            .context("key `access_log.path`: cannot be opened; name a file that can be written, or \"-\"")?;
        let fleet = Arc::new(Fleet::new(config.clone()));
        let cache = Cache::new(config.cache, &config.purge);
        let purger =
            Purger::new(cache.tags, &config.purge, metrics.purge.clone()).context("key `purge.redis_url`")?;
        Ok(Self {
            reload: Arc::new(Reload::new(path.to_owned(), fleet.clone(), metrics.clone())),
            fleet,
            journal: Arc::default(),
            silence: Arc::default(),
            cache,
            purger: Arc::new(purger),
            drain: Arc::default(),
            access_log: Arc::new(access_log),
            traces: traces.map(Arc::new),
            certificates: config.tls.as_ref().map(tls::open).transpose()?.map(Arc::new),
            metrics,
            config,
        })
    }

    fn discovery(&self) -> Discovery {
        Discovery::new(self.fleet.clone(), self.metrics.clone(), self.journal.clone())
    }

    fn public(
        &self,
        conf: &Arc<ServerConf>,
        sockets: Vec<(String, OwnedFd)>,
    ) -> anyhow::Result<Listener<Door<Timed<HttpProxy<Gateway>>>>> {
        let gateway = Gateway {
            fleet: self.fleet.clone(),
            cache: self.cache,
            metrics: self.metrics.clone(),
            access_log: self.access_log.clone(),
            traces: self.traces.clone(),
            drain: self.drain.clone(),
            sockets: Open::default(),
            silence: self.silence.clone(),
        };
        let door = Door {
            app: Arc::new(self.timed(http_proxy(conf, gateway))),
            tls: self.tls_door()?,
            fleet: self.fleet.clone(),
            open: Open::default(),
            too_slow: self.metrics.slow_client("answer"),
            metrics: self.metrics.clone(),
        };
        let mut service = Service::new("public".to_owned(), door);
        service.threads = Some(self.config.threads);
        // What is written is gathered by `proxy::lent`.
        let buffer = L4BufferSettings::new(READ_BUFFER_BYTES, 0);
        for (address, socket) in &sockets {
            // Longer than a client is waited for, so that whoever is too slow is counted here first.
            listener::limit_unread(socket, self.config.edge.write * 2);
            service.add_listener(ListenerConfig::tcp(address.clone()).l4_buffer(buffer));
        }
        Ok(Listener { service, sockets, shut: self.drain.shut() })
    }

    fn timed(&self, mut proxy: HttpProxy<Gateway>) -> Timed<HttpProxy<Gateway>> {
        proxy.h2_options = self.config.tls.as_ref().map(|tls| h2_options(&self.config.edge, tls.streams_max));
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(self.config.edge.keepalive);
        proxy.server_options = Some(options);
        Timed {
            app: Arc::new(proxy),
            fleet: self.fleet.clone(),
            closed: self.drain.closed(),
            too_slow: self.metrics.slow_client("header"),
        }
    }

    fn tls_door(&self) -> anyhow::Result<Option<TlsDoor>> {
        let (Some(tls), Some(store)) = (&self.config.tls, &self.certificates) else { return Ok(None) };
        let config = tls::server_config(store.clone(), tls.http2).context("TLS")?;
        let acceptor = Acceptor::from_server_config(Arc::new(config));
        Ok(Some(TlsDoor { address: tls.address, acceptor, handshake: tls.handshake }))
    }

    fn admin(&self, socket: OwnedFd) -> Listener<Admin> {
        let admin = Admin {
            token: self.config.listen.admin_token.clone(),
            fleet: self.fleet.clone(),
            journal: self.journal.clone(),
            reload: self.reload.clone(),
            metrics: self.metrics.clone(),
            drain: self.drain.clone(),
            cache: self.cache,
            purger: self.purger.clone(),
            started_at: Instant::now(),
        };
        let mut service = Service::new("admin".to_owned(), admin);
        service.threads = Some(1);
        service.add_tcp(&self.config.listen.admin.to_string());
        let sockets = vec![(self.config.listen.admin.to_string(), socket)];
        Listener { service, sockets, shut: self.drain.handed_over() }
    }
}

/// An upgraded connection holds two files; many systems start a process with room for 1,024.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files_max) => tracing::info!(open_files_max, "limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// Those where requests come in, under the addresses that Pingora has for them.
fn public_sockets(listen: &config::Listen, sockets: &mut Sockets) -> anyhow::Result<Vec<(String, OwnedFd)>> {
    let tls = listen.tls.map(|address| ("listen.tls", address));
    let listeners = [Some(("listen.public", listen.public)), tls].into_iter().flatten();
    listeners.map(|(key, address)| Ok((address.to_string(), sockets.open(key, address)?))).collect()
}

/// Bounds what one HTTP/2 connection can make us keep. Those on floods of resets and of empty frames are its library's own.
fn h2_options(edge: &config::Edge, streams_max: u32) -> H2Options {
    let mut options = default_h2_options();
    options.max_concurrent_streams(streams_max);
    // A field counts 32 bytes more than it has (RFC 9113, 6.5.2).
    let list = edge.header_bytes_max.saturating_add(32 * edge.header_fields_max);
    options.max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX));
    options.max_send_buffer_size(STREAM_BUFFER_BYTES);
    options
}

fn server_conf(config: &Config) -> ServerConf {
    let endpoints = |pool: &config::Pool| match pool.discovery {
        config::Discovery::Static => pool.endpoints.len(),
        config::Discovery::Dns(_) | config::Discovery::File(_) => config::ENDPOINTS_PER_POOL_MAX,
    };
    let idle_connections = config.pools.iter().map(|pool| pool.idle_connections_max * endpoints(pool)).sum();
    ServerConf {
        threads: 1,
        max_retries: TRIES_MAX,
        upstream_keepalive_pool_size: idle_connections,
        // The drain has happened before the server is told to stop.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(THREADS_END_SECONDS),
        ..ServerConf::default()
    }
}
