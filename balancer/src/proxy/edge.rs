//! What is let in: size of the header, framing that can only be read one way, who the client is.
//! It must not look at routes.

use std::net::{IpAddr, Ipv4Addr};

use http::header;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::answer::Problem;
use crate::config;

/// Who sent a request, and by which names it is followed.
#[derive(Debug)]
pub struct Identity {
    /// The client's address.
    pub client: IpAddr,
    /// `X-Forwarded-For` for the upstream.
    pub forwarded_for: String,
    /// `X-Forwarded-Proto` for the upstream.
    pub forwarded_proto: String,
    /// `X-Forwarded-Host` for the upstream.
    pub forwarded_host: String,
    /// `X-Request-Id`, for the upstream and the client.
    pub request_id: String,
    /// The trace this request belongs to.
    pub trace: Trace,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            forwarded_for: String::new(),
            forwarded_proto: String::new(),
            forwarded_host: String::new(),
            request_id: String::new(),
            trace: Trace::default(),
        }
    }
}

/// W3C trace context, level 1.
#[derive(Debug, Default)]
pub struct Trace {
    /// 32 hex digits.
    pub trace_id: String,
    /// The header for the upstream, with a parent id of our own.
    pub traceparent: String,
}

/// Request ids of trusted senders may be this long.
const REQUEST_ID_LENGTH_MAX: usize = 64;

/// Refuses a header that is too large or whose body could be framed in two ways.
pub fn check(session: &Session, edge: &config::Edge) -> Result<(), Problem> {
    let raw = session.to_h1_raw();
    let request = session.req_header();
    if raw.len() > edge.header_bytes_max || request.headers.len() > edge.header_fields_max {
        return Err(Problem::headers_too_large(edge.header_bytes_max, edge.header_fields_max));
    }
    // Pingora drops Content-Length when both are there, so only the raw header still tells.
    if request.headers.contains_key(header::TRANSFER_ENCODING) && raw_has_field(&raw, b"content-length") {
        return Err(Problem::bad_request("Content-Length and Transfer-Encoding must not come together"));
    }
    let body = request.headers.contains_key(header::TRANSFER_ENCODING) || has_length(request);
    if session.is_upgrade_req() && body {
        return Err(Problem::bad_request("a request to upgrade must not have a body"));
    }
    if request.headers.get_all(header::TRANSFER_ENCODING).iter().count() > 1
        || request.headers.get_all(header::HOST).iter().count() > 1
    {
        return Err(Problem::bad_request("Host and Transfer-Encoding must not be repeated"));
    }
    Ok(())
}

/// Refuses a body that already says it is too large; one that does not say is counted as it comes.
pub fn check_length(request: &RequestHeader, bytes_max: usize) -> Result<(), Problem> {
    let length = request.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // Pingora has refused lengths that are no number, apart from those that no machine word holds.
    match length.map(str::parse::<usize>) {
        None => Ok(()),
        Some(Ok(bytes)) if bytes <= bytes_max => Ok(()),
        Some(_) => Err(Problem::body_too_large(bytes_max)),
    }
}

fn has_length(request: &RequestHeader) -> bool {
    request.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

fn raw_has_field(raw: &[u8], name: &[u8]) -> bool {
    let lines = raw.split(|byte| *byte == b'\n').skip(1);
    lines
        .filter_map(|line| line.split(|byte| *byte == b':').next())
        .any(|field| field.trim_ascii().eq_ignore_ascii_case(name))
}

/// Who this is. Forwarding headers and request ids count only when a trusted sender wrote them.
pub fn identify(session: &Session, edge: &config::Edge) -> Identity {
    let request = session.req_header();
    let sender = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let sender = sender.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let trusted = edge.trusts(sender).then_some(request);
    let believed =
        |name: &str| trusted.and_then(|request| field(request, name)).filter(|value| !value.contains(','));

    let chain = trusted.and_then(|request| list(request, "x-forwarded-for"));
    Identity {
        client: chain.as_deref().and_then(|chain| client_of(chain, edge)).unwrap_or(sender),
        forwarded_for: chain.map_or_else(|| sender.to_string(), |chain| format!("{chain}, {sender}")),
        forwarded_proto: believed("x-forwarded-proto").unwrap_or("http").to_owned(),
        forwarded_host: believed("x-forwarded-host")
            .or_else(|| field(request, "host"))
            .unwrap_or_default()
            .to_owned(),
        request_id: believed("x-request-id").filter(|id| well_formed(id)).map_or_else(new_id, str::to_owned),
        trace: Trace::of(field(request, "traceparent")),
    }
}

/// A field that has one value; of several nobody can say which one counts.
fn field<'a>(request: &'a RequestHeader, name: &str) -> Option<&'a str> {
    let mut lines = request.headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}

/// A field that is a list: its lines in their order are one value (RFC 9110, 5.3).
fn list(request: &RequestHeader, name: &str) -> Option<String> {
    let lines: Result<Vec<&str>, _> =
        request.headers.get_all(name).iter().map(http::HeaderValue::to_str).collect();
    lines.ok().filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
}

/// The last address of the chain that is not one of our own proxies.
fn client_of(chain: &str, edge: &config::Edge) -> Option<IpAddr> {
    let addresses = chain.rsplit(',').map_while(|address| address.trim().parse::<IpAddr>().ok());
    let mut client = None;
    for address in addresses {
        client = Some(address);
        if !edge.trusts(address) {
            break;
        }
    }
    client
}

fn well_formed(id: &str) -> bool {
    (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Trace {
    /// Continues the trace of a well-formed header, and starts one otherwise.
    fn of(traceparent: Option<&str>) -> Self {
        let continued = traceparent.and_then(parse_traceparent);
        let (trace_id, flags) =
            continued.map_or_else(|| (new_id(), "01".into()), |(id, flags)| (id.into(), flags.to_owned()));
        // An id of all zeros means none, so the low bit is set.
        let parent_id = rand::random::<u64>() | 1;
        Self { traceparent: format!("00-{trace_id}-{parent_id:016x}-{flags}"), trace_id }
    }
}

/// Trace id and flags of a `traceparent` of version 00.
fn parse_traceparent(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let set = |text: &str| text.bytes().any(|b| b != b'0');
    let valid = version == "00"
        && parts.next().is_none()
        && hex(trace_id, 32)
        && set(trace_id)
        && hex(parent_id, 16)
        && set(parent_id)
        && hex(flags, 2);
    valid.then_some((trace_id, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_or_started() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::of(Some(given));
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(trace.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_ne!(trace.traceparent, given);
        for wrong in ["", "00-0-0-00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let trace = Trace::of(Some(wrong));
            assert!(parse_traceparent(&trace.traceparent).is_some(), "{}", trace.traceparent);
        }
    }

    #[test]
    fn raw_fields_are_found_whatever_their_case_and_line_ends() {
        let raw = b"POST / HTTP/1.1\r\nHost: x\nContent-LENGTH : 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(raw_has_field(raw, b"content-length"));
        assert!(!raw_has_field(b"POST /content-length: HTTP/1.1\r\nHost: x\r\n\r\n", b"content-length"));
    }
}
