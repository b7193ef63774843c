//! `Cache-Control` (RFC 9111, 5.2) and `CDN-Cache-Control` (RFC 9213), read the safe way. Pure.
//!
//! What restricts counts however it is written; what permits counts only when it is written as it should be. A lifetime that
//! cannot be read is none, of several the shortest counts, and a field whose end cannot be found is one that forbids to store.

use std::time::Duration;

use http::HeaderValue;
use http::header::{self, HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// Read before `Cache-Control`, and in place of it.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Longer times are cut to this: a year is what caches agree to call for ever.
pub const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// What the directives of a request or of an answer say.
#[expect(clippy::struct_excessive_bools, reason = "each is a directive of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Not to be stored.
    pub no_store: bool,
    /// Not to be used without asking again.
    pub no_cache: Scope,
    /// For one client.
    pub private: Scope,
    /// For everybody.
    pub public: bool,
    /// Never to be used once stale.
    pub must_revalidate: bool,
    /// The same, for shared caches.
    pub proxy_revalidate: bool,
    /// Storable by whoever knows the status, whatever `no_store` says.
    pub must_understand: bool,
    /// Lifetime; of a request, the greatest age.
    pub max_age: Option<Duration>,
    /// Lifetime in shared caches.
    pub s_maxage: Option<Duration>,
    /// Usable for so long after that, while it is fetched anew.
    pub stale_while_revalidate: Option<Duration>,
    /// Usable for so long after that, when it cannot be fetched anew.
    pub stale_if_error: Option<Duration>,
    /// Of a request: from the store or not at all.
    pub only_if_cached: bool,
    /// Of a request: to be fresh for so long still.
    pub min_fresh: Option<Duration>,
    /// Written for caches such as this one.
    pub targeted: bool,
}

/// What a directive is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// It is not there.
    #[default]
    Nothing,
    /// These fields of the header.
    Fields(Vec<HeaderName>),
    /// The answer.
    Everything,
}

impl Scope {
    /// Whether the answer as a whole is meant.
    pub fn everything(&self) -> bool {
        *self == Self::Everything
    }

    /// The fields that are meant.
    pub fn fields(&self) -> &[HeaderName] {
        if let Self::Fields(names) = self { names } else { &[] }
    }

    fn widen(&mut self, argument: Option<&str>) {
        let listed = argument.and_then(field_names);
        *self = match (std::mem::take(self), listed) {
            (Self::Everything, _) | (_, None) => Self::Everything,
            (Self::Nothing, Some(names)) => Self::Fields(names),
            (Self::Fields(mut all), Some(names)) => {
                all.extend(names);
                Self::Fields(all)
            }
        };
    }
}

fn field_names(list: &str) -> Option<Vec<HeaderName>> {
    let name =
        |name: &str| name.trim().parse().ok().filter(|_| name.contains(|c: char| c.is_ascii_alphabetic()));
    let names: Option<Vec<_>> = list.split(',').map(name).collect();
    names.filter(|names| !names.is_empty())
}

impl Control {
    /// What an answer says to a shared cache.
    pub fn of_response(headers: &HeaderMap) -> Self {
        Self::targeted(headers).unwrap_or_else(|| Self::of(headers))
    }

    /// What `Cache-Control` says.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            control.read(line.as_bytes());
        }
        control
    }

    /// Whether somebody said that this may be shared, and not merely that it lives for a while.
    pub fn shared(&self) -> bool {
        self.public || self.s_maxage.is_some() || self.targeted
    }

    /// A structured field that cannot be read, or says nothing, is as if it were not there (RFC 9213, 2.1).
    fn targeted(headers: &HeaderMap) -> Option<Self> {
        let lines: Vec<&[u8]> =
            headers.get_all(CDN_CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
        let field = lines.join(&b", "[..]);
        let members: Dictionary = Parser::new(&field).parse().ok()?;
        if members.is_empty() {
            return None;
        }
        let mut control = Self { targeted: true, ..Self::default() };
        for (name, member) in &members {
            control.read_member(name.as_str(), member);
        }
        Some(control)
    }

    fn read_member(&mut self, name: &str, member: &ListEntry) {
        let item = if let ListEntry::Item(item) = member { Some(&item.bare_item) } else { None };
        match item {
            Some(BareItem::Boolean(false)) => {}
            Some(BareItem::Boolean(true)) => self.apply(name, None),
            Some(BareItem::Integer(number)) => self.apply(name, Some(&i64::from(*number).to_string())),
            // A number in quotes is a number in Cache-Control, but not here.
            Some(BareItem::String(text)) if text.as_str().parse::<u64>().is_err() => {
                self.apply(name, Some(text.as_str()));
            }
            _ => self.apply(name, Some("")),
        }
    }

    fn read(&mut self, line: &[u8]) {
        let Some(members) = std::str::from_utf8(line).ok().and_then(members) else {
            self.no_store = true;
            return;
        };
        for member in members {
            let (name, argument) = match member.split_once('=') {
                Some((name, argument)) => (name, Some(unquoted(argument))),
                None => (member, None),
            };
            if name.bytes().all(token) && !name.is_empty() {
                self.apply(&name.to_ascii_lowercase(), argument.as_deref());
            } else {
                self.no_store = true;
            }
        }
    }

    fn apply(&mut self, name: &str, argument: Option<&str>) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache.widen(argument),
            "private" => self.private.widen(argument),
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            "public" => self.public |= argument.is_none(),
            "must-understand" => self.must_understand |= argument.is_none(),
            "max-age" => shortest(&mut self.max_age, argument),
            "s-maxage" => shortest(&mut self.s_maxage, argument),
            "stale-while-revalidate" => shortest(&mut self.stale_while_revalidate, argument),
            "stale-if-error" => shortest(&mut self.stale_if_error, argument),
            "min-fresh" => longest(&mut self.min_fresh, argument),
            _ => {}
        }
    }
}

fn shortest(time: &mut Option<Duration>, argument: Option<&str>) {
    let said = argument.and_then(delta_seconds).unwrap_or_default();
    *time = Some(time.map_or(said, |time| time.min(said)));
}

fn longest(time: &mut Option<Duration>, argument: Option<&str>) {
    let said = argument.and_then(delta_seconds).unwrap_or_default();
    *time = Some(time.map_or(said, |time| time.max(said)));
}

/// Digits and nothing else; what no machine word holds is for ever.
pub fn delta_seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX)))
}

/// The members of a list, with what is in quotes left whole; none when a quote has no end.
fn members(line: &str) -> Option<Vec<&str>> {
    let (mut members, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                members.push(line[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(line[start..].trim());
    members.retain(|member| !member.is_empty());
    (!quoted).then_some(members)
}

fn unquoted(argument: &str) -> String {
    let inner = argument.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    inner.unwrap_or(argument).replace('\\', "")
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(line: &str) -> Control {
        let mut headers = HeaderMap::new();
        headers.append("cache-control", line.parse().expect("test value"));
        Control::of_response(&headers)
    }

    fn targeted(line: &str, cdn: &str) -> Control {
        let mut headers = HeaderMap::new();
        headers.append("cache-control", line.parse().expect("test value"));
        headers.append("cdn-cache-control", cdn.parse().expect("test value"));
        Control::of_response(&headers)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what may not be there")]
    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn rfc9111_5_2_names_in_any_case_arguments_as_token_or_quoted() {
        let read = control("Public, MAX-AGE=60 , , s-maxage=\"5\", unknown=\"a, no-store\"");
        let said = Control { public: true, max_age: seconds(60), s_maxage: seconds(5), ..Control::default() };
        assert_eq!(read, said);
    }

    #[test]
    fn rfc9111_4_2_1_what_cannot_be_read_is_no_lifetime_and_the_shortest_counts() {
        for argument in ["", "x", "-1", "+60", "6 0", "60.5", "60; public", "0x10"] {
            assert_eq!(control(&format!("max-age={argument}")).max_age, seconds(0), "{argument:?}");
        }
        assert_eq!(control("max-age").max_age, seconds(0));
        assert_eq!(control("max-age=60, max-age=5, max-age=30").max_age, seconds(5));
        assert_eq!(control("max-age=99999999999999999999999").max_age, seconds(SECONDS_MAX));
    }

    #[test]
    fn rfc9111_5_2_what_restricts_counts_however_it_is_written() {
        assert!(control("no-store=false, max-age=60").no_store);
        assert!(control("private=, max-age=60").private.everything());
        assert!(control("private=\"not a name!\"").private.everything());
        assert!(control("no-cache=\"\"").no_cache.everything());
        assert!(control("private=\"set-cookie\", private").private.everything());
        for hidden in ["max-age=60, a=\"b, private", "no-store; max-age=60", "max-age=60, no store"] {
            assert!(control(hidden).no_store, "{hidden}");
        }
        assert!(!control("public=\"x\"").public);
    }

    #[test]
    fn rfc9111_5_2_2_4_no_cache_and_private_can_name_fields() {
        let read = control("private=\"Set-Cookie, X-User\", no-cache=set-cookie");
        assert_eq!(read.private.fields(), [header::SET_COOKIE, HeaderName::from_static("x-user")]);
        assert_eq!(read.no_cache.fields(), [header::SET_COOKIE]);
    }

    #[test]
    fn rfc9213_2_1_the_targeted_field_is_read_in_place_of_the_other() {
        let read = targeted("no-store, max-age=1", "max-age=60;x=1, stale-if-error=5, must-revalidate");
        assert_eq!((read.max_age, read.stale_if_error), (seconds(60), seconds(5)));
        assert!(read.must_revalidate && !read.no_store && read.targeted);
    }

    #[test]
    fn rfc9213_2_1_one_that_cannot_be_read_or_is_empty_is_not_there() {
        for cdn in ["", "max-age=60,", "max-age=", "MAX-AGE=60", "max-age=60; public; ,", "\"a\""] {
            let read = targeted("max-age=1", cdn);
            assert_eq!((read.max_age, read.targeted), (seconds(1), false), "{cdn:?}");
        }
    }

    #[test]
    fn rfc9213_2_1_a_value_of_another_type_is_no_lifetime() {
        for cdn in ["max-age=\"60\"", "max-age=6.5", "max-age=?1", "max-age", "max-age=(60)", "max-age=-5"] {
            assert_eq!(targeted("max-age=1", cdn).max_age, seconds(0), "{cdn:?}");
        }
        assert!(targeted("public", "private=1").private.everything());
        assert!(!targeted("public", "private=?0, max-age=5").private.everything());
    }
}
