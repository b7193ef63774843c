//! `[affinity]`: the cookie that keeps a client on one endpoint.

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// `[affinity]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Name of the cookie.
    cookie: String,
    /// Adds `Secure`; for when TLS ends in front of the balancer.
    secure: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self { cookie: "affinity".into(), secure: false }
    }
}

/// The affinity cookie.
#[derive(Debug, Clone)]
pub struct Affinity {
    /// Its name.
    pub cookie: String,
    /// Whether it carries `Secure`.
    pub secure: bool,
}

impl Written {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Affinity, ConfigError> {
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.cookie.is_empty() || !self.cookie.chars().all(token) {
            return reader
                .wrong(&["affinity", "cookie"], "not a cookie name; use letters, digits, `_`, `-` and `.`");
        }
        Ok(Affinity { cookie: self.cookie, secure: self.secure })
    }
}
