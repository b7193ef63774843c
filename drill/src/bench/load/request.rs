//! Requests as bytes.

/// GET, as a browser with these cookies.
pub fn get(path: &str, cookies: &str) -> Vec<u8> {
    head("GET", path, cookies, "").into_bytes()
}

/// DELETE.
pub fn delete(path: &str, cookies: &str) -> Vec<u8> {
    head("DELETE", path, cookies, "").into_bytes()
}

/// POST of JSON with an `Idempotency-Key`.
pub fn post(path: &str, cookies: &str, key: &str, body: &str) -> Vec<u8> {
    let fields = format!(
        "Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    (head("POST", path, cookies, &fields) + body).into_bytes()
}

fn head(method: &str, path: &str, cookies: &str, fields: &str) -> String {
    let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: marquee.example\r\nUser-Agent: drill\r\nAccept: */*\r\n{cookies}{fields}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_wire_wants() {
        assert_eq!(
            String::from_utf8(post("/a", "x=1; y=2", "k", "{}")).unwrap(),
            "POST /a HTTP/1.1\r\nHost: marquee.example\r\nUser-Agent: drill\r\nAccept: */*\r\nCookie: x=1; y=2\r\n\
             Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
        assert!(!String::from_utf8(get("/a", "")).unwrap().contains("Cookie"));
    }
}
