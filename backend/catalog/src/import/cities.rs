//! Cities as comma-separated values: where they lie, how many live there, which clock they go by.

use jiff::tz::TimeZone;

use super::sheet::{Fields, Header};
use crate::store::cities::{self, Place};

/// What a file must have to be one of these; it may have `country` besides.
pub(super) const COLUMNS: &[&str] = &["name", "state", "latitude", "longitude", "population", "timezone"];
const NAME_CHARACTERS_MAX: usize = 100;
const POPULATION_MAX: i64 = 100_000_000;

/// Reads a row.
pub(super) fn parse(header: &Header, text: &str) -> Result<Place, String> {
    let row = header.row(text)?;
    let missing = |column: &str| format!("`{column}` is missing");
    let name = name(&row, "name")?;
    let state = state(&row)?;
    let timezone = row.required("timezone")?;
    if TimeZone::get(&timezone).is_err() {
        return Err(format!("`timezone` is none: {timezone:?}"));
    }
    Ok(Place {
        name,
        state,
        latitude: row.number("latitude", -90.0, 90.0)?.ok_or_else(|| missing("latitude"))?,
        longitude: row.number("longitude", -180.0, 180.0)?.ok_or_else(|| missing("longitude"))?,
        population: row.number("population", 0, POPULATION_MAX)?.ok_or_else(|| missing("population"))?,
        timezone,
        country: country(&row)?,
    })
}

/// What something is called.
pub(super) fn name(row: &Fields<'_>, column: &str) -> Result<String, String> {
    let name = row.required(column)?;
    if name.chars().count() > NAME_CHARACTERS_MAX {
        return Err(format!("`{column}` is longer than {NAME_CHARACTERS_MAX} characters"));
    }
    Ok(name)
}

/// Two letters.
pub(super) fn state(row: &Fields<'_>) -> Result<String, String> {
    letters("state", row.required("state")?)
}

/// Two letters; ours when the file does not say.
fn country(row: &Fields<'_>) -> Result<String, String> {
    row.text("country").map_or_else(|| Ok(cities::home()), |country| letters("country", country))
}

fn letters(column: &str, text: String) -> Result<String, String> {
    if text.len() != 2 || !text.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(format!("`{column}` is not two capital letters: {text:?}"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_or_refused_with_the_reason() {
        let header = Header::read(&COLUMNS.join(",")).expect("a header");
        let place = parse(&header, "Cañon City,CO,38.44,-105.24,16400,America/Denver").expect("a city");
        assert_eq!((place.name.as_str(), place.population), ("Cañon City", 16_400));
        for (text, reason) in [
            (",CO,38,-105,1,America/Denver", "`name` is missing"),
            ("X,Colorado,38,-105,1,America/Denver", "`state` is not two capital letters: \"Colorado\""),
            ("X,CO,,-105,1,America/Denver", "`latitude` is missing"),
            ("X,CO,38,-190,1,America/Denver", "`longitude` is -190, not from -180 to 180"),
            ("X,CO,38,-105,many,America/Denver", "`population` is not a number: \"many\""),
            ("X,CO,38,-105,1,America/Nowhere", "`timezone` is none: \"America/Nowhere\""),
        ] {
            assert_eq!(parse(&header, text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_city_lies_where_the_file_says_and_else_at_home() {
        let header = Header::read(&format!("{},country", COLUMNS.join(","))).expect("a header");
        let country = |text: &str| {
            let row = format!("London,ON,42.98,-81.23,422324,America/Toronto,{text}");
            parse(&header, &row).map(|place| place.country)
        };
        assert_eq!((country("CA"), country("")), (Ok("CA".to_owned()), Ok("US".to_owned())));
        assert_eq!(country("Canada"), Err("`country` is not two capital letters: \"Canada\"".to_owned()));
    }

    #[test]
    fn two_towns_of_one_name_are_two() {
        let header = Header::read(&COLUMNS.join(",")).expect("a header");
        let north =
            parse(&header, "Brentwood,CA,37.93187,-121.69579,58968,America/Los_Angeles").expect("a city");
        let south =
            parse(&header, "Brentwood,CA,34.05195,-118.47397,33312,America/Los_Angeles").expect("a city");
        assert_ne!(north.id(), south.id());
    }
}
