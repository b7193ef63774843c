//! The demo catalogue as visitors find it.

use std::collections::HashSet;

use drill::fleet::Fleet;
use serde_json::Value;

#[tokio::test]
async fn there_are_films_cities_and_a_popular_list_in_order() {
    let fleet = Fleet::from_environment().unwrap();
    let buyer = fleet.buyer().unwrap();
    let (mut movies, mut cursor) = (HashSet::new(), String::new());
    loop {
        let page = buyer.get(&format!("/api/movies?limit=20{cursor}")).await.unwrap();
        movies.extend(page.list("movies").unwrap().iter().map(|movie| movie["id"].to_string()));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(movies.len() >= 40, "{}", movies.len());

    let popular = buyer.get("/api/movies/popular?limit=10").await.unwrap();
    let list = popular.list("movies").unwrap();
    assert_eq!(list.len(), 10);
    assert!(list.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()));
    assert!(list.iter().enumerate().all(|(at, movie)| movie["rank"].as_u64() == Some(at as u64 + 1)));
    assert!(popular.body["as_of"].is_string());

    let title = list[0]["title"].as_str().unwrap();
    let found = buyer
        .send(
            reqwest::Method::GET,
            &format!("/api/movies?q={}", title.replace(' ', "%20").replace('&', "%26")),
            &[],
            None,
        )
        .await
        .unwrap();
    assert!(found.list("movies").unwrap().iter().any(|movie| movie["title"] == title), "{}", found.body);
}

#[tokio::test]
async fn every_day_of_the_week_has_shows_in_three_cities() {
    let fleet = Fleet::from_environment().unwrap();
    let buyer = fleet.buyer().unwrap();
    let popular = buyer.get("/api/movies/popular?limit=20").await.unwrap();
    let mut cities = HashSet::new();
    for movie in popular.list("movies").unwrap() {
        let shows = buyer
            .get(&format!("/api/movies/{}/shows?limit=100", movie["id"].as_str().unwrap()))
            .await
            .unwrap();
        cities.extend(
            shows.list("shows").unwrap().iter().map(|show: &Value| show["theater"]["city"].to_string()),
        );
    }
    assert_eq!(cities.len(), 3, "{cities:?}");
}
