//! From HTTP to a bare connection: who may have one, the answer to the handshake, and what is left of the request.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Where the balancer says which host it was asked for, when somebody before it changed `Host`.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// Whether a page of this origin may open a socket here: one of the host that was asked, or one that is `allowed`. What has no
/// origin is no browser, and carries nobody's cookies but its own.
pub fn welcome(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let Ok(origin) = origin.to_str() else { return false };
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) || same_host(origin, headers)
}

fn same_host(origin: &str, headers: &HeaderMap) -> bool {
    let host = origin.split_once("://").and_then(|(_, host)| host.parse::<Authority>().ok());
    let asked = [header::HOST.as_str(), FORWARDED_HOST].into_iter().filter_map(|name| headers.get(name));
    let mut asked = asked.filter_map(|asked| asked.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| asked.any(|asked| asked == host))
}

/// The answer that makes a socket of the connection; `key` is the request's `Sec-WebSocket-Key`.
pub fn agreed(key: &HeaderValue) -> Option<Response> {
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok()?;
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Some((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// The connection after the answer, and what the client has sent already. Nothing when the client has gone.
pub async fn bare(upgrade: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> bool {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_static(value));
        }
        welcome(&all, &["https://partner.example".to_owned()])
    }

    #[test]
    fn pages_of_our_own_host_and_of_those_allowed_are_welcome_and_no_others() {
        let host = ("host", "tickets.example");
        assert!(asked(&[host]), "not a browser");
        for origin in ["https://tickets.example", "http://Tickets.example", "https://partner.example"] {
            assert!(asked(&[host, ("origin", origin)]), "{origin}");
        }
        let others = [
            "https://evil.example",
            "https://tickets.example.evil.example",
            "https://tickets.example:8443",
            "https://partner.example:1",
            "http://partner.example",
            "tickets.example",
            "null",
            "",
        ];
        for origin in others {
            assert!(!asked(&[host, ("origin", origin)]), "{origin}");
        }
        let port = [("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")];
        assert!(asked(&port));
        assert!(asked(&[
            ("host", "10.0.0.7:7201"),
            ("x-forwarded-host", "tickets.example"),
            ("origin", "https://tickets.example")
        ]));
        assert!(!asked(&[host, ("origin", "https://tickets.example"), ("origin", "https://evil.example")]));
    }
}
