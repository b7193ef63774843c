//! Text that nobody may read in a log, an answer or a metric: tokens, and URLs that carry passwords. The services have the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Such a text. It cannot be displayed, and its `Debug` shows nothing of it; whoever needs it says so by [`Secret::reveal`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

/// serde's own words about a value of another type would repeat the value.
struct Text;

/// What is said instead.
const NOT_TEXT: &str = "must be text; put it between quotes";

impl Visitor<'_> for Text {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(text.into())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Holder {
        token: Secret,
    }

    #[test]
    fn neither_debug_nor_an_error_shows_it() {
        let holder: Holder = toml::from_str("token = \"canary\"").expect("it is text");
        assert_eq!(
            (format!("{holder:?}").as_str(), holder.token.reveal()),
            ("Holder { token: [redacted] }", "canary")
        );
        for wrong in ["48151623", "48151623.5", "[48151623]", "{ a = 48151623 }"] {
            let error = toml::from_str::<Holder>(&format!("token = {wrong}")).expect_err("it is no text");
            assert!(!error.message().contains("48151623"), "{}", error.message());
        }
    }
}
