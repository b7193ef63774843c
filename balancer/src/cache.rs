//! What is remembered: answers that may be shared (RFC 9111), bounded in bytes and entries, in memory.
//! When in doubt it does not store. It must not know who asks: nothing of one client is in what another gets.

pub mod control;
pub mod freshness;
pub mod key;
pub mod lease;
pub mod modifying;
pub mod passage;
pub mod purge;
pub mod status;
pub mod store;
pub mod storing;
pub mod subscription;
pub mod tags;
mod uncacheable;
pub mod validation;
pub mod validity;
pub mod vary;

use std::time::{Duration, SystemTime};

use http::header;
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::cache::lock::{CacheKeyLockImpl, CacheLock};
use pingora::cache::{
    CacheMeta, CacheOptionOverrides, CachePhase, ForcedFreshness, NoCacheReason, RespCacheable,
};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use self::control::Control;
use self::lease::Lease;
use self::passage::Passage;
use self::status::{CACHE_STATUS, Outcome, Status};
use self::store::Store;
use self::store::invalidation::Stamp;
use self::storing::{Bounds, Exchange, Refusal, Terms};
use self::tags::Tags;
use self::uncacheable::Uncacheable;
use crate::config;

/// A fetch that takes longer than this, and than others wait, no longer holds anybody back.
const FETCH_AGE_MIN: Duration = Duration::from_secs(5);

/// Fields by which some services let themselves be told another path, host or method than the one that is asked. The key does not
/// hold them, so on a route with a cache they are not passed on.
const UNKEYED: [&str; 14] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-original-host",
    "x-host",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-url-scheme",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The one cache of the process. Pingora asks for `'static` parts, so they live until its end.
#[derive(Clone, Copy)]
pub struct Cache {
    store: &'static Store,
    lock: &'static CacheKeyLockImpl,
    /// What turned out not to be storable does not wait for the lock again.
    uncacheable: &'static Uncacheable,
    /// Purges.
    pub tags: &'static Tags,
    settings: config::Cache,
}

impl Cache {
    /// An empty cache.
    pub fn new(settings: config::Cache, purge: &config::Purge) -> Self {
        let store = Store::new(settings.bytes_max, settings.entries_max, settings.object_bytes_max);
        let lease = Lease::new(purge.lease, &purge.publishers);
        Self {
            tags: Box::leak(Box::new(Tags::new(lease))),
            store: Box::leak(Box::new(store)),
            lock: Box::leak(CacheLock::new_boxed(settings.lock_wait.max(FETCH_AGE_MIN))),
            uncacheable: Box::leak(Box::new(Uncacheable::new())),
            settings,
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Answers held.
    pub fn entries(&self) -> usize {
        self.store.entries()
    }

    /// How many answers had to make room for others.
    pub fn evictions(&self) -> u64 {
        self.store.evictions()
    }

    /// The present, in the order of invalidations.
    pub fn now(&self) -> Stamp {
        self.store.now()
    }

    /// Turns the cache on for this request when its answer could be shared.
    pub fn enable(&self, session: &mut Session) {
        let request = session.req_header();
        if !storing::may_use_cache(&request.method, &request.headers) {
            return;
        }
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(self.settings.lock_wait);
        // Nobody waits for an answer that is likely to be for this client alone.
        let lock = (!personal(&request.headers)).then_some(self.lock);
        session.cache.enable(self.store, None, Some(self.uncacheable), lock, Some(overrides));
    }

    /// Whether what was found must not be used for this request as it is.
    pub fn unusable(&self, session: &Session, stored: &CacheMeta) -> Option<ForcedFreshness> {
        let request = &session.req_header().headers;
        if request.contains_key(header::AUTHORIZATION) {
            let control = Control::of_response(stored.headers());
            let shared = control.public || control.s_maxage.is_some() || control.must_revalidate;
            return (!shared).then_some(ForcedFreshness::ForceMiss);
        }
        let asks = self.settings.client_revalidation && request.contains_key(header::CACHE_CONTROL);
        // Who waited for another's fetch has what is new.
        let asks = asks && session.cache.lock_duration().is_none();
        (asks && !satisfies(&Control::of(request), stored)).then_some(ForcedFreshness::ForceExpired)
    }

    /// Whether, and for how long, this answer may be stored, which came `delay` after it was asked for.
    pub fn admit(
        &self,
        request: &RequestHeader,
        response: &ResponseHeader,
        passage: &mut Passage,
        delay: Duration,
    ) -> RespCacheable {
        let mut response = response.clone();
        if !passage.confirm(&mut response) {
            return RespCacheable::Uncacheable(NoCacheReason::Custom("the 304 is about something else"));
        }
        let now = SystemTime::now();
        let exchange = Exchange {
            request: &request.headers,
            status: response.status,
            response: &response.headers,
            now,
            delay,
        };
        match storing::terms(&exchange, &self.bounds()) {
            Ok(terms) => RespCacheable::Cacheable(stored(response, &terms, passage, now)),
            Err(Refusal::Answer) => RespCacheable::Uncacheable(NoCacheReason::OriginNotCache),
            Err(Refusal::Request) => RespCacheable::Uncacheable(NoCacheReason::Custom("for one client")),
            Err(Refusal::Failure) => RespCacheable::Uncacheable(NoCacheReason::UpstreamError),
        }
    }

    /// Forgets what a request that went well has made out of date.
    pub fn invalidate(&self, secure: bool, request: &RequestHeader, response: &ResponseHeader) {
        let host = request.headers.get(header::HOST).map_or(&[][..], HeaderValue::as_bytes);
        let (Ok(name), Ok(path)) = (std::str::from_utf8(host), std::str::from_utf8(request.raw_path()))
        else {
            return;
        };
        let changed = modifying::changed(&request.method, name, path, response.status, &response.headers);
        for path in changed {
            self.store.invalidate(key::hash_of(secure, host, path.as_bytes()));
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            body_bytes_max: self.settings.object_bytes_max,
            heuristic_max: self.settings.heuristic_max,
            stale_if_error: Duration::from_secs(self.settings.stale_if_error_seconds.into()),
        }
    }
}

/// Whether the answer is likely to be for one client alone, or is not to be remembered.
fn personal(request: &HeaderMap) -> bool {
    request.contains_key(header::AUTHORIZATION)
        || request.contains_key(header::CACHE_CONTROL) && Control::of(request).no_store
}

/// Whether what is stored is as new as a client asks for.
fn satisfies(control: &Control, stored: &CacheMeta) -> bool {
    let left = stored.fresh_until().duration_since(SystemTime::now()).unwrap_or_default();
    control.no_cache == control::Scope::Nothing
        && control.max_age.is_none_or(|most| stored.age() <= most)
        && control.min_fresh.is_none_or(|least| left >= least)
}

/// What goes into the store: nothing of one client, and nothing about how this one got it.
fn stored(mut response: ResponseHeader, terms: &Terms, passage: &mut Passage, now: SystemTime) -> CacheMeta {
    let control = Control::of_response(&response.headers);
    for names in [control.private.fields(), control.no_cache.fields(), &[CACHE_STATUS]] {
        passage.withhold(&mut response, names);
    }
    response.remove_header(&header::AGE);
    // These values are fit for a header.
    let date = || HeaderValue::try_from(httpdate::fmt_http_date(now)).ok();
    if let Some(date) = (!response.headers.contains_key(header::DATE)).then(date).flatten() {
        let _ = response.insert_header(header::DATE, date);
    }
    if response.status == StatusCode::OK {
        let _ = response.insert_header(header::ACCEPT_RANGES, "bytes");
    }
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let (revalidate, error) = (seconds(terms.stale_while_revalidate), seconds(terms.stale_if_error));
    let mut meta = CacheMeta::new(now + terms.fresh, now, revalidate, error, response);
    meta.set_epoch_override(now.checked_sub(terms.age).unwrap_or(now));
    meta.extensions_mut().insert(passage.asked);
    meta
}

/// Asks the upstream for what the key stands for, and for nothing that it does not.
pub fn ask_for_key(upstream: &mut RequestHeader) {
    for name in UNKEYED {
        upstream.remove_header(name);
    }
    let accepted = vary::accept_encoding(&upstream.headers);
    upstream.remove_header(&header::ACCEPT_ENCODING);
    if let Some(accepted) = accepted {
        // The value is a list of tokens.
        let _ = upstream.insert_header(header::ACCEPT_ENCODING, accepted);
    }
}

/// Says in the answer what the cache did, and how old it is.
pub fn describe(session: &Session, response: &mut ResponseHeader, passage: &mut Passage) -> Outcome {
    let (cache, meta) = (&session.cache, session.cache.maybe_cache_meta());
    let outcome = Outcome::of(cache.phase(), meta.is_some(), cache.lock_duration().is_some());
    let used = meta.filter(|_| outcome != Outcome::Passed);
    let age = used.map_or(0, |meta| meta.age().as_secs());
    passage.age_seconds = age;
    if age > 0 && matches!(outcome, Outcome::Stored | Outcome::Revalidated) {
        // It is as old as a cache on the way to us says.
        let _ = response.insert_header(header::AGE, age);
    }
    if outcome == Outcome::Stored {
        passage.give_back(response);
    }
    let status = Status {
        outcome,
        forward: passage.forward,
        forward_status: passage.upstream_status.filter(|status| *status != response.status),
        ttl: used.map(|meta| ttl(meta.fresh_until(), SystemTime::now())),
    };
    // The value is text.
    let _ = response.append_header(CACHE_STATUS, status.header());
    outcome
}

/// Whole seconds until then, with one that has begun; less than none when it is over.
fn ttl(until: SystemTime, now: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match until.duration_since(now) {
        Ok(left) => seconds(left + Duration::from_nanos(999_999_999)),
        Err(over) => -seconds(over.duration()),
    }
}

/// Whether a request asks for a variant of what is stored for its URL.
pub fn variant(session: &Session) -> bool {
    let key = session.cache.maybe_cache_key();
    key.is_some_and(|key| key.get_variance_key().is_some()) && session.cache.phase() != CachePhase::Bypass
}
