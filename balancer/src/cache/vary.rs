//! `Vary` (RFC 9111, 4.1): which requests get the same of several answers of one URL. Pure.
//!
//! `Accept-Encoding` is reduced to the codings that matter, and asked for in that form, so that clients who can read the same get the
//! same; of other fields, spaces do not count, and of those that are lists of names, neither does case.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Codings that are told apart. Others are not asked for.
const CODINGS: [&str; 4] = ["br", "deflate", "gzip", "zstd"];
/// Fields that tell one client from the other: what varies by them is for one client.
const PERSONAL: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::SET_COOKIE];
/// Fields whose values are the same in any case.
const CASELESS: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_CHARSET, header::ACCEPT_LANGUAGE];

/// Whether the answer can be kept for other requests at all.
pub fn storable(response: &HeaderMap) -> bool {
    names(response).is_some_and(|names| !names.iter().any(|name| PERSONAL.contains(name)))
}

/// Whether two answers vary by the same fields.
pub fn same(one: &HeaderMap, other: &HeaderMap) -> bool {
    names(one) == names(other)
}

/// What of a request an answer depends on, as bytes to be compared; none when on nothing.
pub fn selects(response: &HeaderMap, request: &HeaderMap) -> Option<Vec<u8>> {
    if !response.contains_key(header::VARY) && !response.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let names = names(response)?;
    let mut bytes = Vec::new();
    for name in &names {
        let value = normalized(name, request);
        for part in [name.as_str().as_bytes(), &value] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    (!names.is_empty()).then_some(bytes)
}

/// The fields an answer varies by, sorted; none when nobody can know. One that is coded varies by coding, said or not.
fn names(response: &HeaderMap) -> Option<Vec<HeaderName>> {
    let lines = response.get_all(header::VARY).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let members = members.filter(|member| !member.is_empty());
    let valid = members.map(|member| HeaderName::from_bytes(member).ok().filter(|name| name.as_str() != "*"));
    let mut names = valid.collect::<Option<Vec<_>>>()?;
    if response.contains_key(header::CONTENT_ENCODING) {
        names.push(header::ACCEPT_ENCODING);
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    Some(names)
}

fn normalized(name: &HeaderName, request: &HeaderMap) -> Vec<u8> {
    if *name == header::ACCEPT_ENCODING {
        return accept_encoding(request).map_or_else(Vec::new, |value| value.as_bytes().to_vec());
    }
    let lines = request.get_all(name).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let members = members.map(|member| {
        if CASELESS.contains(name) {
            member.trim_ascii().to_ascii_lowercase()
        } else {
            member.trim_ascii().to_vec()
        }
    });
    members.collect::<Vec<_>>().join(&b',')
}

/// The codings a request accepts, in the form in which they are asked for; none when it has to be as it is.
pub fn accept_encoding(request: &HeaderMap) -> Option<HeaderValue> {
    let mut accepted = [None; CODINGS.len()];
    let (mut others, mut plain) = (false, None);
    for line in request.get_all(header::ACCEPT_ENCODING) {
        for member in line.to_str().unwrap_or_default().split(',') {
            let mut parts = member.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let accepts = !parts.any(refuses);
            match name.strip_prefix("x-").unwrap_or(&name) {
                "*" => others = accepts,
                "identity" => plain = Some(accepts),
                name => {
                    if let Some(at) = CODINGS.iter().position(|coding| *coding == name) {
                        accepted[at] = Some(accepts);
                    }
                }
            }
        }
    }
    let codings = CODINGS.iter().zip(accepted).filter(|(_, accepts)| accepts.unwrap_or(others));
    let mut codings: Vec<&str> = codings.map(|(coding, _)| *coding).collect();
    if plain == Some(false) {
        codings.push("identity;q=0");
    }
    (!codings.is_empty()).then(|| HeaderValue::try_from(codings.join(", ")).ok())?
}

/// Whether a parameter is a weight of zero.
fn refuses(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("test value"));
        }
        headers
    }

    fn accepted(value: &str) -> String {
        let value = accept_encoding(&map(&[("accept-encoding", value)]));
        value.map_or_else(String::new, |value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn rfc9111_4_1_who_can_read_the_same_gets_the_same() {
        let same = "br, gzip";
        for value in ["gzip, br", "br;q=1.0, GZIP;q=0.8", "gzip,br,foo", "br , x-gzip", "gzip, br, zstd;q=0"]
        {
            assert_eq!(accepted(value), same, "{value}");
        }
        assert_eq!(accepted("*"), "br, deflate, gzip, zstd");
        assert_eq!(accepted("*;q=0"), "");
        assert_eq!(accepted("gzip, *;q=0"), "gzip");
        assert_eq!(accepted("identity;q=0, gzip"), "gzip, identity;q=0");
        assert_eq!(accepted("identity"), "");
        assert_eq!(accept_encoding(&map(&[])), None);
    }

    #[test]
    fn rfc9111_4_1_each_named_field_counts_and_spaces_do_not() {
        let stored = map(&[("vary", "X-Kind, Accept-Language"), ("vary", "x-kind")]);
        let key = |fields: &[(&'static str, &str)]| selects(&stored, &map(fields));
        let one = key(&[("x-kind", "a,b"), ("accept-language", "de, en;q=0.5")]);
        assert_eq!(one, key(&[("x-kind", "a , b"), ("accept-language", "DE,en;q=0.5"), ("x-more", "1")]));
        assert_eq!(one, key(&[("x-kind", "a"), ("x-kind", "b"), ("accept-language", "de,en;q=0.5")]));
        assert_ne!(one, key(&[("x-kind", "A,b"), ("accept-language", "de,en;q=0.5")]));
        assert_ne!(one, key(&[("accept-language", "de,en;q=0.5")]));
        assert_ne!(key(&[("x-kind", "a")]), key(&[("accept-language", "a")]));
        assert_eq!(selects(&map(&[]), &map(&[("x-kind", "a")])), None);
    }

    #[test]
    fn rfc9111_4_1_what_is_coded_varies_by_coding() {
        let stored = map(&[("content-encoding", "gzip")]);
        let key = |value: &str| selects(&stored, &map(&[("accept-encoding", value)]));
        assert_ne!(key("gzip"), key("identity"));
        assert_eq!(key("gzip"), key("GZIP;q=0.5"));
    }

    #[test]
    fn rfc9111_4_1_everything_and_what_tells_clients_apart_is_not_kept() {
        for vary in ["*", "accept-encoding, *", "Cookie", "authorization", "a b"] {
            assert!(!storable(&map(&[("vary", vary)])), "{vary}");
        }
        assert!(storable(&map(&[("vary", "accept-encoding, accept")])) && storable(&map(&[])));
    }

    #[test]
    fn order_and_repetition_make_no_other_answer() {
        assert!(same(&map(&[("vary", "b, A")]), &map(&[("vary", "a"), ("vary", "B, a")])));
        assert!(!same(&map(&[("vary", "a")]), &map(&[])));
    }
}
