//! `GET /api/openapi.json`: our document and, merged into it, those of the other services.
//!
//! A service that cannot be asked takes part with what it said last, or not at all: the answer never waits for it long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use futures_util::future::join_all;
use http::HeaderMap;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use utoipa::openapi::OpenApi;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::{Catalog, answer};

const MAX_AGE_SECONDS: u32 = 30;
/// The longest document taken from a service.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// What the outside may call; the rest of a service's paths is its own affair.
const PUBLIC: &str = "/api/";

/// The documents of the other services, as they last were.
#[derive(Debug)]
pub(crate) struct Sources {
    urls: Vec<String>,
    client: reqwest::Client,
    fresh: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    asked: Option<Instant>,
    documents: HashMap<String, Value>,
}

impl Sources {
    /// Nobody is asked before somebody asks us.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        // Our own services are never behind somebody's HTTP_PROXY.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_millis(config.openapi_timeout_ms))
            .build()?;
        let url = |base: &String| format!("{}/openapi.json", base.trim_end_matches('/'));
        Ok(Self {
            urls: config.openapi_sources.iter().map(url).collect(),
            client,
            fresh: Duration::from_secs(config.openapi_seconds),
            known: Mutex::default(),
        })
    }

    /// The documents, in the order of the configuration. Whoever comes while they are fetched waits for the same fetch.
    async fn documents(&self, metrics: &Metrics) -> Vec<Value> {
        let mut known = self.known.lock().await;
        if known.asked.is_none_or(|asked| asked.elapsed() >= self.fresh) {
            let fetched = join_all(self.urls.iter().map(|url| self.fetch(url))).await;
            let mut complete = true;
            for (url, document) in self.urls.iter().zip(fetched) {
                let outcome = if document.is_ok() { "fetched" } else { "failed" };
                metrics.openapi_fetches.with_label_values(&[outcome]).inc();
                match document {
                    Ok(document) => drop(known.documents.insert(url.clone(), document)),
                    Err(error) => {
                        complete &= known.documents.contains_key(url);
                        tracing::warn!(url, error = %format!("{error:#}"), "no document from this service");
                    }
                }
            }
            // One that has never answered is asked again by the next visitor.
            known.asked = complete.then(Instant::now);
        }
        self.urls.iter().filter_map(|url| known.documents.get(url).cloned()).collect()
    }

    async fn fetch(&self, url: &str) -> anyhow::Result<Value> {
        let mut response = self.client.get(url).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(
                bytes.len() + chunk.len() <= DOCUMENT_BYTES_MAX,
                "it is longer than {DOCUMENT_BYTES_MAX} bytes"
            );
            bytes.extend_from_slice(&chunk);
        }
        let document: Value = serde_json::from_slice(&bytes)?;
        anyhow::ensure!(document["paths"].is_object(), "it has no paths");
        Ok(document)
    }
}

/// The whole document.
pub(crate) async fn whole(
    State(catalog): State<Arc<Catalog>>,
    request: HeaderMap,
    own: Arc<OpenApi>,
) -> Response {
    let own = serde_json::to_value(own.as_ref()).expect("our document has a JSON form");
    let others = catalog.openapi.documents(&catalog.metrics).await;
    answer::shared(&request, MAX_AGE_SECONDS, &merged(own, &others))
}

/// `own` with the public paths of `others` and all their components. On a clash the first stands. Pure.
fn merged(mut own: Value, others: &[Value]) -> Value {
    for other in others {
        let public = |(path, _): &(&String, &Value)| path.starts_with(PUBLIC);
        if let Some(paths) = other["paths"].as_object() {
            add(&mut own["paths"], paths.iter().filter(public));
        }
        for (kind, components) in other["components"].as_object().into_iter().flatten() {
            if let Some(components) = components.as_object() {
                add(&mut own["components"][kind], components.iter());
            }
        }
    }
    own
}

fn add<'a>(to: &mut Value, members: impl Iterator<Item = (&'a String, &'a Value)>) {
    if !to.is_object() {
        *to = Value::Object(Map::new());
    }
    let Some(object) = to.as_object_mut() else { return };
    for (name, member) in members {
        object.entry(name.clone()).or_insert_with(|| member.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn public_paths_and_components_join_and_internal_ones_stay_out() {
        let own = json!({"openapi": "3.1.0", "paths": {"/api/movies": 1}, "components": {"schemas": {"Problem": 1}}});
        let other = json!({
            "paths": {"/api/holds/{id}": 2, "/internal/x": 2, "/api/movies": 2},
            "components": {"schemas": {"Problem": 2, "Hold": 2}, "parameters": {"Key": 2}},
        });
        let whole = merged(own, &[other, json!({"paths": {}})]);
        assert_eq!(
            whole,
            json!({
                "openapi": "3.1.0",
                "paths": {"/api/movies": 1, "/api/holds/{id}": 2},
                "components": {"schemas": {"Problem": 1, "Hold": 2}, "parameters": {"Key": 2}},
            })
        );
    }
}
