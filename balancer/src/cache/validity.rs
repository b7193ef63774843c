//! Between Pingora's cache and the epochs: what is kept with an answer when it is stored, and what a hit is worth.

use std::sync::Arc;

use http::HeaderMap;
use pingora::cache::{CacheMeta, ForcedFreshness, NoCacheReason, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::tags::{CACHE_TAG, CDN_CACHE_CONTROL, Mark, Moment, Moments, Tags, Verdict};
use crate::operate::metrics::PurgeMetrics;

/// Marks an answer that may be stored with what it needs to be taken back.
pub fn mark(
    tags: &Tags,
    admitted: RespCacheable,
    request: (&RequestHeader, bool),
    response: &ResponseHeader,
    asked: Moment,
) -> RespCacheable {
    let RespCacheable::Cacheable(mut meta) = admitted else { return admitted };
    let (header, secure) = request;
    let Some(mark) = tags.mark(header, secure, response, asked) else {
        return RespCacheable::Uncacheable(NoCacheReason::Custom("tags that cannot be followed"));
    };
    meta.extensions_mut().insert(mark);
    RespCacheable::Cacheable(meta)
}

/// What a stored answer is worth for this request beyond its own freshness; nothing when that is all.
pub fn judge(
    tags: &Tags,
    meta: &CacheMeta,
    session: &Session,
    moments: Moments,
    metrics: &PurgeMetrics,
) -> Option<ForcedFreshness> {
    // Whoever stores it marks it, so one without a mark is nobody's.
    let verdict = meta.extensions().get::<Arc<Mark>>().map(|mark| tags.judge(mark, moments.came));
    match verdict.unwrap_or(Verdict::Purged) {
        Verdict::Valid => None,
        Verdict::Purged => {
            metrics.not_used(None);
            // One that fetches in the background has the lock already, and would wait for itself after a miss.
            let background = session.subrequest_ctx.is_some();
            Some(if background { ForcedFreshness::ForceExpired } else { ForcedFreshness::ForceMiss })
        }
        Verdict::Stale { reason, since, allowed } => {
            metrics.not_used(Some(reason));
            let expired_at = Some(since);
            Some(if allowed {
                ForcedFreshness::ForceExpiredServeStale { expired_at }
            } else {
                ForcedFreshness::ForceExpired
            })
        }
    }
}

/// Tags are between an origin and its cache: whoever stands in front hears of no purge, and must not be led to think so.
pub fn hide(fields: &mut HeaderMap) {
    if fields.remove(&CACHE_TAG).is_some() {
        fields.remove(&CDN_CACHE_CONTROL);
    }
}

/// Of two verdicts about a stored answer the one that leaves less of it.
pub fn stricter(one: Option<ForcedFreshness>, other: Option<ForcedFreshness>) -> Option<ForcedFreshness> {
    let rank = |verdict: &Option<ForcedFreshness>| match verdict {
        None => 0,
        Some(ForcedFreshness::ForceExpiredServeStale { .. }) => 1,
        Some(ForcedFreshness::ForceExpired) => 2,
        Some(_) => 3,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_verdicts_the_stricter_one_holds() {
        let softly = Some(ForcedFreshness::ForceExpiredServeStale { expired_at: None });
        let in_order = [None, softly, Some(ForcedFreshness::ForceExpired), Some(ForcedFreshness::ForceMiss)];
        for (one, less) in in_order.iter().enumerate() {
            for more in &in_order[one..] {
                assert_eq!(stricter(*less, *more), *more);
                assert_eq!(stricter(*more, *less), *more);
            }
        }
    }
}
