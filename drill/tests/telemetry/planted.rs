//! Secrets that are planted, and looked for in whatever was said.

/// Where something was said, and what.
pub(crate) type Said = (String, String);

/// Part of each of them, but for the key that must be hexadecimal.
pub(crate) const MARK: &str = "tattletale";
/// That key.
pub(crate) const TICKET_KEY: &str = "7a77e17a1e7a77e17a1e7a77e17a1e7a77e17a1e7a77e17a1e7a77e17a1e0000";
/// A secret that a shell would take for a number.
pub(crate) const NUMBER: &str = "481516234200";

/// Nothing of it was said anywhere.
pub(crate) fn expect_none(said: &[Said]) {
    assert!(said.len() > 20, "as much as a fleet says: {}", said.len());
    for (place, text) in said {
        for planted in [MARK, TICKET_KEY, NUMBER] {
            let line = text.lines().find(|line| line.contains(planted));
            assert_eq!(line, None, "{place} tells {planted}");
        }
    }
}
