//! Answers that everybody may share: JSON with a lifetime and a strong tag.

use axum::response::{IntoResponse, Response};
use data_encoding::BASE32_NOPAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// 80 bits of a hash tell two versions of a page apart.
const TAG_CHARACTERS: usize = 16;

/// `value` as JSON, for `max_age_seconds` in any cache; 304 to who has it already.
pub(crate) fn shared(request: &HeaderMap, max_age_seconds: u32, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("our answers have a JSON form");
    let mut answer = tagged(request, &tag(&body), move || body.into_response());
    let headers = answer.headers_mut();
    if headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, public(max_age_seconds));
    answer
}

/// The `Cache-Control` of what everybody may share.
pub(crate) fn public(max_age_seconds: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("public, max-age={max_age_seconds}")).expect("digits make a header")
}

/// A strong tag of these bytes.
pub(crate) fn tag(bytes: &[u8]) -> String {
    let hash = BASE32_NOPAD.encode(&Sha256::digest(bytes)).to_lowercase();
    format!("\"{}\"", &hash[..TAG_CHARACTERS])
}

/// `body` with its tag, or 304 when the client names the same tag.
pub(crate) fn tagged(request: &HeaderMap, tag: &str, body: impl FnOnce() -> Response) -> Response {
    let mut response = if known(request, tag) { StatusCode::NOT_MODIFIED.into_response() } else { body() };
    let value = HeaderValue::from_str(tag).expect("a tag is plain letters");
    response.headers_mut().insert(header::ETAG, value);
    response
}

fn known(request: &HeaderMap, tag: &str) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut named = lines.flat_map(|line| line.split(',')).map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_already_gets_no_body() {
        let first = shared(&HeaderMap::new(), 5, &[1]);
        assert_eq!((first.status(), &first.headers()[header::CACHE_CONTROL]), (StatusCode::OK, &public(5)));
        let tag = first.headers()[header::ETAG].clone();
        for (named, status) in [
            (tag.to_str().expect("text").to_owned(), StatusCode::NOT_MODIFIED),
            (format!("\"other\", W/{}", tag.to_str().expect("text")), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"other\"".to_owned(), StatusCode::OK),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&named).expect("a header"));
            let again = shared(&request, 5, &[1]);
            assert_eq!((again.status(), &again.headers()[header::ETAG]), (status, &tag), "{named}");
        }
    }
}
