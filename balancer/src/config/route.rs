//! `[[routes]]`: which paths go to which pool, under which limits.

use std::time::Duration;

use serde::Deserialize;

use super::hash_on::{self, HashOn};
use super::pattern::Pattern;
use super::pool::Pool;
use super::reader::Reader;
use super::{ConfigError, File};
use crate::limit::priority::Priority;

/// One of `[[routes]]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The path pattern.
    #[serde(rename = "match")]
    pattern: String,
    /// Name of the pool that answers.
    pool: String,
    /// What requests are placed by; the pool's `hash_on` when left out.
    hash_on: Option<String>,
    /// Whether answers marked public may be stored.
    #[serde(default)]
    cache: bool,
    /// Only requests with one of these cookies are answered from the cache, or fill it; all are when left out.
    #[serde(default)]
    cache_with_cookies: Vec<String>,
    /// Request body in bytes; `edge.body_bytes_max` when left out.
    body_bytes_max: Option<usize>,
    /// From a request's end to the first byte of its answer, in milliseconds; the pool's `first_byte_ms` when left out.
    first_byte_ms: Option<u64>,
    /// Longest silence inside an answer, in milliseconds; the pool's `answer_idle_ms` when left out.
    answer_idle_ms: Option<u64>,
    /// Who goes first when not everybody can: `critical`, `high`, `normal` or `low`.
    #[serde(default)]
    priority: Priority,
    /// From its header to the end of its answer, in milliseconds; the pool's `total_ms` when left out, 0 is any time.
    total_ms: Option<u64>,
}

/// A pattern and what happens to requests that match it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which paths.
    pub pattern: Pattern,
    /// Index into [`super::Config::pools`].
    pub pool: usize,
    /// What requests are placed by.
    pub hash_on: HashOn,
    /// Whether answers marked public may be stored.
    pub cache: bool,
    /// Names of cookies of which a request must have one to have to do with the cache; all requests have when there is none.
    pub cache_with_cookies: Vec<String>,
    /// Request body, in bytes.
    pub body_bytes_max: usize,
    /// From a request's end to the first byte of its answer.
    pub first_byte: Duration,
    /// Longest silence inside an answer.
    pub answer_idle: Duration,
    /// How much it matters that it is answered.
    pub priority: Priority,
    /// From its header to the end of its answer.
    pub total: Option<Duration>,
}

/// All routes, the most specific first.
pub(super) fn read_all(reader: &Reader<'_>, file: &File, pools: &[Pool]) -> Result<Vec<Route>, ConfigError> {
    if file.routes.is_empty() {
        return reader.wrong(&["routes"], "no route at all; add [[routes]] with match and pool");
    }
    let mut routes: Vec<Route> = Vec::with_capacity(file.routes.len());
    for (index, written) in file.routes.iter().enumerate() {
        let index = index.to_string();
        let route = written.read(reader, &index, file, pools)?;
        if let Some(earlier) = routes.iter().find(|known| known.pattern.same_paths(&route.pattern)) {
            let message = format!(
                "`{}` matches the same paths as `{}`; remove one",
                route.pattern.as_str(),
                earlier.pattern.as_str()
            );
            return reader.wrong(&["routes", &index, "match"], message);
        }
        routes.push(route);
    }
    routes.sort_by(|a, b| b.pattern.specificity(&a.pattern));
    Ok(routes)
}

impl Written {
    fn read(
        &self,
        reader: &Reader<'_>,
        index: &str,
        file: &File,
        pools: &[Pool],
    ) -> Result<Route, ConfigError> {
        let pool = self.pool(reader, index, pools)?;
        let (policy, otherwise) = (pools[pool].policy, &pools[pool].hash_on);
        let (path, hash_on) = (["routes", index, "hash_on"], self.hash_on.as_deref());
        let of_pool = &file.pools[&self.pool];
        let first_byte_ms = self.first_byte_ms.unwrap_or(of_pool.first_byte_ms);
        let answer_idle_ms = self.answer_idle_ms.unwrap_or(of_pool.answer_idle_ms);
        let total_ms = self.total_ms.unwrap_or(of_pool.total_ms);
        Ok(Route {
            pattern: reader.pattern(&["routes", index, "match"], &self.pattern)?,
            pool,
            hash_on: hash_on::read(reader, &path, hash_on, policy, otherwise)?,
            cache: self.cache,
            cache_with_cookies: self.cookies(reader, index)?,
            body_bytes_max: self.body_bytes_max.unwrap_or(file.edge.body_bytes_max),
            first_byte: reader.milliseconds(&["routes", index, "first_byte_ms"], first_byte_ms)?,
            answer_idle: reader.milliseconds(&["routes", index, "answer_idle_ms"], answer_idle_ms)?,
            priority: self.priority,
            total: reader.total(&["routes", index, "total_ms"], total_ms)?,
        })
    }

    fn cookies(&self, reader: &Reader<'_>, index: &str) -> Result<Vec<String>, ConfigError> {
        let path = ["routes", index, "cache_with_cookies"];
        if let Some(wrong) = self.cache_with_cookies.iter().find(|name| !hash_on::token(name)) {
            let message = format!("`{wrong}` is not a cookie name; use letters, digits, `_`, `-` and `.`");
            return reader.wrong(&path, message);
        }
        if !self.cache && !self.cache_with_cookies.is_empty() {
            return reader.wrong(&path, "nothing is stored here; set `cache = true` or remove this");
        }
        Ok(self.cache_with_cookies.clone())
    }

    fn pool(&self, reader: &Reader<'_>, index: &str, pools: &[Pool]) -> Result<usize, ConfigError> {
        if let Some(pool) = pools.iter().position(|pool| pool.name == self.pool) {
            return Ok(pool);
        }
        let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
        let message = format!(
            "`{}` is not a pool; use one of {} or add [pools.{}]",
            self.pool,
            known.join(", "),
            self.pool
        );
        reader.wrong(&["routes", index, "pool"], message)
    }
}
