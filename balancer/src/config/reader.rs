//! Turns written values into used ones, and says of a wrong one where it stands and what would be right.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use ipnet::IpNet;

use super::file::{self, File};
use super::pattern::Pattern;
use super::source::Source;
use super::{
    AccessLog, Affinity, Cache, Config, ConfigError, ENDPOINT_WEIGHT_MAX, ENDPOINTS_PER_POOL_MAX, Edge,
    HEADER_FIELDS_LIMIT, Health, IDLE_CONNECTIONS_MAX, MILLISECONDS_MAX, Pool, QUEUE_LINES_MAX, Retry, Route,
    SECONDS_MAX, THREADS_MAX,
};

/// Reads one source.
pub(super) struct Reader<'a> {
    /// Where the values were written.
    pub(super) source: &'a Source,
}

impl Reader<'_> {
    /// The whole configuration, or the first thing that is wrong with it.
    pub(super) fn config(&self, file: File) -> Result<Config, ConfigError> {
        let pools = self.pools(&file)?;
        let public = self.address(&["listen", "public"], &file.listen.public)?;
        Ok(Config {
            public,
            admin: self.admin(&file.listen.admin, public)?,
            threads: self.threads(file.threads)?,
            routes: self.routes(&file, &pools)?,
            edge: self.edge(&file.edge)?,
            affinity: self.affinity(file.affinity)?,
            retry: self.retry(&file.retry)?,
            cache: self.cache(&file.cache)?,
            access_log: self.access_log(file.access_log)?,
            pools,
        })
    }

    fn wrong<T>(&self, path: &[&str], message: impl Into<String>) -> Result<T, ConfigError> {
        Err(self.source.error(path, message))
    }

    fn address(&self, path: &[&str], text: &str) -> Result<SocketAddr, ConfigError> {
        text.parse().or_else(|_| {
            self.wrong(path, format!("`{text}` is not an address; write ip:port, such as \"127.0.0.1:7101\""))
        })
    }

    /// Both listeners on one socket would show the admin pages to everybody.
    fn admin(&self, text: &str, public: SocketAddr) -> Result<SocketAddr, ConfigError> {
        let path = ["listen", "admin"];
        let admin = self.address(&path, text)?;
        let (ours, theirs) = (admin.ip().to_canonical(), public.ip().to_canonical());
        let overlap = ours == theirs || ours.is_unspecified() || theirs.is_unspecified();
        if overlap && admin.port() == public.port() {
            return self
                .wrong(&path, format!("`{admin}` is where `listen.public` listens; give it another port"));
        }
        Ok(admin)
    }

    fn at_least_one<T: PartialEq + From<u8> + Copy>(
        &self,
        path: &[&str],
        value: T,
    ) -> Result<T, ConfigError> {
        if value == T::from(0) {
            return self.wrong(path, "must not be 0; give it 1 or more");
        }
        Ok(value)
    }

    fn at_most<T: PartialOrd + Display + Copy>(
        &self,
        path: &[&str],
        value: T,
        most: T,
    ) -> Result<T, ConfigError> {
        if value > most {
            return self.wrong(path, format!("more than {most}; lower it"));
        }
        Ok(value)
    }

    fn seconds(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.seconds_or_none(path, self.at_least_one(path, value)?)
    }

    fn seconds_or_none(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.at_most(path, value, SECONDS_MAX).map(Duration::from_secs)
    }

    fn milliseconds(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.at_most(path, self.at_least_one(path, value)?, MILLISECONDS_MAX).map(Duration::from_millis)
    }

    fn size(&self, path: &[&str], value: usize, most: usize) -> Result<usize, ConfigError> {
        self.at_most(path, self.at_least_one(path, value)?, most)
    }

    fn threads(&self, threads: Option<usize>) -> Result<usize, ConfigError> {
        match threads {
            Some(threads) => self.size(&["threads"], threads, THREADS_MAX),
            None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }

    fn at_least_one_size(&self, path: &[&str], value: usize) -> Result<usize, ConfigError> {
        self.at_least_one(path, value)
    }

    fn pattern(&self, path: &[&str], text: &str) -> Result<Pattern, ConfigError> {
        Pattern::parse(text).or_else(|message| self.wrong(path, message))
    }

    fn edge(&self, edge: &file::Edge) -> Result<Edge, ConfigError> {
        let never = edge.never.iter().enumerate();
        let never = never.map(|(i, text)| self.pattern(&["edge", "never", &i.to_string()], text));
        let never = never.map(|pattern| pattern.map(Pattern::lowercase));
        let trusted = edge.trusted.iter().enumerate();
        let trusted = trusted.map(|(i, text)| self.network(&["edge", "trusted", &i.to_string()], text));
        if edge.header_fields_max > HEADER_FIELDS_LIMIT {
            return self.wrong(
                &["edge", "header_fields_max"],
                format!("more than {HEADER_FIELDS_LIMIT} fields are never read; lower it"),
            );
        }
        Ok(Edge {
            trusted: trusted.collect::<Result<_, _>>()?,
            never: never.collect::<Result<_, _>>()?,
            header_bytes_max: self.at_least_one_size(&["edge", "header_bytes_max"], edge.header_bytes_max)?,
            header_fields_max: self
                .at_least_one_size(&["edge", "header_fields_max"], edge.header_fields_max)?,
            header: self.seconds(&["edge", "header_seconds"], edge.header_seconds)?,
            body_idle: self.seconds(&["edge", "body_idle_seconds"], edge.body_idle_seconds)?,
            write: self.seconds(&["edge", "write_seconds"], edge.write_seconds)?,
            keepalive: self.seconds(&["edge", "keepalive_seconds"], edge.keepalive_seconds)?,
            drain_notice: self
                .seconds_or_none(&["edge", "drain_notice_seconds"], edge.drain_notice_seconds)?,
            drain: self.seconds_or_none(&["edge", "drain_seconds"], edge.drain_seconds)?,
        })
    }

    fn network(&self, path: &[&str], text: &str) -> Result<IpNet, ConfigError> {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map_or_else(
            || self.wrong(path, format!("`{text}` is not a network; write 10.0.0.0/8 or 10.0.0.1")),
            Ok,
        )
    }

    fn affinity(&self, affinity: file::Affinity) -> Result<Affinity, ConfigError> {
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if affinity.cookie.is_empty() || !affinity.cookie.chars().all(token) {
            return self
                .wrong(&["affinity", "cookie"], "not a cookie name; use letters, digits, `_`, `-` and `.`");
        }
        Ok(Affinity { cookie: affinity.cookie, secure: affinity.secure })
    }

    fn retry(&self, retry: &file::Retry) -> Result<Retry, ConfigError> {
        if retry.budget_percent > 100 {
            return self.wrong(&["retry", "budget_percent"], "more than every request; use 0 to 100");
        }
        Ok(Retry {
            attempts_max: self.at_least_one_size(&["retry", "attempts_max"], retry.attempts_max)?,
            budget_percent: retry.budget_percent,
            budget_burst: retry.budget_burst,
        })
    }

    fn cache(&self, cache: &file::Cache) -> Result<Cache, ConfigError> {
        if cache.object_bytes_max > cache.bytes_max {
            return self.wrong(&["cache", "object_bytes_max"], "larger than bytes_max; lower it");
        }
        Ok(Cache {
            bytes_max: self.at_least_one_size(&["cache", "bytes_max"], cache.bytes_max)?,
            entries_max: self.at_least_one_size(&["cache", "entries_max"], cache.entries_max)?,
            object_bytes_max: cache.object_bytes_max,
            lock_wait: self.milliseconds(&["cache", "lock_wait_ms"], cache.lock_wait_ms)?,
            stale_if_error_seconds: cache.stale_if_error_seconds,
        })
    }

    fn access_log(&self, log: file::AccessLog) -> Result<Option<AccessLog>, ConfigError> {
        let queue_lines_max =
            self.size(&["access_log", "queue_lines_max"], log.queue_lines_max, QUEUE_LINES_MAX)?;
        let path = (log.path != "-").then(|| PathBuf::from(log.path));
        Ok(log.enabled.then_some(AccessLog { path, queue_lines_max }))
    }

    fn routes(&self, file: &File, pools: &[Pool]) -> Result<Vec<Route>, ConfigError> {
        if file.routes.is_empty() {
            return self.wrong(&["routes"], "no route at all; add [[routes]] with match and pool");
        }
        let mut routes: Vec<Route> = Vec::with_capacity(file.routes.len());
        for (index, written) in file.routes.iter().enumerate() {
            let index = index.to_string();
            let route = self.route(&index, written, file, pools)?;
            if let Some(earlier) = routes.iter().find(|known| known.pattern.same_paths(&route.pattern)) {
                let message = format!(
                    "`{}` matches the same paths as `{}`; remove one",
                    route.pattern.as_str(),
                    earlier.pattern.as_str()
                );
                return self.wrong(&["routes", &index, "match"], message);
            }
            routes.push(route);
        }
        routes.sort_by(|a, b| b.pattern.specificity(&a.pattern));
        Ok(routes)
    }

    fn route(
        &self,
        index: &str,
        route: &file::Route,
        file: &File,
        pools: &[Pool],
    ) -> Result<Route, ConfigError> {
        let Some(pool) = pools.iter().position(|pool| pool.name == route.pool) else {
            let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
            let message = format!(
                "`{}` is not a pool; use one of {} or add [pools.{}]",
                route.pool,
                known.join(", "),
                route.pool
            );
            return self.wrong(&["routes", index, "pool"], message);
        };
        let read_ms = route.read_ms.unwrap_or(file.pools[&route.pool].read_ms);
        Ok(Route {
            pattern: self.pattern(&["routes", index, "match"], &route.pattern)?,
            pool,
            cache: route.cache,
            body_bytes_max: route.body_bytes_max.unwrap_or(file.edge.body_bytes_max),
            read: self.milliseconds(&["routes", index, "read_ms"], read_ms)?,
        })
    }

    fn pools(&self, file: &File) -> Result<Vec<Pool>, ConfigError> {
        if file.pools.is_empty() {
            return self.wrong(&["pools"], "no pool at all; add [pools.NAME] with endpoints");
        }
        file.pools.iter().map(|(name, pool)| self.pool(name, pool)).collect()
    }

    fn pool(&self, name: &str, pool: &file::Pool) -> Result<Pool, ConfigError> {
        self.milliseconds(&["pools", name, "read_ms"], pool.read_ms)?;
        let idle_path = ["pools", name, "idle_connections_max"];
        Ok(Pool {
            name: name.to_owned(),
            endpoints: self.endpoints(name, &pool.endpoints)?,
            policy: pool.policy,
            connect: self.milliseconds(&["pools", name, "connect_ms"], pool.connect_ms)?,
            write: self.milliseconds(&["pools", name, "write_ms"], pool.write_ms)?,
            idle: self.seconds(&["pools", name, "idle_seconds"], pool.idle_seconds)?,
            idle_connections_max: self.size(&idle_path, pool.idle_connections_max, IDLE_CONNECTIONS_MAX)?,
            health: self.health(name, &pool.health)?,
        })
    }

    fn endpoints(
        &self,
        pool: &str,
        endpoints: &[file::Endpoint],
    ) -> Result<Vec<(SocketAddr, u32)>, ConfigError> {
        let path = ["pools", pool, "endpoints"];
        if endpoints.is_empty() {
            return self.wrong(&path, "a pool needs an endpoint; add one, such as \"127.0.0.1:7101\"");
        }
        if endpoints.len() > ENDPOINTS_PER_POOL_MAX {
            return self
                .wrong(&path, format!("more than {ENDPOINTS_PER_POOL_MAX} endpoints; split the pool"));
        }
        let mut known: Vec<(SocketAddr, u32)> = Vec::with_capacity(endpoints.len());
        for (index, endpoint) in endpoints.iter().enumerate() {
            let index = index.to_string();
            let path = ["pools", pool, "endpoints", &index];
            let address = self.address(&path, &endpoint.address)?;
            if known.iter().any(|(other, _)| *other == address) {
                return self.wrong(&path, format!("`{address}` is listed twice; remove one"));
            }
            if !(1..=ENDPOINT_WEIGHT_MAX).contains(&endpoint.weight) {
                return self.wrong(&path, format!("weight must be 1 to {ENDPOINT_WEIGHT_MAX}"));
            }
            known.push((address, endpoint.weight));
        }
        Ok(known)
    }

    fn health(&self, pool: &str, health: &file::Health) -> Result<Health, ConfigError> {
        let at = |key| ["pools", pool, "health", key];
        // A parser that forgives leaves out what it forgave.
        let path = health.path.parse::<PathAndQuery>().ok();
        let path = path.filter(|path| health.path.starts_with('/') && path.as_str() == health.path);
        let Some(path) = path else {
            return self.wrong(&at("path"), "must be a path such as \"/readyz\"");
        };
        Ok(Health {
            path,
            interval: self.milliseconds(&at("interval_ms"), health.interval_ms)?,
            timeout: self.milliseconds(&at("timeout_ms"), health.timeout_ms)?,
            rise: self.at_least_one(&at("rise"), health.rise)?,
            fall: self.at_least_one(&at("fall"), health.fall)?,
        })
    }
}
