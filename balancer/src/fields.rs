//! Header fields: the names we use, made once, and a way to change several at a time.
//!
//! Pingora keeps how each name was written beside the fields themselves, and so each change of one parses its name and is made
//! twice. A name says the same however it is written (RFC 9110, 5.1): here that record is dropped, and fields are changed as
//! such.

use http::request::Parts as RequestParts;
use http::response::Parts as ResponseParts;
use http::{HeaderMap, HeaderName, Request, Response};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

/// `HTTP2-Settings` (RFC 7540, 3.2.1), which nobody needs any more.
pub static HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// `Idempotency-Key`.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Keep-Alive` (RFC 2068, 19.7.1.1).
pub static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy-Connection`, which nobody ever defined.
pub static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `Traceparent` (W3C trace context).
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `X-Forwarded-For`.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Host`.
pub static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Port`.
pub static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// `X-Forwarded-Proto`.
pub static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Real-IP`.
pub static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// `X-Request-Id`.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Changes the fields of a request.
pub fn change_request(header: &mut RequestHeader, change: impl FnOnce(&mut HeaderMap)) -> Result<()> {
    // A target that Pingora keeps beside the URI is lost with the record.
    let origin_form = header.raw_path().first() == Some(&b'/') && header.raw_path_is_utf8();
    let target = (!origin_form).then(|| header.raw_path().to_vec());
    let blank = RequestHeader::from(Request::new(()).into_parts().0);
    let mut parts = RequestParts::from(std::mem::replace(header, blank));
    change(&mut parts.headers);
    *header = RequestHeader::from(parts);
    target.map_or(Ok(()), |target| header.set_raw_path(&target))
}

/// Changes the fields of an answer.
pub fn change_response(header: &mut ResponseHeader, change: impl FnOnce(&mut HeaderMap)) -> Result<()> {
    let usual = header.status.canonical_reason();
    let reason = header.get_reason_phrase().filter(|reason| Some(*reason) != usual).map(str::to_owned);
    let blank = ResponseHeader::from(Response::new(()).into_parts().0);
    let mut parts = ResponseParts::from(std::mem::replace(header, blank));
    change(&mut parts.headers);
    *header = ResponseHeader::from(parts);
    reason.map_or(Ok(()), |reason| header.set_reason_phrase(Some(&reason)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;

    const ONE: HeaderValue = HeaderValue::from_static("1");

    fn set(fields: &mut HeaderMap) {
        fields.insert(&X_REQUEST_ID, ONE);
    }

    #[test]
    fn a_request_keeps_all_but_how_names_were_written() {
        for target in ["/a?b=c", "*", "http://seats.example/a", "/\u{e9}", "seats.example:80"] {
            let mut request = RequestHeader::build("PUT", target.as_bytes(), None).expect("test request");
            request.append_header("X-Kept", "2").expect("test header");
            change_request(&mut request, set).expect("changed");
            assert_eq!((request.method.as_str(), request.raw_path()), ("PUT", target.as_bytes()));
            assert_eq!(
                (&request.headers["x-kept"], &request.headers["x-request-id"]),
                (&"2".parse().expect("value"), &ONE)
            );
        }
        let mut request = RequestHeader::build("GET", b"/\xff", None).expect("test request");
        change_request(&mut request, |_| ()).expect("changed");
        assert_eq!((request.raw_path(), request.raw_path_is_utf8()), (&b"/\xff"[..], false));
    }

    #[test]
    fn an_answer_keeps_its_status_and_what_it_says_of_it() {
        let mut response = ResponseHeader::build(404, None).expect("test response");
        change_response(&mut response, set).expect("changed");
        assert_eq!(
            (response.status, response.get_reason_phrase()),
            (StatusCode::NOT_FOUND, Some("Not Found"))
        );
        response.set_reason_phrase(Some("Sold Out")).expect("test reason");
        change_response(&mut response, |_| ()).expect("changed");
        assert_eq!(response.get_reason_phrase(), Some("Sold Out"));
    }
}
