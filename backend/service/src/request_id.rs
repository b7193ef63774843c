//! The id of a request: made at the edge, carried through the fleet, named in every log line and problem.

use http::{HeaderMap, HeaderName};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken from outside; a longer one is replaced.
const BYTES_MAX: usize = 64;

tokio::task_local! {
    static ID: String;
}

/// The id of the request this task answers; empty outside of one.
pub fn id() -> String {
    ID.try_with(Clone::clone).unwrap_or_default()
}

/// Does `work` under an id.
pub fn scope<F: Future>(id: String, work: F) -> impl Future<Output = F::Output> {
    ID.scope(id, work)
}

/// The id a request came with, when it has the form of one.
pub fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(HEADER)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (!id.is_empty() && id.len() <= BYTES_MAX && id.bytes().all(plain)).then(|| id.to_owned())
}
