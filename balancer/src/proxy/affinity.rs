//! The cookie that keeps a client on one endpoint: an opaque random value, hashed to a place on the ring.
//! It names nobody and no address, and it decides nothing but where a request goes.

use http::header;
use pingora::http::RequestHeader;

use crate::config;
use crate::fleet::policy::ring_hash;

/// Hex digits of a value: 128 random bits.
const VALUE_LENGTH: usize = 32;

/// Where on the ring a request belongs.
#[derive(Debug, Default)]
pub struct Affinity {
    /// The key to pick an endpoint with.
    pub key: u64,
    /// The value to give to a client that came without one.
    issued: Option<String>,
}

impl Affinity {
    /// The request's own value; a new one when it has none, or one that is not ours.
    pub fn of(request: &RequestHeader, settings: &config::Affinity) -> Self {
        if let Some(value) = presented(request, &settings.cookie) {
            return Self { key: ring_hash::hash(value), issued: None };
        }
        let value = format!("{:032x}", rand::random::<u128>());
        Self { key: ring_hash::hash(value.as_bytes()), issued: Some(value) }
    }

    /// The `Set-Cookie` for a new client.
    pub fn set_cookie(&self, settings: &config::Affinity) -> Option<String> {
        let value = self.issued.as_ref()?;
        let secure = if settings.secure { "; Secure" } else { "" };
        Some(format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", settings.cookie))
    }
}

/// The first well-formed value of our cookie.
fn presented<'a>(request: &'a RequestHeader, name: &str) -> Option<&'a [u8]> {
    let headers = request.headers.get_all(header::COOKIE).iter();
    let pairs = headers.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")).find(
        |value| {
            value.len() == VALUE_LENGTH
                && value.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "0123456789abcdef0123456789abcdef";

    fn of(cookie: Option<&str>) -> Affinity {
        let mut request = RequestHeader::build("GET", b"/", None).expect("test request");
        if let Some(cookie) = cookie {
            request.append_header("cookie", cookie).expect("test header");
        }
        Affinity::of(&request, &config::Affinity { cookie: "where".into(), secure: false })
    }

    #[test]
    fn a_known_client_keeps_its_place_and_gets_no_cookie() {
        let first = of(Some(&format!("a=b; where={VALUE}")));
        let again = of(Some(&format!("where={VALUE}; session=x")));
        assert_eq!(first.key, again.key);
        assert!(first.issued.is_none());
    }

    #[test]
    fn a_new_client_gets_the_value_it_was_placed_by() {
        let fresh = of(None);
        let value = fresh.issued.clone().expect("issued");
        assert_eq!(of(Some(&format!("where={value}"))).key, fresh.key);
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        for wrong in
            ["where=", "where=x", "where=0123", &format!("elsewhere={VALUE}"), &format!("where={VALUE}0")]
        {
            assert!(of(Some(wrong)).issued.is_some(), "{wrong} was taken");
        }
    }
}
