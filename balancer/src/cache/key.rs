//! Which requests share an answer: scheme, host, method, path and query; and where an answer says by what else it varies, that.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

use http::header;
use pingora::cache::key::HashBinary;
use pingora::cache::{CacheKey, CacheMeta};
use pingora::http::RequestHeader;

use super::vary;

/// Secrets of this process: whoever asks can neither compute a hash nor look for two requests that share one.
static SECRETS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// The key of a request. HEAD shares the answer to GET, which is what is fetched for it. By which scheme it was asked is told to the
/// service, which may send whoever comes without TLS elsewhere.
pub fn of(request: &RequestHeader, secure: bool) -> CacheKey {
    let host = request.headers.get(header::HOST).map_or(&[][..], |host| host.as_bytes());
    with_hash(hash_of(secure, host, request.raw_path()))
}

/// The hash of what GET asks for by this scheme, at this host, with this path and query.
pub fn hash_of(secure: bool, host: &[u8], path_and_query: &[u8]) -> HashBinary {
    let scheme: &[u8] = if secure { b"https" } else { b"http" };
    let lower = host.iter().any(u8::is_ascii_uppercase).then(|| host.to_ascii_lowercase());
    let host = lower.as_deref().unwrap_or(host);
    let half = |secret: &RandomState| {
        let mut hasher = secret.build_hasher();
        // Lengths first, so that no two different lists of parts read the same.
        for part in [scheme, host, b"GET", path_and_query] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        u128::from(hasher.finish())
    };
    (half(&SECRETS[0]) << 64 | half(&SECRETS[1])).to_be_bytes()
}

fn with_hash(hash: HashBinary) -> CacheKey {
    let mut key = CacheKey::new(Vec::new(), "");
    key.set_primary_bin_override(hash);
    key
}

/// Tells apart what one URL answers to different requests.
pub fn variance(stored: &CacheMeta, request: &RequestHeader) -> Option<HashBinary> {
    let selects = vary::selects(stored.headers(), &request.headers)?;
    let half = |secret: &RandomState| u128::from(secret.hash_one(&selects));
    Some((half(&SECRETS[0]) << 64 | half(&SECRETS[1])).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use pingora::cache::key::CacheHashKey;

    use super::*;

    fn request(method: &str, path: &str, host: &str) -> RequestHeader {
        let mut request = RequestHeader::build(method, path.as_bytes(), None).expect("test request");
        request.insert_header("host", host).expect("test header");
        request
    }

    fn key(method: &str, path: &str, host: &str) -> HashBinary {
        of(&request(method, path, host), false).primary_bin()
    }

    #[test]
    fn what_was_asked_by_tls_is_kept_apart() {
        let request = request("GET", "/a", "x");
        assert_ne!(of(&request, true).primary_bin(), of(&request, false).primary_bin());
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
