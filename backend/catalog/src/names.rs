//! Ids and the form in which titles and names are compared. Pure.
//!
//! An id is derived from what a thing is called, so that loading the same data again, on any machine, finds it again.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// 80 bits: even among millions of films no two meet.
const ID_CHARACTERS: usize = 16;

/// The id of the thing that these parts name. The parts are kept apart by their lengths.
pub(crate) fn derived(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [kind].iter().chain(parts) {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = BASE32_NOPAD.encode(&hash.finalize()).to_lowercase();
    format!("{kind}_{}", &text[..ID_CHARACTERS])
}

/// Lower case, without accents, apostrophes and punctuation, words one space apart: `Amélie!` and `amelie` are one.
///
/// A text that is nothing but punctuation stays as it is, so that no name is empty.
pub(crate) fn folded(text: &str) -> String {
    let words = chunks(text).flatten().collect::<Vec<_>>().join(" ");
    if words.is_empty() { text.trim().to_lowercase() } else { words }
}

/// The words a title is found by: its own, and those with a sign inside also in one piece (`spider`, `man`, `spiderman`).
pub(crate) fn words(title: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for chunk in chunks(title) {
        if chunk.len() > 1 {
            words.push(chunk.concat());
        }
        words.extend(chunk);
    }
    words.sort();
    words.dedup();
    words
}

/// The words of what somebody typed.
pub(crate) fn typed(text: &str) -> Vec<String> {
    chunks(text).flatten().collect()
}

/// The text between spaces, each piece as its runs of letters and digits.
fn chunks(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.split_whitespace().map(|chunk| {
        let plain: String = chunk.nfkd().filter(|c| !is_combining_mark(*c) && !apostrophe(*c)).collect();
        let plain: String = plain.to_lowercase().chars().map(unaccented).collect();
        let runs = plain.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
        runs.map(str::to_owned).collect()
    })
}

fn apostrophe(letter: char) -> bool {
    matches!(letter, '\'' | '’' | '‘' | 'ʻ' | 'ʼ' | '`' | '´')
}

/// Letters with a stroke, which Unicode does not take apart.
fn unaccented(letter: char) -> char {
    match letter {
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ı' => 'i',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_apart_the_same_title_is_the_same() {
        for (a, b) in [
            ("Amélie", "AMELIE"),
            ("Dune: Part Two", "dune  part two"),
            ("Hell's Angels", "hells angels"),
            ("Finding ʻOhana", "finding ohana"),
            ("WALL·E", "WALL-E"),
            ("Mission: Impossible – Fallout", "mission impossible fallout"),
            ("Ødipus", "odipus"),
        ] {
            assert_eq!(folded(a), folded(b));
        }
        assert_ne!(folded("Alien"), folded("Aliens"));
    }

    #[test]
    fn a_title_of_signs_only_keeps_its_signs() {
        assert_eq!(folded(" ?! "), "?!");
        assert!(words("?!").is_empty());
    }

    #[test]
    fn a_word_with_a_sign_inside_is_found_in_pieces_and_whole() {
        assert_eq!(words("Spider-Man: No Way Home"), ["home", "man", "no", "spider", "spiderman", "way"]);
        assert_eq!(typed("Spider-Man"), ["spider", "man"]);
        assert_eq!(words("M*A*S*H"), ["a", "h", "m", "mash", "s"]);
    }

    #[test]
    fn an_id_depends_on_every_part_and_on_nothing_else() {
        assert_eq!(derived("movie", &["alien", "1979"]), derived("movie", &["alien", "1979"]));
        assert_ne!(derived("movie", &["alien", "1979"]), derived("movie", &["alien1", "979"]));
        assert!(domain::id::MovieId::parse(derived("movie", &["alien", "1979"])).is_ok());
    }
}
