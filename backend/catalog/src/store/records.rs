//! `catalog.movie_records`: what each source says of a film, one row per row of the source.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use service::postgres::Error;
use tokio_postgres::types::Json;

/// What one source says of one film. What it does not say is empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Always there.
    pub(crate) title: String,
    /// Always there: without it a film cannot be told from its remakes.
    pub(crate) year: i16,
    pub(crate) released_on: Option<Date>,
    pub(crate) runtime_minutes: Option<i16>,
    pub(crate) mpaa_rating: Option<String>,
    pub(crate) genres: Vec<String>,
    pub(crate) directors: Vec<String>,
    pub(crate) cast: Vec<String>,
    pub(crate) synopsis: Option<String>,
    pub(crate) synopsis_source: Option<String>,
    pub(crate) distributor: Option<String>,
    /// In dollars.
    pub(crate) us_gross: Option<i64>,
    /// In dollars.
    pub(crate) worldwide_gross: Option<i64>,
    /// Of 10.
    pub(crate) imdb_rating: Option<f64>,
    pub(crate) imdb_votes: Option<i64>,
}

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Filed {
    /// Who says it.
    pub(crate) source: String,
    /// Which row of the source.
    pub(crate) key: String,
    /// Of which film.
    pub(crate) movie_id: String,
    /// What it says.
    pub(crate) record: Record,
}

/// What is filed of one source under those keys.
pub(crate) async fn by_key(
    client: &impl GenericClient,
    source: &str,
    keys: &[&str],
) -> Result<HashMap<String, Filed>, Error> {
    let find =
        "SELECT source, key, movie_id, record FROM catalog.movie_records WHERE source = $1 AND key = ANY($2)";
    let find = client.prepare_cached(find).await?;
    let rows = client.query(&find, &[&source, &keys]).await?;
    rows.iter().map(filed).map(|filed| filed.map(|filed| (filed.key.clone(), filed))).collect()
}

/// All that is filed of those films.
pub(crate) async fn of_movies(client: &impl GenericClient, ids: &[&str]) -> Result<Vec<Filed>, Error> {
    let find = "SELECT source, key, movie_id, record FROM catalog.movie_records WHERE movie_id = ANY($1)";
    let find = client.prepare_cached(find).await?;
    client.query(&find, &[&ids]).await?.iter().map(filed).collect()
}

/// Files records, new ones and changed ones. Their films must be there.
pub(crate) async fn write(client: &impl GenericClient, records: &[Filed]) -> Result<(), Error> {
    let upsert = "INSERT INTO catalog.movie_records (source, key, movie_id, record)
                  SELECT * FROM jsonb_to_recordset($1) AS filed (source text, key text, movie_id text, record jsonb)
                  ON CONFLICT (source, key) DO UPDATE SET record = excluded.record";
    let upsert = client.prepare_cached(upsert).await?;
    client.execute(&upsert, &[&Json(records)]).await?;
    Ok(())
}

fn filed(row: &tokio_postgres::Row) -> Result<Filed, Error> {
    let Json(record) =
        row.try_get::<_, Json<Record>>("record").map_err(|error| Error::Refused(error.into()))?;
    Ok(Filed { source: row.get("source"), key: row.get("key"), movie_id: row.get("movie_id"), record })
}
