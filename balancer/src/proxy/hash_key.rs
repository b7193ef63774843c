//! What a request is placed by: the part of it that its route hashes on. Without one it is its affinity cookie, which is read when
//! an endpoint is to be chosen: what is answered from memory has no place.
//! A part that is missing or empty is no fault. Values are taken as they are written, not decoded, but for paths, which
//! were decoded at the edge.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::config::HashOn;
use crate::fleet::policy::hash;

/// A request, as far as it can say where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its decoded path.
    pub path: &'a str,
    /// What follows `?`.
    pub query: Option<&'a str>,
    /// Who sent it.
    pub client: IpAddr,
}

/// The key of the part that is hashed; none when that is left to the affinity cookie.
pub fn of(hash_on: &HashOn, parts: Parts<'_>) -> Option<u64> {
    match hash_on {
        HashOn::Nothing => Some(0),
        HashOn::Affinity => None,
        HashOn::Client => Some(of_client(parts.client)),
        HashOn::Cookie(name) => cookies(parts.headers, name).next().and_then(of_value),
        HashOn::Header(name) => parts.headers.get(name).and_then(|value| of_value(value.as_bytes())),
        HashOn::Query(name) => parts.query.and_then(|query| parameter(query, name)).and_then(of_value),
        HashOn::Path(number) => parts.path.split('/').nth(*number).and_then(|part| of_value(part.as_bytes())),
    }
}

fn of_value(value: &[u8]) -> Option<u64> {
    (!value.is_empty()).then(|| hash::hash(value))
}

/// A client has the same key whether it came by IPv4 or by IPv4 in IPv6.
fn of_client(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => hash::hash(&address.octets()),
        IpAddr::V6(address) => hash::hash(&address.octets()),
    }
}

/// The first value of a parameter.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a [u8]> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes())
}

/// Every value of a cookie, in the order they came.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let headers = headers.get_all(header::COOKIE).iter();
    let pairs = headers.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Whether there is a cookie with one of these names.
pub fn has_cookie(headers: &HeaderMap, names: &[String]) -> bool {
    names.iter().any(|name| cookies(headers, name).next().is_some())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(written: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = written
            .iter()
            .map(|(name, value)| (name.parse().expect("name"), HeaderValue::from_static(value)));
        pairs.collect()
    }

    fn key_of(hash_on: &str, headers: &HeaderMap, target: &str, client: &str) -> Option<u64> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let parts = Parts { headers, path, query, client: client.parse().expect("address") };
        of(&HashOn::parse(hash_on).expect(hash_on), parts)
    }

    /// For one request with everything in it.
    fn full(hash_on: &str) -> Option<u64> {
        let headers = headers(&[("cookie", "x=1; tenant=blue; tenant=red"), ("x-tenant", "blue")]);
        key_of(hash_on, &headers, "/api/blue/7?tenantx=1&tenant=blue&tenant=red", "10.1.2.3")
    }

    #[test]
    fn every_source_gives_the_key_of_its_value_and_the_affinity_cookie_is_left_for_later() {
        let of = |value: &[u8]| Some(hash::hash(value));
        for hash_on in ["cookie:tenant", "header:X-Tenant", "query:tenant", "path:2"] {
            assert_eq!(full(hash_on), of(b"blue"), "{hash_on}");
        }
        assert_eq!(full("client"), of(&[10, 1, 2, 3]));
        assert_eq!(full("path:3"), of(b"7"));
        assert_eq!(full("affinity"), None);
    }

    #[test]
    fn an_address_is_the_same_in_either_notation() {
        let of = |client| key_of("client", &HeaderMap::new(), "/", client);
        assert_eq!(of("10.1.2.3"), of("::ffff:10.1.2.3"));
        assert_ne!(of("10.1.2.3"), of("10.1.2.4"));
    }

    #[test]
    fn what_is_missing_or_empty_falls_back_to_the_affinity_cookie() {
        let empty = headers(&[("cookie", "tenant="), ("x-tenant", "")]);
        for hash_on in ["cookie:tenant", "header:x-tenant", "query:tenant", "path:2", "path:9"] {
            for headers in [&HeaderMap::new(), &empty] {
                assert_eq!(key_of(hash_on, headers, "/api/?tenant=", "10.1.2.3"), None, "{hash_on}");
            }
        }
    }

    #[test]
    fn a_policy_that_does_not_hash_costs_nothing() {
        let headers = HeaderMap::new();
        let parts =
            Parts { headers: &headers, path: "/", query: None, client: "::1".parse().expect("address") };
        assert_eq!(of(&HashOn::Nothing, parts), Some(0));
    }
}
