//! Theaters as comma-separated values: which city they stand in, whose they are, and what they ask of buyers.

use deadpool_postgres::GenericClient;
use service::postgres::Error;

use super::cities;
use super::sheet::{Fields, Header};
use crate::merging::Outcome;
use crate::store::cities as city_table;
use crate::store::theaters::{self as theater_table, House};

/// What a file must have to be one of these; it may have `orphan_rule` and `chain` besides. The cities are known already.
pub(super) const COLUMNS: &[&str] = &["theater", "city", "state"];

/// Reads a row.
pub(super) fn parse(header: &Header, text: &str) -> Result<House, String> {
    let row = header.row(text)?;
    let name = cities::name(&row, "theater")?;
    Ok(House {
        name,
        city: row.required("city")?,
        state: cities::state(&row)?,
        orphan_rule: orphan_rule(&row)?,
        chain: row.text("chain").map(|_| cities::name(&row, "chain")).transpose()?,
    })
}

/// `true` or `false`; nothing when the file does not say.
fn orphan_rule(row: &Fields<'_>) -> Result<Option<bool>, String> {
    match row.text("orphan_rule").as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(format!("`orphan_rule` is neither true nor false: {other:?}")),
    }
}

/// Writes a theater, or says why it cannot be: the city it stands in must be one, and known.
pub(super) async fn write(
    client: &impl GenericClient,
    house: &House,
) -> Result<Result<Outcome, String>, Error> {
    let House { name, city, state, orphan_rule, chain } = house;
    let cities = city_table::of_theater(client, city, state, name).await?;
    let [city_id] = cities.as_slice() else {
        let how_many = if cities.is_empty() { "no city" } else { "more than one city" };
        return Ok(Err(format!("there is {how_many} called {city} in {state}")));
    };
    let written = theater_table::write(client, city_id, name, *orphan_rule, chain.as_deref()).await?;
    Ok(Ok(if written { Outcome::Written } else { Outcome::Unchanged }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_or_refused_with_the_reason() {
        let header = Header::read("theater,city,state,orphan_rule").expect("a header");
        let house = |text| parse(&header, text);
        assert_eq!(house("Odeon,Boston,MA,true").map(|house| house.orphan_rule), Ok(Some(true)));
        assert_eq!(house("Odeon,Boston,MA,false").map(|house| house.orphan_rule), Ok(Some(false)));
        assert_eq!(house("Odeon,Boston,MA,").map(|house| house.orphan_rule), Ok(None));
        for (text, reason) in [
            ("Odeon,Boston,MA,maybe", "`orphan_rule` is neither true nor false: \"maybe\""),
            (",Boston,MA,true", "`theater` is missing"),
            ("Odeon,,MA,true", "`city` is missing"),
            ("Odeon,Boston,Mass,true", "`state` is not two capital letters: \"Mass\""),
        ] {
            assert_eq!(house(text), Err(reason.to_owned()), "{text}");
        }
        let owned = Header::read("theater,city,state,chain").expect("a header");
        assert_eq!(
            parse(&owned, "Odeon,Boston,MA,Giant").map(|house| house.chain),
            Ok(Some("Giant".to_owned()))
        );
        assert_eq!(parse(&owned, "Odeon,Boston,MA,").map(|house| house.chain), Ok(None));
        let short = Header::read("state,theater,city").expect("a header");
        assert_eq!(parse(&short, "MA,Odeon,Boston").map(|house| house.orphan_rule), Ok(None));
    }
}
