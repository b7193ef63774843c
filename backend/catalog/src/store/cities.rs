//! `catalog.cities`: where theaters can be. Those that have one are what visitors choose from.

use deadpool_postgres::GenericClient;
use serde::{Deserialize, Serialize};
use service::postgres::Error;
use tokio_postgres::types::Json;
use utoipa::ToSchema;

use crate::names::{derived, folded};

/// A city with theaters.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct City {
    /// Opaque.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Two letters.
    pub(crate) state: String,
    /// IANA, such as `America/Chicago`.
    pub(crate) timezone: String,
    /// How many theaters it has here.
    pub(crate) theaters: i64,
}

/// A city as a source describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
    pub(crate) population: i64,
    pub(crate) timezone: String,
    /// ISO 3166-1, two letters.
    #[serde(default = "home")]
    pub(crate) country: String,
}

/// Where a city lies whose source does not say.
pub(crate) fn home() -> String {
    "US".to_owned()
}

impl Place {
    /// Two towns of a state may share a name; they never share a tenth of a degree.
    pub(crate) fn id(&self) -> String {
        let degrees = |value: f64| format!("{value:.1}");
        derived(
            "city",
            &[&folded(&self.name), &self.state, &degrees(self.latitude), &degrees(self.longitude)],
        )
    }
}

/// Cities that have theaters, by name.
pub(crate) async fn with_theaters(client: &impl GenericClient) -> Result<Vec<City>, Error> {
    let list = "SELECT c.id, c.name, c.state, c.timezone, count(*) AS theaters
                FROM catalog.cities c JOIN catalog.theaters t ON t.city_id = c.id
                GROUP BY c.id ORDER BY c.name_key, c.id";
    let list = client.prepare_cached(list).await?;
    let city = |row: &tokio_postgres::Row| City {
        id: row.get("id"),
        name: row.get("name"),
        state: row.get("state"),
        timezone: row.get("timezone"),
        theaters: row.get("theaters"),
    };
    Ok(client.query(&list, &[]).await?.iter().map(city).collect())
}

/// The cities of a name, as people write it, in a state; of several, only those where a theater of that name stands, if there
/// are such.
pub(crate) async fn of_theater(
    client: &impl GenericClient,
    name: &str,
    state: &str,
    theater: &str,
) -> Result<Vec<String>, Error> {
    let find = "SELECT id FROM (
                    SELECT c.id, rank() OVER (ORDER BY t.id IS NULL) AS place FROM catalog.cities c
                    LEFT JOIN catalog.theaters t ON t.city_id = c.id AND t.name = $3
                    WHERE c.name_key = $1 AND c.state = $2) AS found
                WHERE place = 1 ORDER BY id";
    let find = client.prepare_cached(find).await?;
    let rows = client.query(&find, &[&folded(name), &state, &theater]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Writes cities, new ones and changed ones; says the ids of those that were not so before. No two may be one city.
pub(crate) async fn write(client: &impl GenericClient, places: &[Place]) -> Result<Vec<String>, Error> {
    #[derive(Debug, Serialize)]
    struct Entry<'a> {
        id: String,
        name_key: String,
        #[serde(flatten)]
        place: &'a Place,
    }
    let upsert = "INSERT INTO catalog.cities AS old (id, name, state, name_key, latitude, longitude, population, timezone,
                      country)
                  SELECT * FROM jsonb_to_recordset($1) AS entry (id text, name text, state text, name_key text,
                      latitude double precision, longitude double precision, population bigint, timezone text,
                      country text)
                  ON CONFLICT (id) DO UPDATE SET name = excluded.name, latitude = excluded.latitude,
                      longitude = excluded.longitude, population = excluded.population, timezone = excluded.timezone,
                      country = excluded.country
                  WHERE (old.name, old.latitude, old.longitude, old.population, old.timezone, old.country) IS DISTINCT FROM
                      (excluded.name, excluded.latitude, excluded.longitude, excluded.population, excluded.timezone,
                       excluded.country)
                  RETURNING id";
    let upsert = client.prepare_cached(upsert).await?;
    let entry = |place| {
        let place: &Place = place;
        Entry { id: place.id(), name_key: folded(&place.name), place }
    };
    let entries: Vec<Entry<'_>> = places.iter().map(entry).collect();
    Ok(client.query(&upsert, &[&Json(&entries)]).await?.iter().map(|row| row.get(0)).collect())
}
