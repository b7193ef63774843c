//! The cookie that keeps a client on one endpoint: 128 random bits, signed, in URL-safe base64.
//! It names nobody and no address, and decides nothing but where a request goes.
//!
//! One that we did not sign is ignored and replaced: who could choose the bits could choose the endpoint. The newest key
//! signs, and all are believed. A cookie of an older key is renewed: the same bits, signed by the newest, so that its
//! client stays where it is when the old key goes. The cookie says which key it was, so a request costs one HMAC, and one
//! more when its cookie is renewed.

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue};

use super::hash_key;
use crate::config;
use crate::config::affinity::{Key, MAC_BYTES};
use crate::fleet::policy::hash;

const ID_BYTES: usize = 16;
/// The key's mark, the random bits, and their signature: they divide by three, so base64 leaves nothing over.
const VALUE_BYTES: usize = 1 + ID_BYTES + MAC_BYTES;
const VALUE_CHARACTERS: usize = VALUE_BYTES / 3 * 4;

type Id = [u8; ID_BYTES];

/// Where a request belongs.
#[derive(Debug, PartialEq, Eq)]
pub struct Affinity {
    /// The key to pick an endpoint with.
    pub key: u64,
    /// The cookie's value, for a client that came without one, or with one that is to be replaced.
    issued: Option<String>,
}

impl Affinity {
    /// By something the request says anyway.
    pub fn by_key(key: u64) -> Self {
        Self { key, issued: None }
    }

    /// By the request's own cookie; by a new one when it has none, or one that is not ours.
    pub fn by_cookie(headers: &HeaderMap, settings: &config::Affinity) -> Self {
        let mut values = hash_key::cookies(headers, &settings.cookie);
        let value = values.find(|value| value.len() == VALUE_CHARACTERS);
        if let Some((id, signer)) = value.and_then(|value| verify(value, &settings.keys)) {
            let issued = (signer > 0).then(|| sign(&id, &settings.keys));
            return Self { key: hash::hash(&id), issued };
        }
        let id: Id = rand::random();
        Self { key: hash::hash(&id), issued: Some(sign(&id, &settings.keys)) }
    }

    /// The `Set-Cookie` for a client that is to come with another cookie than it did; by TLS it is to come by nothing else.
    pub fn set_cookie(&self, settings: &config::Affinity, by_tls: bool) -> Option<HeaderValue> {
        let value = self.issued.as_ref()?;
        let secure = if settings.secure || by_tls { "; Secure" } else { "" };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", settings.cookie);
        HeaderValue::try_from(cookie).ok()
    }
}

/// The value of a cookie, signed by the newest key.
fn sign(id: &Id, keys: &[Key]) -> String {
    let key = &keys[0];
    let mut value = [key.mark(); VALUE_BYTES];
    value[1..=ID_BYTES].copy_from_slice(id);
    value[1 + ID_BYTES..].copy_from_slice(&key.sign(id));
    BASE64URL_NOPAD.encode(&value)
}

/// The random bits of a value, and which key signed it.
fn verify(value: &[u8], keys: &[Key]) -> Option<(Id, usize)> {
    let mut bytes = [0; VALUE_BYTES];
    BASE64URL_NOPAD.decode_mut(value, &mut bytes).ok()?;
    let (mark, rest) = bytes.split_first()?;
    let (id, mac) = rest.split_first_chunk::<ID_BYTES>()?;
    let mac = mac.first_chunk::<MAC_BYTES>()?;
    let signer = keys.iter().position(|key| key.mark() == *mark && key.signed(id, mac))?;
    Some((*id, signer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"an old key";
    const NEW: &[u8] = b"a new key";

    fn settings(keys: &[&[u8]]) -> config::Affinity {
        let keys = keys.iter().map(|key| Key::new(key)).collect();
        config::Affinity { cookie: "where".into(), secure: false, keys }
    }

    fn by_cookie(settings: &config::Affinity, cookie: &str) -> Affinity {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_str(cookie).expect("test header"));
        Affinity::by_cookie(&headers, settings)
    }

    fn issue(settings: &config::Affinity) -> (u64, String) {
        let new = Affinity::by_cookie(&HeaderMap::new(), settings);
        (new.key, new.issued.expect("a new client gets a cookie"))
    }

    #[test]
    fn a_client_keeps_the_place_it_was_given_and_gets_no_second_cookie() {
        let settings = settings(&[OLD]);
        let (key, value) = issue(&settings);
        assert_eq!(by_cookie(&settings, &format!("a=b; where={value}")), Affinity::by_key(key));
        assert_eq!(by_cookie(&settings, &format!("where={value}; session=x")), Affinity::by_key(key));
        assert_ne!(issue(&settings).0, key);
    }

    #[test]
    fn what_we_did_not_sign_is_replaced() {
        let ours = settings(&[NEW, OLD]);
        let (key, value) = issue(&ours);
        let foreign = issue(&settings(&[b"another key"])).1;
        let mut wrong = vec![String::new(), "x".into(), "127.0.0.1:7101".into(), foreign, value[1..].into()];
        wrong.push(format!("{value}A"));
        wrong.push("-".repeat(VALUE_CHARACTERS));
        wrong.push("!".repeat(VALUE_CHARACTERS));
        for position in 0..value.len() {
            let other = if value.as_bytes()[position] == b'A' { "B" } else { "A" };
            let mut tampered = value.clone();
            tampered.replace_range(position..=position, other);
            wrong.push(tampered);
        }
        for wrong in wrong {
            let new = by_cookie(&ours, &format!("where={wrong}"));
            assert!(new.issued.is_some_and(|issued| issued != wrong) && new.key != key, "{wrong} was taken");
        }
        assert!(by_cookie(&ours, &format!("elsewhere={value}")).issued.is_some());
    }

    #[test]
    fn one_of_another_kind_with_our_name_hides_nothing() {
        let settings = settings(&[OLD]);
        let (key, value) = issue(&settings);
        assert_eq!(by_cookie(&settings, &format!("where=theirs; where={value}")), Affinity::by_key(key));
    }

    #[test]
    fn nobody_moves_when_keys_are_rotated() {
        let (before, during, after) = (settings(&[OLD]), settings(&[NEW, OLD]), settings(&[NEW]));
        let (key, old) = issue(&before);
        let renewed = by_cookie(&during, &format!("where={old}"));
        assert_eq!(renewed.key, key);
        let new = renewed.issued.expect("an old key's cookie is renewed");
        assert_eq!(by_cookie(&during, &format!("where={new}")), Affinity::by_key(key));
        assert_eq!(by_cookie(&after, &format!("where={new}")), Affinity::by_key(key));
        assert_ne!(
            by_cookie(&after, &format!("where={old}")).key,
            key,
            "the old key is not believed any more"
        );
    }

    #[test]
    fn it_is_kept_from_scripts_and_other_sites() {
        let mut settings = settings(&[OLD]);
        let new = Affinity::by_cookie(&HeaderMap::new(), &settings);
        let written = |new: &Affinity, settings: &_, by_tls| {
            let cookie = new.set_cookie(settings, by_tls).expect("a new client gets a cookie");
            cookie.to_str().expect("text").to_owned()
        };
        let plain = written(&new, &settings, false);
        assert!(
            plain.starts_with("where=") && plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
            "{plain}"
        );
        assert!(written(&new, &settings, true).ends_with("; Secure"));
        settings.secure = true;
        assert!(written(&new, &settings, false).ends_with("; Secure"));
        assert_eq!(Affinity::by_key(new.key).set_cookie(&settings, false), None);
    }
}
