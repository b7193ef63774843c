//! What is let in and let out: size of the header, framing that can only be read one way, fields of one connection only.
//! It must not look at routes.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::answer::Problem;
use super::upgrade;
use crate::config;
use crate::fields::{self, KEEP_ALIVE, PROXY_CONNECTION};

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const TO_OTHERS_ORIGIN_ALONE: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("SAMEORIGIN");

/// Makes an HTTP/2 request read as one of HTTP/1.1: `Host` says which authority is asked, and the pieces of `Cookie` are one again
/// (RFC 9113, 8.3.1 and 8.2.3). Offers of any protocol but WebSocket are gone.
pub fn unify(request: &mut RequestHeader) -> Result<()> {
    let second = request.version == Version::HTTP_2;
    let authority = request.uri.authority().filter(|_| second);
    let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    fields::change_request(request, |fields| {
        upgrade::ignore_other_protocols(fields);
        if let Some(host) = host {
            fields.insert(header::HOST, host);
        }
        if second {
            join_cookies(fields);
        }
    })
}

fn join_cookies(fields: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        fields.insert(header::COOKIE, whole);
    }
}

/// Refuses a header that is too large, or that could be read in two ways, itself or its body.
pub fn check(session: &Session, edge: &config::Edge) -> std::result::Result<(), Problem> {
    let request = session.req_header();
    check_size(session, edge)?;
    if request.version == Version::HTTP_2 {
        // Its framing is not text: there is no second way to read it.
        return Ok(());
    }
    let raw = session.to_h1_raw();
    if ambiguous_lines(&raw) {
        return Err(Problem::bad_request("every header line must end in CRLF, and be one line"));
    }
    let framing = Framing::of(&request.headers);
    if request.version == Version::HTTP_11 && framing.hosts == 0 {
        return Err(Problem::bad_request("Host is missing"));
    }
    // Pingora drops Content-Length when both are there, so only the raw header still tells.
    if framing.encodings > 0 && raw_has_field(&raw, b"content-length") {
        return Err(Problem::bad_request("Content-Length and Transfer-Encoding must not come together"));
    }
    if session.is_upgrade_req() && (framing.encodings > 0 || framing.length) {
        return Err(Problem::bad_request("a request to upgrade must not have a body"));
    }
    if framing.encodings > 1 || framing.hosts > 1 {
        return Err(Problem::bad_request("Host and Transfer-Encoding must not be repeated"));
    }
    Ok(())
}

/// What says whose a request is, and where its body ends.
#[derive(Default)]
struct Framing {
    hosts: usize,
    encodings: usize,
    /// Its body has a length other than zero.
    length: bool,
}

impl Framing {
    /// In one look at all fields.
    fn of(fields: &HeaderMap) -> Self {
        let mut framing = Self::default();
        for (name, value) in fields {
            framing.hosts += usize::from(name == header::HOST);
            framing.encodings += usize::from(name == header::TRANSFER_ENCODING);
            framing.length |= name == header::CONTENT_LENGTH && value.as_bytes() != b"0";
        }
        framing
    }
}

/// Whether no next request may follow this one: Pingora is lenient in how chunks may be written, so somebody in front may see their
/// end elsewhere, and what that one takes for a body must not be taken for a request here.
pub fn ends_connection(request: &RequestHeader) -> bool {
    request.version != Version::HTTP_2 && request.headers.contains_key(header::TRANSFER_ENCODING)
}

fn check_size(session: &Session, edge: &config::Edge) -> std::result::Result<(), Problem> {
    let request = session.req_header();
    if request.raw_path().len() > edge.uri_bytes_max {
        return Err(Problem::uri_too_long(edge.uri_bytes_max));
    }
    let bytes = match request.version {
        Version::HTTP_2 => unpacked_bytes(request),
        _ => session.to_h1_raw().len(),
    };
    if bytes > edge.header_bytes_max || request.headers.len() > edge.header_fields_max {
        return Err(Problem::headers_too_large(edge.header_bytes_max, edge.header_fields_max));
    }
    Ok(())
}

/// What a header of HTTP/2 would have as text, near enough.
fn unpacked_bytes(request: &RequestHeader) -> usize {
    let fields =
        request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    request.raw_path().len() + fields.sum::<usize>()
}

/// Whether a line ends in a bare LF, or continues the one before it: what is one field to one reader is another to the next.
fn ambiguous_lines(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', raw).any(|end| {
        let bare = end == 0 || raw[end - 1] != b'\r';
        bare || matches!(raw.get(end + 1), Some(b' ' | b'\t'))
    })
}

/// Refuses a body that already says it is too large; one that does not say is counted as it comes.
pub fn check_length(request: &RequestHeader, bytes_max: usize) -> std::result::Result<(), Problem> {
    let length = request.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // Pingora has refused lengths that are no number, apart from those that no machine word holds.
    match length.map(str::parse::<usize>) {
        None => Ok(()),
        Some(Ok(bytes)) if bytes <= bytes_max => Ok(()),
        Some(_) => Err(Problem::body_too_large(bytes_max)),
    }
}

fn raw_has_field(raw: &[u8], name: &[u8]) -> bool {
    let lines = raw.split(|byte| *byte == b'\n').skip(1);
    lines
        .filter_map(|line| line.split(|byte| *byte == b':').next())
        .any(|field| field.trim_ascii().eq_ignore_ascii_case(name))
}

/// Removes what an endpoint says about its own connection: the fields that are always that, and those that `Connection` names.
pub fn strip_hop_by_hop(response: &mut ResponseHeader) -> Result<()> {
    let switching = response.status == StatusCode::SWITCHING_PROTOCOLS;
    fields::change_response(response, |fields| {
        for name in named_by_connection(fields) {
            fields.remove(name);
        }
        for name in
            [&KEEP_ALIVE, &PROXY_CONNECTION, &header::PROXY_AUTHENTICATE, &header::TE, &header::TRAILER]
        {
            fields.remove(name);
        }
        if !switching {
            fields.remove(header::CONNECTION);
            fields.remove(header::UPGRADE);
        }
    })
}

/// The fields that `Connection` names, but for those that frame the body or agree on an upgrade.
fn named_by_connection(fields: &HeaderMap) -> Vec<HeaderName> {
    let lines = fields.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let names = lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok());
    let kept = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE, header::CONNECTION];
    names.filter(|name| !kept.contains(name)).collect()
}

/// Tells browsers to be careful, where the service has not told them already.
pub fn add_security(fields: &mut HeaderMap, edge: &config::Edge, secure: bool) {
    if edge.security_headers {
        fields.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(NOSNIFF);
        fields.entry(header::REFERRER_POLICY).or_insert(TO_OTHERS_ORIGIN_ALONE);
        if !says_who_frames(fields) {
            fields.entry(header::X_FRAME_OPTIONS).or_insert(SAME_ORIGIN);
        }
    }
    if let Some(hsts) = edge.hsts.as_ref().filter(|_| secure) {
        fields.entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}

fn says_who_frames(fields: &HeaderMap) -> bool {
    let mut policies = fields.get_all(header::CONTENT_SECURITY_POLICY).iter();
    policies.any(|policy| policy.to_str().is_ok_and(|policy| policy.contains("frame-ancestors")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_in_one_way() {
        let clear = "GET / HTTP/1.1\r\nhost: x\r\naccept: a\tb c\r\n\r\n";
        assert!(!ambiguous_lines(clear.as_bytes()));
        for (from, to) in [
            ("\r\nhost", "\nhost"),
            ("\r\n\r\n", "\r\n\n"),
            ("\r\nacc", "\r\n acc"),
            ("\r\nacc", "\r\n\tacc"),
        ] {
            assert!(ambiguous_lines(clear.replacen(from, to, 1).as_bytes()), "{to:?}");
        }
    }

    #[test]
    fn http_2_reads_as_http_1() {
        let mut request = RequestHeader::build("GET", b"/", None).expect("test request");
        request.set_version(Version::HTTP_2);
        request.set_uri("https://seats.example/".parse().expect("test URI"));
        for piece in ["a=1", "b=2; c=3"] {
            request.append_header(header::COOKIE, piece).expect("test header");
        }
        unify(&mut request).expect("unified");
        assert_eq!(request.headers["cookie"], "a=1; b=2; c=3");
        assert_eq!(request.headers["host"], "seats.example");
    }

    #[test]
    fn what_concerns_one_connection_is_removed() {
        let mut response = ResponseHeader::build(200, None).expect("test response");
        let fields = [
            ("connection", "close, X-Private"),
            ("connection", "content-length, keep-alive"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
            ("content-length", "0"),
            ("x-public", "1"),
        ];
        for (name, value) in fields {
            response.append_header(name, value).expect("test header");
        }
        strip_hop_by_hop(&mut response).expect("stripped");
        let left: Vec<&str> = response.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["content-length", "x-public"]);
    }

    #[test]
    fn raw_fields_are_found_whatever_their_case_and_line_ends() {
        let raw = b"POST / HTTP/1.1\r\nHost: x\nContent-LENGTH : 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(raw_has_field(raw, b"content-length"));
        assert!(!raw_has_field(b"POST /content-length: HTTP/1.1\r\nHost: x\r\n\r\n", b"content-length"));
    }
}
