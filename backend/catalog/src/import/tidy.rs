//! Texts of others, tidied. Pure.

/// The longest title, in characters.
pub(super) const TITLE_CHARACTERS_MAX: usize = 300;
/// The years a film can be of: from the first ever made to announced ones.
pub(super) const YEARS: std::ops::RangeInclusive<i64> = 1888..=2100;

/// Spaces of all kinds become one each, control characters go.
pub(super) fn text(raw: &str) -> String {
    let plain: String = raw.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A title: tidy, and without the mark of a link to another language's encyclopedia (`Voyage [de]`).
pub(super) fn title(raw: Option<&str>) -> Result<String, String> {
    let mut title = text(raw.unwrap_or_default());
    if let Some((before, mark)) = title.rsplit_once(" [")
        && mark
            .strip_suffix(']')
            .is_some_and(|word| matches!(word.len(), 2 | 3) && word.bytes().all(|b| b.is_ascii_lowercase()))
    {
        let end = before.len();
        title.truncate(end);
    }
    match title.chars().count() {
        0 => Err("`title` is missing".to_owned()),
        1..=TITLE_CHARACTERS_MAX => Ok(title),
        _ => Err(format!("`title` is longer than {TITLE_CHARACTERS_MAX} characters")),
    }
}

/// A year a film can be of.
pub(super) fn year(year: i64) -> Result<i16, String> {
    let known = i16::try_from(year).ok().filter(|_| YEARS.contains(&year));
    known.ok_or_else(|| format!("the year is {year}, not from {} to {}", YEARS.start(), YEARS.end()))
}

/// Names of people: those that have letters, each once, in order.
pub(super) fn names(raw: &[String], most: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in raw.iter().map(|name| text(name)) {
        if name.chars().any(char::is_alphabetic) && !names.contains(&name) && names.len() < most {
            names.push(name);
        }
    }
    names
}

/// Genres in our own words: `Thriller/Suspense` is a thriller, `Animated` is animation.
pub(super) fn genres(raw: &[String]) -> Vec<String> {
    let mut genres: Vec<String> = Vec::new();
    for genre in raw.iter().map(|genre| text(genre)).filter(|genre| !genre.is_empty()) {
        for known in renamed(&genre) {
            if !genres.contains(&known) {
                genres.push(known);
            }
        }
    }
    genres
}

fn renamed(genre: &str) -> Vec<String> {
    let names: &[&str] = match genre {
        "Animated" => &["Animation"],
        "Sport" => &["Sports"],
        "Suspense" | "Thriller/Suspense" => &["Thriller"],
        "Concert/Performance" | "Performance" => &["Concert"],
        "Romantic Comedy" => &["Romance", "Comedy"],
        "Black Comedy" => &["Comedy"],
        other => &[other],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_lose_marks_and_odd_spaces_and_nothing_else() {
        assert_eq!(
            title(Some("Gerhard Richter Painting\u{a0}[de]")),
            Ok("Gerhard Richter Painting".to_owned())
        );
        assert_eq!(title(Some("[REC]")), Ok("[REC]".to_owned()));
        assert_eq!(title(Some("  A\tB\0 ")), Ok("A B".to_owned()));
        assert!(title(Some(" ")).is_err() && title(None).is_err() && title(Some(&"x".repeat(301))).is_err());
    }

    #[test]
    fn what_is_no_name_is_left_out() {
        let raw = ["Björk", ")", "", " Björk ", "50 Cent"].map(str::to_owned);
        assert_eq!(names(&raw, 10), ["Björk", "50 Cent"]);
        assert_eq!(names(&raw, 1), ["Björk"]);
    }

    #[test]
    fn genres_of_all_sources_speak_one_language() {
        let raw = ["Animated", "Thriller/Suspense", "Suspense", "", "Western"].map(str::to_owned);
        assert_eq!(genres(&raw), ["Animation", "Thriller", "Western"]);
    }
}
