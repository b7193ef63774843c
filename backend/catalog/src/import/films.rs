//! Films as JSON lines: `{"title","year","cast","genres","href","extract"}`.

use serde::Deserialize;

use super::tidy;
use crate::merging::Row;
use crate::store::records::Record;

/// The most people of one film that are kept.
const CAST_MAX: usize = 60;
/// The longest synopsis, in characters.
const SYNOPSIS_CHARACTERS_MAX: usize = 5_000;
/// The longest name of an article, in bytes.
const ARTICLE_BYTES_MAX: usize = 500;
/// Where articles stand.
const ENCYCLOPEDIA: &str = "https://en.wikipedia.org/wiki/";

#[derive(Debug, Deserialize)]
struct Film {
    title: Option<String>,
    year: Option<i64>,
    cast: Option<Vec<String>>,
    genres: Option<Vec<String>>,
    /// The article's name; it tells two films of one title and year apart.
    href: Option<String>,
    extract: Option<String>,
}

/// Whether a row could be a film.
pub(super) fn looks_like(text: &str) -> bool {
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    object.is_ok_and(|object| object.contains_key("title"))
}

/// Reads a row.
pub(super) fn parse(text: &str) -> Result<Row, String> {
    let film: Film = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
    let title = tidy::title(film.title.as_deref())?;
    let year = film.year.ok_or("`year` is missing: without it a film cannot be told from its remakes")?;
    let article = tidy::text(film.href.as_deref().unwrap_or_default()).replace(' ', "_");
    if article.len() > ARTICLE_BYTES_MAX {
        return Err(format!("`href` is longer than {ARTICLE_BYTES_MAX} bytes"));
    }
    let synopsis = film.extract.as_deref().map(tidy::text).filter(|synopsis| !synopsis.is_empty());
    if synopsis.as_ref().is_some_and(|synopsis| synopsis.chars().count() > SYNOPSIS_CHARACTERS_MAX) {
        return Err(format!("`extract` is longer than {SYNOPSIS_CHARACTERS_MAX} characters"));
    }
    let taken_from = |_: &String| (!article.is_empty()).then(|| format!("{ENCYCLOPEDIA}{article}"));
    let record = Record {
        title,
        year: tidy::year(year)?,
        genres: tidy::genres(&film.genres.unwrap_or_default()),
        cast: tidy::names(&film.cast.unwrap_or_default(), CAST_MAX),
        synopsis_source: synopsis.as_ref().and_then(taken_from),
        synopsis,
        ..Record::default()
    };
    Ok(Row { article, record })
}

/// What is wrong with the JSON; the line is the file's, so only the column is said.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    let kind = if error.is_data() { "not a film" } else { "not JSON" };
    format!("{kind}: {what} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_is_read_and_tidied() {
        let text = r#"{"title":" Tár ","year":2022,"cast":["Cate Blanchett",")"],"genres":["Drama"],"href":"Tár","extract":"A  conductor."}"#;
        let row = parse(text).expect("a film");
        assert_eq!((row.record.title.as_str(), row.record.year, row.article.as_str()), ("Tár", 2022, "Tár"));
        assert_eq!(row.record.cast, ["Cate Blanchett"]);
        assert_eq!(row.record.synopsis.as_deref(), Some("A conductor."));
        assert_eq!(row.record.synopsis_source.as_deref(), Some("https://en.wikipedia.org/wiki/Tár"));
        let bare = parse(r#"{"title":"X","year":2022,"href":null,"extract":null,"more":1}"#).expect("a film");
        assert_eq!((bare.record.synopsis_source, bare.article.as_str()), (None, ""));
    }

    #[test]
    fn what_is_no_film_is_refused_with_the_reason() {
        for (text, reason) in [
            (r#"{"title":"X","year":2022"#, "not JSON: EOF while parsing an object at column 24"),
            (r#"{"title":"X"}"#, "`year` is missing: without it a film cannot be told from its remakes"),
            (r#"{"year":2022}"#, "`title` is missing"),
            (r#"{"title":"X","year":20222}"#, "the year is 20222, not from 1888 to 2100"),
            (
                r#"{"title":7,"year":2022}"#,
                "not a film: invalid type: integer `7`, expected a string at column 10",
            ),
            ("[]", "not a film: invalid length 0, expected struct Film with 6 elements at column 2"),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()), "{text}");
        }
    }
}
