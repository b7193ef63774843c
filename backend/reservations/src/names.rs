//! New ids: random, or derived from a request that may be repeated.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

/// 130 bits, as 26 letters and digits.
const DERIVED_CHARACTERS: usize = 26;

/// An id nobody can guess.
pub fn fresh(kind: &str) -> String {
    format!("{kind}_{}", uuid::Uuid::new_v4().simple())
}

/// The same id for the same parts, wherever it is made. The parts are kept apart by their lengths.
pub fn derived(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [kind].iter().chain(parts) {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = BASE32_NOPAD.encode(&hash.finalize()).to_lowercase();
    format!("{kind}_{}", &text[..DERIVED_CHARACTERS])
}
