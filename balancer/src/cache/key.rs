//! Which requests share an answer: scheme, host, method, path and query; and `Accept-Encoding` where an
//! answer says that it varies by it.

use http::header;
use pingora::cache::key::HashBinary;
use pingora::cache::{CacheKey, CacheMeta, VarianceBuilder};
use pingora::http::RequestHeader;

/// The public listener speaks only this; TLS, when there is some, ends in front of it.
const SCHEME: &str = "http";

/// The key of a request. HEAD shares the answer to GET, which is what is fetched for it.
pub fn of(request: &RequestHeader) -> CacheKey {
    let host = request.headers.get(header::HOST).map_or(&[][..], |host| host.as_bytes());
    let parts = [SCHEME.as_bytes(), &host.to_ascii_lowercase(), b"GET", request.raw_path()];
    let mut primary = Vec::with_capacity(64 + request.raw_path().len());
    for part in parts {
        // Lengths first, so that no two different lists of parts read the same.
        primary.extend_from_slice(&(part.len() as u64).to_be_bytes());
        primary.extend_from_slice(part);
    }
    CacheKey::new(primary, "")
}

/// Tells apart what one URL answers to different requests. Only `Accept-Encoding` ever gets this far.
pub fn variance(stored: &CacheMeta, request: &RequestHeader) -> Option<HashBinary> {
    stored.headers().get(header::VARY)?;
    let mut accepted = Vec::new();
    for value in request.headers.get_all(header::ACCEPT_ENCODING) {
        accepted.extend_from_slice(&value.as_bytes().to_ascii_lowercase());
        accepted.push(b',');
    }
    let mut variance = VarianceBuilder::new();
    variance.add_owned_value("accept-encoding", accepted);
    variance.finalize()
}

#[cfg(test)]
mod tests {
    use pingora::cache::key::CacheHashKey;

    use super::*;

    fn key(method: &str, path: &str, host: &str) -> HashBinary {
        let mut request = RequestHeader::build(method, path.as_bytes(), None).expect("test request");
        request.insert_header("host", host).expect("test header");
        of(&request).primary_bin()
    }

    #[test]
    fn host_path_and_query_tell_apart_and_case_of_host_does_not() {
        let base = key("GET", "/a?b=1", "x");
        assert_eq!(base, key("HEAD", "/a?b=1", "X"));
        assert_ne!(base, key("GET", "/a?b=2", "x"));
        assert_ne!(base, key("GET", "/a", "x"));
        assert_ne!(base, key("GET", "/a?b=1", "y"));
    }
}
