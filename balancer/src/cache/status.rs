//! `Cache-Status` (RFC 9211): what the cache did, for whoever debugs, and one word for metrics and logs.

use http::HeaderValue;
use pingora::cache::{CachePhase, NoCacheReason};

/// What the cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store.
    Hit,
    /// Answered from the store although it was no longer fresh, because the upstream failed.
    Stale,
    /// Fetched and stored.
    Stored,
    /// The stored answer was confirmed by the upstream.
    Revalidated,
    /// Fetched and not stored.
    Passed,
    /// The request could not use the cache at all.
    Bypassed,
}

impl Outcome {
    /// What a phase of Pingora's cache amounts to when the answer's header is about to leave; `whole` when its body
    /// will follow, from the first byte to the last. Of others only part may be fetched, and then nothing is stored.
    pub fn of(phase: CachePhase, whole: bool) -> Self {
        match phase {
            CachePhase::Hit => Self::Hit,
            CachePhase::Stale | CachePhase::StaleUpdating => Self::Stale,
            CachePhase::Miss | CachePhase::Expired if whole => Self::Stored,
            CachePhase::Revalidated | CachePhase::RevalidatedNoCache(_) => Self::Revalidated,
            CachePhase::Disabled(NoCacheReason::NeverEnabled) => Self::Bypassed,
            _ => Self::Passed,
        }
    }

    /// The field's value.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Hit => "marquee; hit",
            Self::Stale => "marquee; hit; detail=stale",
            Self::Stored => "marquee; fwd=miss; stored",
            Self::Revalidated => "marquee; fwd=stale; fwd-status=304",
            Self::Passed => "marquee; fwd=miss",
            Self::Bypassed => "marquee; fwd=bypass",
        })
    }

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Stored => "stored",
            Self::Revalidated => "revalidated",
            Self::Passed => "passed",
            Self::Bypassed => "bypassed",
        }
    }
}
