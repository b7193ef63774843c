//! What requests are placed by, in the words of the file: `affinity`, `cookie:NAME`, `header:NAME`, `query:NAME`,
//! `path:N`, `client`. It must not look at a request.

use http::HeaderName;

use super::ConfigError;
use super::policy::Policy;
use super::reader::Reader;

/// The ways to write it.
const WAYS: &str = "`affinity`, `cookie:NAME`, `header:NAME`, `query:NAME`, `path:N` or `client`";
/// The last path segment that can be named.
const PATH_SEGMENT_MAX: usize = 32;

/// The part of a request that decides its endpoint, where the policy hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    /// The policy does not hash.
    Nothing,
    /// The balancer's own cookie.
    Affinity,
    /// A cookie of somebody else.
    Cookie(String),
    /// The first value of a header.
    Header(HeaderName),
    /// The first value of a query parameter.
    Query(String),
    /// A segment of the path, the first being 1.
    Path(usize),
    /// The client's address.
    Client,
}

impl HashOn {
    /// Reads one; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (source, name) = text.split_once(':').map_or((text, None), |(source, name)| (source, Some(name)));
        match (source, name) {
            ("affinity", None) => Ok(Self::Affinity),
            ("client", None) => Ok(Self::Client),
            ("cookie", Some(name)) if token(name) => Ok(Self::Cookie(name.to_owned())),
            ("query", Some(name)) if !name.is_empty() && !name.contains(['&', '=', '#', ' ']) => {
                Ok(Self::Query(name.to_owned()))
            }
            ("header", Some(name)) => name.parse().map(Self::Header).map_err(|_| {
                format!("`{name}` is not the name of a header; write one such as `header:x-tenant`")
            }),
            ("path", Some(number)) => segment(number),
            ("cookie" | "query", Some(name)) => {
                Err(format!("`{name}` is not the name of a {source}; write one such as `{source}:tenant`"))
            }
            _ => Err(format!("`{text}` is nothing to hash on; use {WAYS}")),
        }
    }
}

/// What a pool or a route hashes on; `otherwise` when it does not say.
pub(super) fn read(
    reader: &Reader<'_>,
    path: &[&str],
    written: Option<&str>,
    policy: Policy,
    otherwise: &HashOn,
) -> Result<HashOn, ConfigError> {
    match written {
        None if policy.hashes() => Ok(otherwise.clone()),
        None => Ok(HashOn::Nothing),
        Some(_) if !policy.hashes() => reader
            .wrong(path, "the policy of the pool does not hash; remove it, or use `ring_hash` or `maglev`"),
        Some(text) => HashOn::parse(text).or_else(|message| reader.wrong(path, message)),
    }
}

fn segment(number: &str) -> Result<HashOn, String> {
    match number.parse() {
        Ok(number) if (1..=PATH_SEGMENT_MAX).contains(&number) => Ok(HashOn::Path(number)),
        _ => Err(format!(
            "`{number}` is not a segment's number; the first is `path:1`, the last `path:{PATH_SEGMENT_MAX}`"
        )),
    }
}

/// Whether it can be the name of a cookie.
pub fn token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_read() {
        assert_eq!(HashOn::parse("affinity"), Ok(HashOn::Affinity));
        assert_eq!(HashOn::parse("client"), Ok(HashOn::Client));
        assert_eq!(HashOn::parse("cookie:tenant"), Ok(HashOn::Cookie("tenant".into())));
        assert_eq!(HashOn::parse("header:X-Tenant"), Ok(HashOn::Header(HeaderName::from_static("x-tenant"))));
        assert_eq!(HashOn::parse("query:show"), Ok(HashOn::Query("show".into())));
        assert_eq!(HashOn::parse("path:3"), Ok(HashOn::Path(3)));
    }

    #[test]
    fn a_wrong_one_says_what_would_be_right() {
        let cases = [
            ("", "`client`"),
            ("header", "`header:NAME`"),
            ("affinity:x", "`affinity`"),
            ("client:x", "`client`"),
            ("address", "`client`"),
            ("header:", "`header:x-tenant`"),
            ("header:x tenant", "`header:x-tenant`"),
            ("cookie:", "`cookie:tenant`"),
            ("cookie:a=b", "`cookie:tenant`"),
            ("query:", "`query:tenant`"),
            ("query:a&b", "`query:tenant`"),
            ("path:0", "`path:1`"),
            ("path:x", "`path:1`"),
            ("path:33", "`path:32`"),
        ];
        for (text, way_out) in cases {
            let error = HashOn::parse(text).expect_err(text);
            assert!(error.contains(way_out), "{text}: {error}");
        }
    }
}
