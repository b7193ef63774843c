//! `[affinity]`: the cookie that keeps a client on one endpoint, and what it is signed with.

use std::fmt;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use sha2::Sha256;

use super::ConfigError;
use super::hash_on;
use super::reader::Reader;

/// The shortest key taken.
pub const KEY_CHARACTERS_MIN: usize = 32;
/// Keys at a time: one that signs, and those on their way out.
pub const KEYS_MAX: usize = 8;
/// Half of an HMAC-SHA256: 128 bits are enough to make guessing hopeless.
pub const MAC_BYTES: usize = 16;

/// Signs while none is configured. It lasts as long as the process, also when the configuration is read anew.
static OWN_KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

/// `[affinity]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Name of the cookie.
    cookie: String,
    /// Adds `Secure`; for when TLS ends in front of the balancer.
    secure: bool,
    /// What it is signed with, newest first.
    keys: WrittenKeys,
}

impl Default for Written {
    fn default() -> Self {
        Self { cookie: "affinity".into(), secure: false, keys: WrittenKeys::default() }
    }
}

/// The affinity cookie.
#[derive(Debug, Clone)]
pub struct Affinity {
    /// Its name.
    pub cookie: String,
    /// Whether it carries `Secure`.
    pub secure: bool,
    /// The first signs, all are believed; never empty.
    pub keys: Vec<Key>,
}

/// A key, ready to sign.
#[derive(Clone)]
pub struct Key {
    hmac: Hmac<Sha256>,
    mark: u8,
}

impl Key {
    /// Of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let hmac: Hmac<Sha256> = Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length");
        let mark = hmac.clone().chain_update(b"mark").finalize().into_bytes()[0];
        Self { hmac, mark }
    }

    /// Tells keys apart without a try; two may have the same.
    pub fn mark(&self) -> u8 {
        self.mark
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let mac = self.hmac.clone().chain_update(message).finalize().into_bytes();
        *mac.first_chunk().expect("it is twice as long")
    }

    /// Whether this key signed it.
    pub fn signed(&self, message: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        self.hmac.clone().chain_update(message).verify_truncated_left(mac).is_ok()
    }
}

/// Says nothing of what it holds.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key")
    }
}

impl Written {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Affinity, ConfigError> {
        if !hash_on::token(&self.cookie) {
            return reader
                .wrong(&["affinity", "cookie"], "not a cookie name; use letters, digits, `_`, `-` and `.`");
        }
        Ok(Affinity { cookie: self.cookie, secure: self.secure, keys: self.keys.read(reader)? })
    }
}

/// A list, or one text with commas between, as the services take theirs from the environment.
#[derive(Default)]
struct WrittenKeys(Vec<String>);

impl WrittenKeys {
    /// No message may show a key.
    fn read(self, reader: &Reader<'_>) -> Result<Vec<Key>, ConfigError> {
        if self.0.len() > KEYS_MAX {
            return reader
                .wrong(&["affinity", "keys"], format!("more than {KEYS_MAX} keys; remove the oldest"));
        }
        if let Some(short) = self.0.iter().position(|key| key.len() < KEY_CHARACTERS_MIN) {
            let message = format!(
                "shorter than {KEY_CHARACTERS_MIN} characters; `openssl rand -hex 32` makes a good one"
            );
            return reader.wrong(&["affinity", "keys", &short.to_string()], message);
        }
        if self.0.is_empty() {
            return Ok(vec![Key::new(&*OWN_KEY)]);
        }
        Ok(self.0.iter().map(|key| Key::new(key.as_bytes())).collect())
    }
}

impl fmt::Debug for WrittenKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

impl<'de> Deserialize<'de> for WrittenKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrList)
    }
}

struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = WrittenKeys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of keys, the newest first")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WrittenKeys, E> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        Ok(WrittenKeys(keys.map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenKeys, A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = list.next_element()? {
            keys.push(key);
        }
        Ok(WrittenKeys(keys))
    }
}
