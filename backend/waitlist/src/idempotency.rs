//! `Idempotency-Key` on joining: the entry's id is made from it, so that a repeat finds the entry on any instance.

use data_encoding::BASE32_NOPAD;
use domain::id::{EntryId, SessionId, ShowId};
use http::HeaderMap;
use sha2::{Digest, Sha256};

/// The longest key taken.
const KEY_CHARACTERS_MAX: usize = 128;
/// 128 bits of the hash: nobody meets another's entry by chance, and the session is checked besides.
const ID_BYTES: usize = 16;

/// A client's name for one intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// The header is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`Idempotency-Key` is 1 to {KEY_CHARACTERS_MAX} printable ASCII characters, once")]
pub(crate) struct InvalidKey;

impl Key {
    /// The key among a request's headers, if there is one.
    pub(crate) fn find(headers: &HeaderMap) -> Result<Option<Self>, InvalidKey> {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let bytes = value.as_bytes();
        let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        if values.next().is_some() || bytes.is_empty() || bytes.len() > KEY_CHARACTERS_MAX || !printable {
            return Err(InvalidKey);
        }
        Ok(Some(Self(String::from_utf8_lossy(bytes).into_owned())))
    }
}

/// The id of the entry that a session makes in a show under a key; a fresh one without a key.
pub(crate) fn entry_id(session_id: &SessionId, show_id: &ShowId, key: Option<&Key>) -> EntryId {
    let id = match key {
        // No id holds a line break, so no two triples read the same.
        Some(Key(key)) => {
            let hash = Sha256::digest(format!("waitlist entry\n{session_id}\n{show_id}\n{key}"));
            BASE32_NOPAD.encode(&hash[..ID_BYTES]).to_lowercase()
        }
        None => uuid::Uuid::new_v4().simple().to_string(),
    };
    EntryId::parse(id).expect("base 32 and hexadecimal digits make an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
        values.iter().map(|text| (http::HeaderName::from_static("idempotency-key"), value(text))).collect()
    }

    #[test]
    fn a_key_is_short_and_printable() {
        assert_eq!(Key::find(&headers(&[])), Ok(None));
        assert!(Key::find(&headers(&["f81d4fae 7dec"])).is_ok_and(|key| key.is_some()));
        for bad in [&[""][..], &["ä"], &["a\tb"], &["a", "b"], &[&"x".repeat(KEY_CHARACTERS_MAX + 1)]] {
            assert_eq!(Key::find(&headers(bad)), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn the_same_three_make_the_same_entry_and_no_others_do() {
        let (ann, bob) = (SessionId::parse("ann").unwrap(), SessionId::parse("bob").unwrap());
        let (one, two) = (ShowId::parse("one").unwrap(), ShowId::parse("two").unwrap());
        let (key, other) = (Key("k".into()), Key("l".into()));
        let id = entry_id(&ann, &one, Some(&key));
        assert_eq!(id, entry_id(&ann, &one, Some(&key)));
        for different in [
            entry_id(&bob, &one, Some(&key)),
            entry_id(&ann, &two, Some(&key)),
            entry_id(&ann, &one, Some(&other)),
        ] {
            assert_ne!(id, different);
        }
        assert_ne!(entry_id(&ann, &one, None), entry_id(&ann, &one, None));
    }
}
