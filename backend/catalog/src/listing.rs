//! What may be asked of a list: how many, from where, which. Pure: text in, values that cannot be wrong out.

use data_encoding::BASE64URL_NOPAD;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::names;

/// The longest search text, in characters.
pub(crate) const QUERY_CHARACTERS_MAX: usize = 100;
/// The most words looked at; more make a search no finer.
const WORDS_MAX: usize = 12;
/// The longest name of a city, in characters.
const CITY_CHARACTERS_MAX: usize = 100;
/// The longest cursor; ours are shorter.
const CURSOR_BYTES_MAX: usize = 2_048;
/// Days a list may be asked for: those Postgres and we count alike, with room for the days around them.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2999;

/// Why a list cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidListing {
    /// Not a number.
    #[error("`limit` must be a whole number")]
    LimitFormat,
    /// A number, and too small or too large.
    #[error("`limit` must be from 1 to {0}")]
    LimitRange(u16),
    /// Not one of ours, or of another list.
    #[error("`cursor` is not one that this list gave; ask again without it")]
    Cursor,
    /// Not a day.
    #[error("`on` must be a day such as 2026-11-27")]
    Day,
    /// Too much to search for.
    #[error("`q` must be at most {QUERY_CHARACTERS_MAX} characters")]
    QueryLength,
    /// Nothing a city is called.
    #[error("`city` must be a name of at most {CITY_CHARACTERS_MAX} characters")]
    City,
    /// Not the letters of a country.
    #[error("`country` must be two letters, such as US")]
    Country,
    /// Neither yes nor no.
    #[error("`{0}` must be true or false")]
    Flag(&'static str),
}

/// How many rows to a page.
pub(crate) fn limit(text: Option<&str>, default: u16, most: u16) -> Result<u16, InvalidListing> {
    let Some(text) = text else { return Ok(default) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidListing::LimitFormat);
    }
    // A number too long for the type is out of range too.
    let asked = text.parse::<u16>().ok().filter(|asked| (1..=most).contains(asked));
    asked.ok_or(InvalidListing::LimitRange(most))
}

/// The words of a search; nothing means all films.
pub(crate) fn words(query: Option<&str>) -> Result<Option<Vec<String>>, InvalidListing> {
    let query = query.unwrap_or_default().trim();
    if query.chars().count() > QUERY_CHARACTERS_MAX {
        return Err(InvalidListing::QueryLength);
    }
    let mut words = names::typed(query);
    words.truncate(WORDS_MAX);
    Ok((!query.is_empty()).then_some(words))
}

/// A day on a theater's calendar.
pub(crate) fn day(text: Option<&str>) -> Result<Option<Date>, InvalidListing> {
    let Some(text) = text else { return Ok(None) };
    let plain = text.len() == "2026-11-27".len();
    let day = text.parse::<Date>().ok().filter(|day| plain && YEARS.contains(&day.year()));
    day.map(Some).ok_or(InvalidListing::Day)
}

/// A city as it is compared: by id, or by name however it is spelled.
pub(crate) fn city(text: Option<&str>) -> Result<Option<String>, InvalidListing> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > CITY_CHARACTERS_MAX || text.chars().any(char::is_control) {
        return Err(InvalidListing::City);
    }
    let id = text.starts_with("city_").then(|| text.to_owned());
    Ok(Some(id.unwrap_or_else(|| names::folded(text))))
}

/// A country by its two letters (ISO 3166-1), in either case.
pub(crate) fn country(text: Option<&str>) -> Result<Option<String>, InvalidListing> {
    let Some(text) = text else { return Ok(None) };
    let letters = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if letters { Ok(Some(text.to_ascii_uppercase())) } else { Err(InvalidListing::Country) }
}

/// Whether something is wanted; it is not when nothing is said.
pub(crate) fn flag(name: &'static str, text: Option<&str>) -> Result<bool, InvalidListing> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(InvalidListing::Flag(name)),
    }
}

/// A cursor for `place` in the list that `list` names: opaque to whoever carries it.
pub(crate) fn cursor(list: &str, place: &impl Serialize) -> String {
    let text = serde_json::to_string(&(list, place)).expect("a place has a JSON form");
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// The place a cursor of the same list means.
pub(crate) fn place<P: DeserializeOwned>(
    list: &str,
    cursor: Option<&str>,
) -> Result<Option<P>, InvalidListing> {
    let Some(cursor) = cursor else { return Ok(None) };
    let read = || {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (of, place): (String, P) = serde_json::from_slice(&bytes).ok()?;
        // No text of ours holds NUL, which Postgres refuses.
        (of == list && !bytes.windows(6).any(|six| six == br"\u0000")).then_some(place)
    };
    let sized = cursor.len() <= CURSOR_BYTES_MAX;
    sized.then(read).flatten().map(Some).ok_or(InvalidListing::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_within_bounds() {
        assert_eq!(limit(None, 20, 100), Ok(20));
        assert_eq!(limit(Some("100"), 20, 100), Ok(100));
        for text in ["", "ten", "1.5", "1 ", "0x1"] {
            assert_eq!(limit(Some(text), 20, 100), Err(InvalidListing::LimitFormat), "{text}");
        }
        for text in ["0", "101", "-1", "99999999999999999999999999"] {
            assert_eq!(limit(Some(text), 20, 100), Err(InvalidListing::LimitRange(100)), "{text}");
        }
    }

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was_made_of_and_only_in_its_own_list() {
        let made = cursor("a", &("Dune", 7));
        assert_eq!(place::<(String, i32)>("a", Some(&made)), Ok(Some(("Dune".to_owned(), 7))));
        assert_eq!(place::<(String, i32)>("b", Some(&made)), Err(InvalidListing::Cursor));
        for text in ["", "?", "abcd", &made[1..], &"A".repeat(9_999), &cursor("a", &("\0", 7))] {
            assert_eq!(place::<(String, i32)>("a", Some(text)), Err(InvalidListing::Cursor), "{text}");
        }
    }

    #[test]
    fn a_day_is_written_in_full() {
        assert!(day(Some("2026-11-27")).is_ok_and(|day| day.is_some()));
        for text in ["", "today", "2026-11-31", "20261127", "2026-11-27T00:00", "-009999-01-01", "9999-12-31"]
        {
            assert_eq!(day(Some(text)), Err(InvalidListing::Day), "{text}");
        }
    }

    #[test]
    fn a_country_is_two_letters_and_a_flag_one_of_two_words() {
        assert_eq!(country(Some("us")), Ok(Some("US".to_owned())));
        for text in ["", "U", "USA", "U1", "Ü"] {
            assert_eq!(country(Some(text)), Err(InvalidListing::Country), "{text}");
        }
        assert_eq!((flag("explain", Some("true")), flag("explain", None)), (Ok(true), Ok(false)));
        assert_eq!(flag("explain", Some("1")), Err(InvalidListing::Flag("explain")));
    }

    #[test]
    fn a_search_of_signs_only_is_a_search_that_finds_nothing() {
        assert_eq!(words(Some("  ")), Ok(None));
        assert_eq!(words(Some("?!")), Ok(Some(Vec::new())));
        assert_eq!(words(Some("DÜNE: p")), Ok(Some(vec!["dune".to_owned(), "p".to_owned()])));
        assert_eq!(words(Some(&"x".repeat(101))), Err(InvalidListing::QueryLength));
    }
}
