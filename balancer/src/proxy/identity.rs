//! Who sent a request, and by which names it is followed. Made once for each request, as the values that go into headers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::config;
use crate::fields::{
    TRACEPARENT, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP,
    X_REQUEST_ID,
};
use crate::operate::traces::Traces;

/// The value of a field that nobody sent.
const NOTHING: HeaderValue = HeaderValue::from_static("");
/// How a client may come.
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
/// Request ids of trusted senders may be this long.
const REQUEST_ID_LENGTH_MAX: usize = 64;

/// Who sent a request, and by which names it is followed.
#[derive(Debug)]
pub struct Identity {
    /// The client's address.
    pub client: IpAddr,
    /// The same as text.
    client_text: HeaderValue,
    /// Whether it speaks TLS with us, or with a trusted sender in front.
    pub secure: bool,
    /// `X-Forwarded-For` for the upstream.
    pub forwarded_for: HeaderValue,
    /// `X-Forwarded-Proto` for the upstream.
    pub forwarded_proto: HeaderValue,
    /// `X-Forwarded-Host` for the upstream.
    pub forwarded_host: HeaderValue,
    /// `X-Request-Id`, for the upstream and the client.
    pub request_id: RequestId,
    /// The trace this request belongs to.
    pub trace: Trace,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            client_text: NOTHING,
            secure: false,
            forwarded_for: NOTHING,
            forwarded_proto: HTTP,
            forwarded_host: NOTHING,
            request_id: RequestId(NOTHING),
            trace: Trace::default(),
        }
    }
}

impl Identity {
    /// Who this is. Forwarding headers, request ids and what was decided about a trace count only when a trusted sender wrote them.
    pub fn of(session: &Session, edge: &config::Edge, traces: Option<&Traces>) -> Self {
        let request = session.req_header();
        let sender = session.client_addr().and_then(|address| address.as_inet()).map(SocketAddr::ip);
        let sender = sender.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
        let trusted = edge.trusts(sender).then_some(request);
        let believed =
            |name: &HeaderName| trusted.and_then(|request| field(request, name)).filter(|value| one(value));

        let chain = trusted.and_then(|request| list(request, &X_FORWARDED_FOR));
        let own_proto = if by_tls(session) { HTTPS } else { HTTP };
        let forwarded_proto = believed(&X_FORWARDED_PROTO).cloned().unwrap_or(own_proto);
        let forwarded_host = believed(&X_FORWARDED_HOST).or_else(|| field(request, &header::HOST));
        let request_id = believed(&X_REQUEST_ID).filter(|id| well_formed(id));
        let sender_text = written(sender);
        let client = chain.as_deref().and_then(|chain| client_of(chain, edge));
        Self {
            client: client.unwrap_or(sender),
            client_text: client.map_or_else(|| sender_text.clone(), written),
            secure: forwarded_proto == HTTPS,
            forwarded_for: forwarded_for(chain.as_deref(), &sender_text),
            forwarded_proto,
            forwarded_host: forwarded_host.cloned().unwrap_or(NOTHING),
            request_id: request_id.map_or_else(RequestId::new, |id| RequestId(id.clone())),
            trace: Trace::of(field(request, &TRACEPARENT).map(text), trusted.is_some(), traces),
        }
    }
}

impl Identity {
    /// The client's address as text.
    pub fn client_text(&self) -> &str {
        text(&self.client_text)
    }

    /// Writes it into the fields for an endpoint, over what anybody else has written there.
    pub fn tell(&self, fields: &mut HeaderMap) {
        for name in [&header::FORWARDED, &X_REAL_IP, &X_FORWARDED_PORT] {
            fields.remove(name);
        }
        fields.insert(&X_FORWARDED_FOR, self.forwarded_for.clone());
        fields.insert(&X_FORWARDED_PROTO, self.forwarded_proto.clone());
        fields.insert(&X_FORWARDED_HOST, self.forwarded_host.clone());
        fields.insert(&X_REQUEST_ID, self.request_id.value().clone());
        fields.insert(&TRACEPARENT, self.trace.traceparent().clone());
    }
}

/// Whether the client came by TLS, up to here.
fn by_tls(session: &Session) -> bool {
    session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
}

/// A field that has one value, which is text; of several nobody can say which one counts.
fn field<'a>(request: &'a RequestHeader, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = request.headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(only), None) => Some(only).filter(|only| only.to_str().is_ok()),
        _ => None,
    }
}

/// A field that is a list: its lines in their order are one value (RFC 9110, 5.3).
fn list(request: &RequestHeader, name: &HeaderName) -> Option<String> {
    let lines: Result<Vec<&str>, _> = request.headers.get_all(name).iter().map(HeaderValue::to_str).collect();
    lines.ok().filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
}

fn one(value: &HeaderValue) -> bool {
    !value.as_bytes().contains(&b',')
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// The chain with the sender behind it.
fn forwarded_for(chain: Option<&str>, sender: &HeaderValue) -> HeaderValue {
    let Some(chain) = chain else { return sender.clone() };
    HeaderValue::try_from(format!("{chain}, {}", text(sender))).unwrap_or(NOTHING)
}

/// An address as text.
fn written(address: IpAddr) -> HeaderValue {
    match address {
        IpAddr::V4(address) => dotted(address.octets()),
        IpAddr::V6(address) => HeaderValue::try_from(address.to_string()).unwrap_or(NOTHING),
    }
}

/// Four numbers with points between. To format them takes as long as all else that is found out about a request.
fn dotted(octets: [u8; 4]) -> HeaderValue {
    let (mut text, mut length) = ([0; "255.255.255.255".len()], 0);
    let mut push = |byte| {
        text[length] = byte;
        length += 1;
    };
    for (index, octet) in octets.into_iter().enumerate() {
        if index > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    HeaderValue::from_bytes(&text[..length]).unwrap_or(NOTHING)
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

fn well_formed(id: &HeaderValue) -> bool {
    (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len())
        && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The name of one request.
#[derive(Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// 128 random bits.
    fn new() -> Self {
        let mut text = [0; 32];
        HEXLOWER.encode_mut(&rand::random::<u128>().to_be_bytes(), &mut text);
        Self(HeaderValue::from_bytes(&text).unwrap_or(NOTHING))
    }

    /// For a header.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// For a line or a body.
    pub fn as_str(&self) -> &str {
        text(&self.0)
    }
}

/// W3C trace context, level 1: the header for the upstream, with a parent id of our own.
#[derive(Debug)]
pub struct Trace {
    traceparent: HeaderValue,
    /// Who caused the request, where the trace does not begin here.
    cause: Option<u64>,
    sampled: bool,
}

impl Default for Trace {
    fn default() -> Self {
        Self { traceparent: NOTHING, cause: None, sampled: false }
    }
}

/// Where the parts of a `traceparent` of version 00 stand.
const TRACE_ID: std::ops::Range<usize> = 3..35;
const SPAN_ID: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;

impl Trace {
    /// Continues the trace of a well-formed header, and starts one otherwise. Whether it is recorded is decided here, unless a
    /// trusted sender has decided before.
    fn of(traceparent: Option<&str>, trusted: bool, traces: Option<&Traces>) -> Self {
        let mut own = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let given = traceparent.and_then(parse_traceparent);
        if let Some(given) = &given {
            own[TRACE_ID].copy_from_slice(given.trace_id.as_bytes());
        } else {
            HEXLOWER.encode_mut(&rand::random::<u128>().to_be_bytes(), &mut own[TRACE_ID]);
        }
        // An id of all zeros means none, so the low bit is set.
        let span_id = rand::random::<u64>() | 1;
        HEXLOWER.encode_mut(&span_id.to_be_bytes(), &mut own[SPAN_ID]);
        let decided = given.as_ref().filter(|_| trusted).map(|given| given.flags & 1 == 1);
        let sampled = decided.unwrap_or_else(|| traces.is_some_and(Traces::samples));
        own[FLAGS.start + 1] += u8::from(sampled);
        let cause = given.map(|given| given.span_id);
        Self { traceparent: HeaderValue::from_bytes(&own).unwrap_or(NOTHING), cause, sampled }
    }

    /// For a header.
    pub fn traceparent(&self) -> &HeaderValue {
        &self.traceparent
    }

    /// 32 hex digits; none before the request was read.
    pub fn trace_id(&self) -> &str {
        text(&self.traceparent).get(TRACE_ID).unwrap_or_default()
    }

    /// 16 hex digits: what the balancer did.
    pub fn span_id(&self) -> &str {
        text(&self.traceparent).get(SPAN_ID).unwrap_or_default()
    }

    /// The span that caused the request, where the trace does not begin here.
    pub fn cause(&self) -> Option<u64> {
        self.cause
    }

    /// Whether it is recorded.
    pub fn sampled(&self) -> bool {
        self.sampled
    }
}

/// A `traceparent` of version 00.
struct Given<'a> {
    trace_id: &'a str,
    span_id: u64,
    flags: u8,
}

fn parse_traceparent(text: &str) -> Option<Given<'_>> {
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
    let (span_id, flags) = (u64::from_str_radix(parent_id, 16).ok()?, u8::from_str_radix(flags, 16).ok()?);
    valid.then_some(Given { trace_id, span_id, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_or_started() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let trace = Trace::of(Some(given), false, None);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.cause(), Some(0x00f0_67aa_0ba9_02b7));
        let told = text(trace.traceparent());
        assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && told.ends_with("-00"), "{told}");
        assert_ne!(told, given);
        for wrong in ["", "00-0-0-00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let [trace, another] = [(); 2].map(|()| Trace::of(Some(wrong), false, None));
            assert!(parse_traceparent(text(trace.traceparent())).is_some(), "{trace:?}");
            assert_ne!(trace.trace_id(), another.trace_id());
            assert_eq!(trace.cause(), None);
        }
    }

    #[test]
    fn only_a_trusted_sender_decides_what_is_recorded() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (trusted, sampled) in [(true, true), (false, false)] {
            let trace = Trace::of(Some(given), trusted, None);
            assert_eq!(trace.sampled(), sampled);
            assert_eq!(text(trace.traceparent()).ends_with("-01"), sampled);
        }
    }

    #[test]
    fn an_address_is_written_as_everywhere() {
        for octets in [[0, 0, 0, 0], [127, 0, 0, 1], [9, 10, 99, 100], [255, 205, 250, 109]] {
            let address = IpAddr::from(octets);
            assert_eq!(written(address), address.to_string());
        }
        assert_eq!(written("2001:db8::1".parse().expect("test address")), "2001:db8::1");
    }

    #[test]
    fn request_ids_differ() {
        let (one, other) = (RequestId::new(), RequestId::new());
        assert_eq!(one.as_str().len(), 32);
        assert_ne!(one.as_str(), other.as_str());
    }
}
