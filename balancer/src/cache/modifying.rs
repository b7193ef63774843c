//! What a request that changes something makes out of date: RFC 9111, 4.4. Pure.

use http::header::{self, HeaderMap};
use http::{Method, StatusCode, Uri};

/// Paths with their queries, all of the host that was asked, of what may have changed; none when nothing did.
pub fn changed(
    method: &Method,
    host: &str,
    path_and_query: &str,
    status: StatusCode,
    response: &HeaderMap,
) -> Vec<String> {
    if method.is_safe() || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let named = [header::LOCATION, header::CONTENT_LOCATION].map(|name| {
        let reference = response.get(name).and_then(|value| value.to_str().ok());
        reference.and_then(|reference| of_same_host(reference, host, path_and_query))
    });
    let asked = [Some(path_and_query.to_owned())];
    asked.into_iter().chain(named).flatten().collect()
}

/// Where a reference leads, unless that is another host, which nobody may speak for.
fn of_same_host(reference: &str, host: &str, base: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let absolute = reference.split_once("://").map(|(_, rest)| rest).or_else(|| reference.strip_prefix("//"));
    if let Some(rest) = absolute {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        return authority.eq_ignore_ascii_case(host).then(|| rooted(path));
    }
    if reference.is_empty() || reference.starts_with('/') {
        return (!reference.is_empty()).then(|| reference.to_owned());
    }
    let base = base.split('?').next().unwrap_or_default();
    if reference.starts_with('?') {
        return Some(format!("{base}{reference}"));
    }
    let directory = &base[..=base.rfind('/')?];
    let joined: Uri = format!("{directory}{reference}").parse().ok()?;
    Some(without_dots(joined.path(), joined.query()))
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn without_dots(path: &str, query: Option<&str>) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(method: Method, status: u16, fields: &[(&'static str, &str)]) -> Vec<String> {
        let mut response = HeaderMap::new();
        for (name, value) in fields {
            response.append(*name, value.parse().expect("test value"));
        }
        let status = StatusCode::from_u16(status).expect("test status");
        changed(&method, "seats.example", "/api/holds?x=1", status, &response)
    }

    #[test]
    fn rfc9111_4_4_an_unsafe_method_that_went_well_changes_what_it_was_sent_to() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(all(method.clone(), 200, &[]), ["/api/holds?x=1"]);
            assert_eq!(all(method.clone(), 303, &[]), ["/api/holds?x=1"]);
            for status in [400, 409, 500, 503] {
                assert!(all(method.clone(), status, &[]).is_empty(), "{status}");
            }
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            assert!(all(method, 200, &[]).is_empty());
        }
    }

    #[test]
    fn rfc9111_4_4_location_and_content_location_of_the_same_host_alone() {
        let one = |name: &'static str, value: &str| all(Method::POST, 201, &[(name, value)]).get(1).cloned();
        for (value, path) in [
            ("/api/holds/7", "/api/holds/7"),
            ("http://seats.example/api/holds/7?a=b#c", "/api/holds/7?a=b"),
            ("//SEATS.example/x", "/x"),
            ("https://seats.example", "/"),
            ("holds/7", "/api/holds/7"),
            ("./7", "/api/7"),
            ("../x/y/..", "/x/"),
            ("?y=2", "/api/holds?y=2"),
        ] {
            assert_eq!(one("location", value).as_deref(), Some(path), "{value}");
            assert_eq!(one("content-location", value).as_deref(), Some(path), "{value}");
        }
        for value in
            ["http://other.example/api", "//seats.example.evil/x", "http://seats.example:81/x", "", "#x"]
        {
            assert_eq!(one("location", value), None, "{value}");
        }
    }
}
