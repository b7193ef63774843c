//! Path patterns: `{name}` stands for one segment, a trailing `/**` for the rest (also for none).
//! It must not decode or clean paths: that happened at the edge.

use std::cmp::Ordering;

/// One parsed pattern. Greater means more specific, so the greatest match wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Any,
    Literal(String),
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("pattern `{text}` must start with `/`"));
        };
        let (rest, open) = match rest.strip_suffix("/**") {
            Some(rest) => (rest, true),
            None if rest == "**" => ("", true),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        if !(open && rest.is_empty()) {
            for segment in rest.split('/') {
                segments.push(Segment::parse(segment, text)?);
            }
        }
        Ok(Self { text: text.to_owned(), segments, open })
    }

    /// The same pattern for paths in lower case.
    #[must_use]
    pub fn lowercase(mut self) -> Self {
        for segment in &mut self.segments {
            if let Segment::Literal(literal) = segment {
                *literal = literal.to_lowercase();
            }
        }
        self
    }

    /// Whether `path` (absolute, decoded, without a query) is meant.
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut given = path.split('/');
        for segment in &self.segments {
            match (segment, given.next()) {
                (Segment::Literal(literal), Some(found)) if literal == found => {}
                (Segment::Any, Some(found)) if !found.is_empty() => {}
                _ => return false,
            }
        }
        self.open || given.next().is_none()
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both match exactly the same paths, whatever their segments are named.
    pub fn same_paths(&self, other: &Self) -> bool {
        self.segments == other.segments && self.open == other.open
    }

    /// Orders by specificity: a literal before a name, a name before the rest.
    pub fn specificity(&self, other: &Self) -> Ordering {
        let kinds = |pattern: &Self| {
            let mut kinds: Vec<u8> =
                pattern.segments.iter().map(|segment| 2 + u8::from(*segment != Segment::Any)).collect();
            kinds.push(u8::from(!pattern.open));
            kinds
        };
        kinds(self).cmp(&kinds(other))
    }
}

impl Segment {
    fn parse(segment: &str, pattern: &str) -> Result<Self, String> {
        if segment.starts_with('{') && segment.ends_with('}') && segment.len() > 2 {
            return Ok(Self::Any);
        }
        if segment.contains(['{', '}', '*', '?', '#', '%']) || segment == "." || segment == ".." {
            return Err(format!(
                "segment `{segment}` of `{pattern}` is neither a literal nor `{{name}}` (`/**` may only end a pattern)"
            ));
        }
        if segment.is_empty() && pattern != "/" {
            return Err(format!(
                "pattern `{pattern}` has an empty segment; write it without `//` or a trailing `/`"
            ));
        }
        Ok(Self::Literal(segment.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).expect("test pattern").matches(path)
    }

    #[test]
    fn a_name_is_one_segment_and_the_rest_is_any_number() {
        assert!(matches("/api/shows/{id}/holds", "/api/shows/7/holds"));
        assert!(!matches("/api/shows/{id}/holds", "/api/shows/7/8/holds"));
        assert!(!matches("/api/shows/{id}/holds", "/api/shows//holds"));
        assert!(matches("/api/holds/**", "/api/holds"));
        assert!(matches("/api/holds/**", "/api/holds/"));
        assert!(matches("/api/holds/**", "/api/holds/1/confirm"));
        assert!(!matches("/api/holds/**", "/api/holdsup"));
        assert!(matches("/**", "/"));
        assert!(matches("/**", "/a/b"));
        assert!(matches("/", "/"));
        assert!(!matches("/", "/a"));
    }

    #[test]
    fn a_literal_is_more_specific_than_a_name_and_a_name_than_the_rest() {
        let mut patterns: Vec<Pattern> = ["/**", "/a/{b}", "/a/c", "/a/**", "/a/{b}/**", "/a/{b}/d"]
            .iter()
            .map(|text| Pattern::parse(text).expect("test pattern"))
            .collect();
        patterns.sort_by(|a, b| b.specificity(a));
        let order: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
        assert_eq!(order, ["/a/c", "/a/{b}/d", "/a/{b}", "/a/{b}/**", "/a/**", "/**"]);
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for wrong in ["api", "/a//b", "/a/", "/a/**/b", "/a/{b}c", "/a/*", "/a/../b", "/a%2fb"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
