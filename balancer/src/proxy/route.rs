//! From the path of a request to its route, after making sure that no spelling of a path slips past a pattern.
//! Paths are never rewritten: what is ambiguous is refused, what is clear goes on as it came.

use std::borrow::Cow;

use crate::config::pattern::Pattern;
use crate::config::{Config, Route};

/// Why a path is refused, in words for the client.
pub type Refusal = &'static str;

/// The decoded path, when it can only be read one way: absolute, valid percent-encoding, UTF-8, no empty or dot
/// segment, no encoded separator, no control character.
pub fn clean_path(target: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    if target.first() != Some(&b'/') {
        return Err("the request target must be a path");
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or(target);
    let path = decode(path)?;
    let path = match path {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    }
    .ok_or("the path is not UTF-8")?;
    if path.contains(|c: char| c.is_control() || c == '\\' || c == '#') {
        return Err("the path has a character that paths do not have");
    }
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if segment == "." || segment == ".." || (segment.is_empty() && !last) {
            return Err("the path has an empty or dot segment");
        }
    }
    Ok(path)
}

fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    if !path.contains(&b'%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'%' {
            decoded.push(*first);
            rest = tail;
            continue;
        }
        let (Some(high), Some(low)) = (hex(tail.first()), hex(tail.get(1))) else {
            return Err("the path has a broken percent-encoding");
        };
        let byte = high << 4 | low;
        if matches!(byte, b'/' | b'\\' | b'%' | b'.') {
            return Err("the path has an encoded separator, dot or percent sign");
        }
        decoded.push(byte);
        rest = &tail[2..];
    }
    Ok(Cow::Owned(decoded))
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    digit.and_then(|digit| (*digit as char).to_digit(16)).and_then(|value| u8::try_from(value).ok())
}

/// Index of the route of a clean path; none when nothing matches or the path is never routed.
pub fn find(config: &Config, path: &str) -> Option<usize> {
    if never(&config.edge.never, path) {
        return None;
    }
    // The most specific comes first, so the first match is the one.
    config.routes.iter().position(|route: &Route| route.pattern.matches(path))
}

/// Case is folded here and in these patterns, and nowhere else: a service that ignores case must not open what is closed.
fn never(patterns: &[Pattern], path: &str) -> bool {
    let path = path.to_lowercase();
    patterns.iter().any(|pattern| pattern.matches(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_paths_pass_decoded() {
        let decoded = |target: &'static str| clean_path(target.as_bytes()).expect(target).into_owned();
        assert_eq!(decoded("/"), "/");
        assert_eq!(decoded("/a/b?c=%2F..&d=//"), "/a/b");
        assert_eq!(decoded("/a/"), "/a/");
        assert_eq!(decoded("/am%C3%A9lie"), "/amélie");
        assert_eq!(decoded("/%69nternal/x"), "/internal/x");
        assert_eq!(decoded("/a.b/..c"), "/a.b/..c");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        let wrong = [
            "",
            "*",
            "http://x/internal",
            "//internal",
            "/a//b",
            "/./internal",
            "/a/../internal",
            "/a/..",
            "/a/%2e%2e/internal",
            "/a/.%2E/internal",
            "/%2finternal",
            "/a%2Finternal",
            "/a%5cinternal",
            "/a\\internal",
            "/a%00",
            "/a%0d%0a",
            "/%",
            "/%2",
            "/%zz",
            "/%ff",
            "/%252e%252e/internal",
            "/a#b",
        ];
        for target in wrong {
            assert!(clean_path(target.as_bytes()).is_err(), "{target} was accepted");
        }
    }
}
