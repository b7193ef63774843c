//! W3C trace context: which trace something belongs to, as the balancer, another service or an event says.

use http::{HeaderMap, HeaderName};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Digits of a trace's id, and of a span's.
const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;

/// A well-formed `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    flags: u8,
}

impl<'a> Traceparent<'a> {
    /// Of version 00, the only one so far.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let well_formed = version == "00"
            && parts.next().is_none()
            && id(trace_id, TRACE_DIGITS)
            && id(span_id, SPAN_DIGITS)
            && flags.len() == 2;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        well_formed.then_some(Self { trace_id, span_id, flags })
    }

    /// The trace, 32 hexadecimal digits.
    pub fn trace_id(&self) -> &'a str {
        self.trace_id
    }

    /// The span that caused this, 16 hexadecimal digits.
    pub fn span_id(&self) -> &'a str {
        self.span_id
    }

    /// Whether that span is recorded.
    pub fn sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// Hexadecimal digits, not all of them zero: that would mean none.
fn id(text: &str, digits: usize) -> bool {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(hexadecimal) && text.bytes().any(|byte| byte != b'0')
}

/// What a request came with, when it is well-formed.
pub fn given(headers: &HeaderMap) -> Option<Traceparent<'_>> {
    Traceparent::parse(headers.get(HEADER)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_well_formed_counts() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Traceparent::parse(text).expect("the standard's own example");
        assert_eq!((trace.trace_id(), trace.span_id()), (&text[3..35], &text[36..52]));
        assert!(
            trace.sampled() && !Traceparent::parse(&text.replace("-01", "-00")).expect("as good").sampled()
        );
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(Traceparent::parse(wrong), None, "{wrong}");
        }
    }
}
