//! A show of one's own for every test, so that they do not buy each other's seats.

use std::collections::HashSet;
use std::sync::Mutex;

use drill::buyer::Buyer;
use drill::fleet::Fleet;
use drill::walk::upcoming;
use serde_json::Value;

static TAKEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// An upcoming show that no other test of this run has, and its seats' names row by row.
pub(crate) async fn own_show(fleet: &Fleet) -> (String, Vec<Vec<String>>) {
    let buyer = fleet.buyer().unwrap();
    let movies = buyer.get("/api/movies/popular?limit=20").await.unwrap();
    for movie in movies.list("movies").unwrap() {
        for show in upcoming(&buyer, movie["id"].as_str().unwrap()).await.unwrap() {
            let untouched =
                buyer.seats(&show).await.unwrap().body["seats"] == Value::Object(serde_json::Map::new());
            if untouched && TAKEN.lock().unwrap().get_or_insert_default().insert(show.clone()) {
                let rows = rows(&buyer, &show).await;
                return (show, rows);
            }
        }
    }
    panic!("the demo catalogue has no untouched show left");
}

async fn rows(buyer: &Buyer, show: &str) -> Vec<Vec<String>> {
    let map = buyer.get(&format!("/api/shows/{show}/seat-map")).await.unwrap();
    let names = |row: &Value| {
        let standard = row["seats"].as_array().unwrap().iter().filter(|seat| seat["kind"] == "standard");
        standard.map(|seat| seat["id"].as_str().unwrap().to_owned()).collect()
    };
    map.list("rows").unwrap().iter().map(names).filter(|row: &Vec<String>| row.len() >= 4).collect()
}
