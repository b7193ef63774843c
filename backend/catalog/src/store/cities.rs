//! `catalog.cities`: where people live, imported.

use deadpool_postgres::Transaction;

use super::Result;
use super::movies::Upserted;

/// A city as the importer writes it. Its natural key is name, state and place (two may share a name).
#[derive(Debug, Clone, PartialEq)]
pub struct NewCity {
    /// Its name.
    pub name: String,
    /// Two letters.
    pub state: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// People.
    pub population: i64,
    /// An IANA time zone.
    pub timezone: String,
}

impl NewCity {
    /// From the natural key; the place to a hundredth of a degree, about a kilometre.
    pub fn id(&self) -> String {
        let place = format!("{:.2},{:.2}", self.latitude, self.longitude);
        crate::names::id("city", &[&crate::names::title_key(&self.name), &self.state, &place])
    }
}

/// Writes a city.
pub async fn upsert(transaction: &Transaction<'_>, city: &NewCity) -> Result<Upserted> {
    let upsert = transaction
        .prepare_cached(
            "INSERT INTO catalog.cities AS c (id, name, state, latitude, longitude, population, timezone)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET population = excluded.population, timezone = excluded.timezone
             WHERE (c.population, c.timezone) IS DISTINCT FROM (excluded.population, excluded.timezone)",
        )
        .await?;
    let rows = transaction
        .execute(
            &upsert,
            &[
                &city.id(),
                &city.name,
                &city.state,
                &city.latitude,
                &city.longitude,
                &city.population,
                &city.timezone,
            ],
        )
        .await?;
    Ok(if rows == 0 { Upserted::Unchanged } else { Upserted::Written })
}
