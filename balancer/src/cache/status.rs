//! `Cache-Status` (RFC 9211): what the cache did, for whoever debugs, and one word for metrics and logs. Pure.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use pingora::cache::{CachePhase, NoCacheReason};

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store.
    Hit,
    /// Answered from what another request fetched meanwhile.
    Collapsed,
    /// Answered from the store although it was no longer fresh, while it is fetched anew.
    Updating,
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
    /// All, in the order of [`Outcome::index`].
    pub const ALL: [Self; 8] = [
        Self::Hit,
        Self::Collapsed,
        Self::Updating,
        Self::Stale,
        Self::Stored,
        Self::Revalidated,
        Self::Passed,
        Self::Bypassed,
    ];

    /// What a phase of Pingora's cache amounts to when the answer's header is about to leave; `taken` when the store takes it in,
    /// `waited` when another request was waited for.
    pub fn of(phase: CachePhase, taken: bool, waited: bool) -> Self {
        match phase {
            CachePhase::Hit if waited => Self::Collapsed,
            CachePhase::Hit => Self::Hit,
            CachePhase::StaleUpdating => Self::Updating,
            CachePhase::Stale => Self::Stale,
            CachePhase::Miss | CachePhase::Expired if taken => Self::Stored,
            CachePhase::Revalidated | CachePhase::RevalidatedNoCache(_) => Self::Revalidated,
            CachePhase::Disabled(NoCacheReason::NeverEnabled) => Self::Bypassed,
            _ => Self::Passed,
        }
    }

    /// Whether the answer came from the store.
    pub fn from_store(self) -> bool {
        matches!(self, Self::Hit | Self::Collapsed | Self::Updating | Self::Stale)
    }

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Collapsed => "collapsed",
            Self::Updating => "updating",
            Self::Stale => "stale",
            Self::Stored => "stored",
            Self::Revalidated => "revalidated",
            Self::Passed => "passed",
            Self::Bypassed => "bypassed",
        }
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Why a request went to the upstream (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The cache does not handle such requests, or knows that the answer cannot be stored.
    Bypass,
    /// The cache does not handle this method.
    Method,
    /// Nothing is stored for the URL.
    UriMiss,
    /// Something is stored for the URL, but not for this request.
    VaryMiss,
    /// Nothing that can be used is stored.
    Miss,
    /// What is stored is no longer fresh.
    Stale,
}

impl Forward {
    /// Why a request in this phase goes to the upstream; `variant` when it asks for one of several answers.
    pub fn of(phase: CachePhase, method: &Method, variant: bool) -> Self {
        let cacheable = matches!(*method, Method::GET | Method::HEAD);
        match phase {
            CachePhase::Disabled(NoCacheReason::NeverEnabled) if !cacheable => Self::Method,
            CachePhase::Disabled(NoCacheReason::NeverEnabled) | CachePhase::Bypass => Self::Bypass,
            CachePhase::Stale | CachePhase::StaleUpdating => Self::Stale,
            CachePhase::Miss if variant => Self::VaryMiss,
            CachePhase::Miss => Self::UriMiss,
            _ => Self::Miss,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

/// What is said about one answer.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// What the cache did.
    pub outcome: Outcome,
    /// Why the upstream was asked, if it was.
    pub forward: Option<Forward>,
    /// What the upstream answered, where the client gets another status.
    pub forward_status: Option<StatusCode>,
    /// For how many seconds the answer is fresh; less than none when it no longer is.
    pub ttl: Option<i64>,
}

impl Status {
    /// The field's value.
    pub fn header(&self) -> HeaderValue {
        let mut text = String::with_capacity(64);
        text.push_str("marquee");
        // A string takes all that is written.
        let _ = self.write(&mut text);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("marquee"))
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        match (self.outcome, self.forward) {
            (Outcome::Hit | Outcome::Updating, _) => text.push_str("; hit"),
            (Outcome::Collapsed, _) => text.push_str("; fwd=miss; collapsed"),
            (_, Some(forward)) => write!(text, "; fwd={}", forward.name())?,
            (_, None) => text.push_str("; fwd=miss"),
        }
        if let Some(status) = self.forward_status {
            write!(text, "; fwd-status={}", status.as_u16())?;
        }
        if self.outcome == Outcome::Stored {
            text.push_str("; stored");
        }
        if let Some(ttl) = self.ttl {
            write!(text, "; ttl={ttl}")?;
        }
        match self.outcome {
            Outcome::Updating => text.push_str("; detail=stale-while-revalidate"),
            Outcome::Stale => text.push_str("; detail=stale-if-error"),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outcome: Outcome, forward: Option<Forward>, status: Option<u16>, ttl: Option<i64>) -> String {
        let forward_status = status.map(|status| StatusCode::from_u16(status).expect("test status"));
        let header = Status { outcome, forward, forward_status, ttl }.header();
        header.to_str().expect("text").to_owned()
    }

    #[test]
    fn rfc9211_2_each_outcome_in_its_words() {
        assert_eq!(text(Outcome::Hit, None, None, Some(60)), "marquee; hit; ttl=60");
        let collapsed = text(Outcome::Collapsed, None, None, Some(5));
        assert_eq!(collapsed, "marquee; fwd=miss; collapsed; ttl=5");
        let updating = text(Outcome::Updating, None, None, Some(-5));
        assert_eq!(updating, "marquee; hit; ttl=-5; detail=stale-while-revalidate");
        let stale = text(Outcome::Stale, Some(Forward::Stale), Some(503), Some(-5));
        assert_eq!(stale, "marquee; fwd=stale; fwd-status=503; ttl=-5; detail=stale-if-error");
        let stored = text(Outcome::Stored, Some(Forward::UriMiss), None, Some(60));
        assert_eq!(stored, "marquee; fwd=uri-miss; stored; ttl=60");
        let confirmed = text(Outcome::Revalidated, Some(Forward::Stale), Some(304), Some(60));
        assert_eq!(confirmed, "marquee; fwd=stale; fwd-status=304; ttl=60");
        assert_eq!(text(Outcome::Passed, Some(Forward::VaryMiss), None, None), "marquee; fwd=vary-miss");
        assert_eq!(text(Outcome::Bypassed, Some(Forward::Method), None, None), "marquee; fwd=method");
    }

    #[test]
    fn indexes_are_places() {
        assert!(Outcome::ALL.iter().enumerate().all(|(index, outcome)| outcome.index() == index));
    }
}
