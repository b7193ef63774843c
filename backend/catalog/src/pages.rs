//! The web client: one page for all its addresses, and its files, all built into the program.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use service::json::Path;
use service::problem::Problem;

use crate::answer;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Web;

/// Addresses of the client's own router (`web/routes.js`).
const PAGES: [&str; 7] =
    ["/", "/movies/{id}", "/shows/{id}", "/holds/{id}", "/bookings", "/bookings/{id}", "/waitlist/{id}"];

/// Files carry no version in their names, so a cache may keep one only for a moment before it asks for its tag.
const ASSET_MAX_AGE_SECONDS: u32 = 60;

/// Scripts and styles of our own only; the sockets of live seats; nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; \
                                       object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The pages, their files, and what is said to a person who took a wrong turn.
pub(crate) fn routes() -> Router {
    let pages = PAGES.iter().fold(Router::new(), |router, path| router.route(path, get(page)));
    pages.route("/assets/{*path}", get(asset)).route("/{*path}", any(nothing))
}

async fn page() -> Response {
    html(StatusCode::OK)
}

/// Nothing is here: the client says so to a person, a problem to a program.
async fn nothing(address: Uri, request: HeaderMap) -> Response {
    let accepts = request.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") && !address.path().starts_with("/api/") {
        html(StatusCode::NOT_FOUND)
    } else {
        Problem::not_found("not_found", "there is nothing at this address").into_response()
    }
}

/// The one page. It is private: the first one begins a session.
fn html(status: StatusCode) -> Response {
    let Some(index) = Web::get("index.html") else {
        tracing::error!("the program was built without web/index.html");
        return Problem::internal().into_response();
    };
    let mut response = (status, index.data.into_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    secure(headers);
    response
}

async fn asset(request: HeaderMap, Path(path): Path<String>) -> Response {
    match (Web::get(&path), content_type(&path)) {
        (Some(file), Some(content_type)) => file_answer(&request, file, content_type),
        _ => Problem::not_found("not_found", "there is no such file").into_response(),
    }
}

fn file_answer(request: &HeaderMap, file: EmbeddedFile, content_type: &'static str) -> Response {
    let tag = answer::tag(&file.data);
    let mut response = answer::tagged(request, &tag, move || {
        ([(header::CONTENT_TYPE, content_type)], file.data.into_owned()).into_response()
    });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, answer::public(ASSET_MAX_AGE_SECONDS));
    secure(headers);
    response
}

/// What a file is, by its name; what is none of these is not for browsers.
fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "ico" => Some("image/x-icon"),
        "woff2" => Some("font/woff2"),
        "webmanifest" => Some("application/manifest+json"),
        _ => None,
    }
}

fn secure(headers: &mut HeaderMap) {
    let pairs: [(HeaderName, &'static str); 3] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_page_names_is_built_in_and_has_a_type() {
        let index = Web::get("index.html").expect("the page is built in");
        let text = String::from_utf8(index.data.into_owned()).expect("the page is text");
        let named: Vec<&str> =
            text.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!named.is_empty());
        for path in named {
            assert!(Web::get(path).is_some() && content_type(path).is_some(), "{path}");
        }
    }
}
