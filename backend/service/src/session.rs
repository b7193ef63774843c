//! Who is asking: an opaque signed cookie, issued with the first private answer.
//!
//! `session=<id>.<mac>`: 128 random bits and their HMAC-SHA256. Under TLS (as the balancer reports it) the cookie is
//! `__Host-session` with `Secure`. Publicly cacheable answers never carry it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use cookie::{Cookie, SameSite};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use sha2::Sha256;

use crate::problem::Problem;

/// Where the key comes from.
pub const KEY_VARIABLE: &str = "MARQUEE_SESSION_KEY";
/// The shortest key taken.
pub const KEY_CHARACTERS_MIN: usize = 32;
const COOKIE: &str = "session";
const COOKIE_SECURE: &str = "__Host-session";
/// Half of the HMAC is kept: 128 bits are enough to make guessing hopeless.
const MAC_BYTES: usize = 16;
const LIFETIME_DAYS: i64 = 30;

/// The session of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session(pub Arc<str>);

/// Signs and checks session cookies. The first key signs; all are believed, so that a key can be rotated.
#[derive(Clone)]
pub struct SessionKeys(Arc<[Hmac<Sha256>]>);

impl SessionKeys {
    /// From comma-separated keys, newest first.
    pub fn parse(keys: &str) -> anyhow::Result<Self> {
        let keys: Vec<_> = keys.split(',').map(str::trim).filter(|key| !key.is_empty()).collect();
        anyhow::ensure!(
            !keys.is_empty() && keys.iter().all(|key| key.len() >= KEY_CHARACTERS_MIN),
            "{KEY_VARIABLE} must hold one or more comma-separated keys of at least {KEY_CHARACTERS_MIN} characters, the same for all services"
        );
        let hmac = |key: &&str| Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        Ok(Self(keys.iter().map(hmac).collect()))
    }

    /// From the environment.
    pub fn from_environment() -> anyhow::Result<Self> {
        Self::parse(&std::env::var(KEY_VARIABLE).unwrap_or_default())
    }

    /// The cookie's value for a session.
    pub fn sign(&self, session: &Session) -> String {
        let key = self.0.first().expect("parse lets no empty list through");
        let mac = key.clone().chain_update(session.0.as_bytes()).finalize().into_bytes();
        format!("{}.{}", session.0, BASE32_NOPAD.encode(&mac[..MAC_BYTES]).to_lowercase())
    }

    /// The session of a cookie's value, when one of our keys signed it.
    pub fn verify(&self, value: &str) -> Option<Session> {
        let (id, mac) = value.split_once('.')?;
        let mac = BASE32_NOPAD.decode(mac.to_uppercase().as_bytes()).ok()?;
        let signed = mac.len() == MAC_BYTES
            && self
                .0
                .iter()
                .any(|key| key.clone().chain_update(id.as_bytes()).verify_truncated_left(&mac).is_ok());
        signed.then(|| Session(id.into()))
    }
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SessionKeys({})", self.0.len())
    }
}

/// Middleware: finds the session or begins one, and sets its cookie with the answer.
pub async fn recognise(State(keys): State<SessionKeys>, mut request: Request, next: Next) -> Response {
    let secure = request.headers().get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let name = if secure { COOKIE_SECURE } else { COOKIE };
    let known = find(request.headers(), name, &keys);
    let session = known.clone().unwrap_or_else(begin);
    request.extensions_mut().insert(session.clone());
    let mut response = next.run(request).await;
    if known.is_none() && !publicly_cacheable(response.headers()) {
        let cookie = issue(name, keys.sign(&session), secure);
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn find(headers: &HeaderMap, name: &str, keys: &SessionKeys) -> Option<Session> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).and_then(|cookie| keys.verify(cookie.value()))
}

fn begin() -> Session {
    Session(uuid::Uuid::new_v4().simple().to_string().into())
}

fn issue(name: &'static str, value: String, secure: bool) -> String {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::days(LIFETIME_DAYS))
        .build()
        .to_string()
}

fn publicly_cacheable(headers: &HeaderMap) -> bool {
    headers
        .get(header::CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("public"))
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a handler wants a session behind a route that has none");
            Problem::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn a_signed_session_is_believed_and_a_tampered_one_is_not() {
        let keys = SessionKeys::parse(OLD).expect("the key is long enough");
        let session = begin();
        let value = keys.sign(&session);
        assert_eq!(keys.verify(&value), Some(session));
        assert_eq!(keys.verify(&value.replacen(|c: char| c.is_ascii_hexdigit(), "g", 1)), None);
        for broken in ["", ".", "abc", "abc.", "abc.zzzz", &value[..value.len() - 1]] {
            assert_eq!(keys.verify(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_rotated_key_still_believes_what_the_old_one_signed() {
        let session = begin();
        let value = SessionKeys::parse(OLD).expect("good").sign(&session);
        let rotated = SessionKeys::parse(&format!("{NEW}, {OLD}")).expect("good");
        assert_eq!(rotated.verify(&value), Some(session));
        assert_eq!(SessionKeys::parse(NEW).expect("good").verify(&value), None);
    }

    #[test]
    fn a_short_or_missing_key_is_refused_with_the_way_out() {
        for keys in ["", " , ", "short", &format!("{OLD},short")] {
            let message = SessionKeys::parse(keys).expect_err("refused").to_string();
            assert!(message.contains(KEY_VARIABLE), "{message}");
        }
    }
}
