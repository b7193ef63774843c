//! Shows by film, day and city; single shows; cities.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::world::{World, all_pages, each};

async fn popular(visitor: &testkit::client::Client) -> String {
    let list = visitor.get("/api/movies/popular?limit=1").await;
    list.body["movies"][0]["id"].as_str().expect("an id").to_owned()
}

fn local_day(show: &Value) -> String {
    let zone = TimeZone::get(show["theater"]["timezone"].as_str().expect("a zone")).expect("known");
    let starts_at: Timestamp = show["starts_at"].as_str().expect("a time").parse().expect("RFC 3339");
    starts_at.to_zoned(zone).date().to_string()
}

#[tokio::test]
async fn without_a_day_there_is_all_that_has_not_begun_in_order_and_paged_alike() {
    let (_world, visitor) = World::visited().await;
    let movie = popular(&visitor).await;
    let whole = visitor.get(&format!("/api/movies/{movie}/shows?limit=200")).await;
    let whole = whole.body["shows"].as_array().expect("a list").clone();
    assert!(whole.len() > 3);
    let times: Vec<Timestamp> = whole
        .iter()
        .map(|show| show["starts_at"].as_str().expect("a time").parse().expect("RFC 3339"))
        .collect();
    assert!(times.is_sorted() && times[0] > Timestamp::now() - jiff::SignedDuration::from_mins(1));
    for limit in [1, 3] {
        let paged = all_pages(&visitor, &format!("/api/movies/{movie}/shows?limit={limit}"), "shows").await;
        assert_eq!(paged, whole);
    }
    assert!(whole.iter().all(|show| show["movie_id"] == movie.as_str()));
}

#[tokio::test]
async fn a_day_is_a_day_on_the_theaters_own_calendar() {
    let (_world, visitor) = World::visited().await;
    let movie = popular(&visitor).await;
    let all = all_pages(&visitor, &format!("/api/movies/{movie}/shows?limit=200"), "shows").await;
    let days: HashSet<String> = all.iter().map(local_day).collect();
    assert!(days.len() >= 3);
    // The first day is left out: some of its shows have begun.
    for day in days.iter().filter(|day| **day > local_day(&all[0])) {
        let of_day = all_pages(&visitor, &format!("/api/movies/{movie}/shows?on={day}"), "shows").await;
        let expected: Vec<&Value> = all.iter().filter(|show| local_day(show) == **day).collect();
        assert_eq!(of_day.iter().collect::<Vec<_>>(), expected, "{day}");
    }
    let never = visitor.get(&format!("/api/movies/{movie}/shows?on=1999-01-01")).await;
    assert_eq!(never.body["shows"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_city_narrows_the_list_by_its_name_or_id() {
    let (_world, visitor) = World::visited().await;
    let cities = visitor.get("/api/cities").await;
    assert_eq!(each(&cities.body["cities"], "name"), ["Boston", "Chicago", "Seattle"]);
    assert_eq!(each(&cities.body["cities"], "state"), ["MA", "IL", "WA"]);
    let movie = popular(&visitor).await;
    let all = all_pages(&visitor, &format!("/api/movies/{movie}/shows?limit=200"), "shows").await;
    let mut sum = 0;
    for city in cities.body["cities"].as_array().expect("a list") {
        let named = |name: &str| format!("/api/movies/{movie}/shows?limit=200&city={name}");
        let by_name = visitor.get(&named(&city["name"].as_str().expect("text").to_uppercase())).await;
        let by_id = visitor.get(&named(city["id"].as_str().expect("text"))).await;
        assert_eq!(by_name.body["shows"], by_id.body["shows"]);
        let shows = by_id.body["shows"].as_array().expect("a list");
        assert!(shows.iter().all(|show| show["theater"]["city"] == city["name"]));
        sum += shows.len();
    }
    assert_eq!(sum, all.len());
    let elsewhere = visitor.get(&format!("/api/movies/{movie}/shows?city=Atlantis")).await;
    assert_eq!((elsewhere.status.as_u16(), &elsewhere.body["shows"]), (200, &Value::Array(Vec::new())));
}

#[tokio::test]
async fn a_show_says_what_a_page_about_it_needs() {
    let (_world, visitor) = World::visited().await;
    let movie = popular(&visitor).await;
    let first = visitor.get(&format!("/api/movies/{movie}/shows?limit=1")).await.body["shows"][0].clone();
    let show = visitor.get(&format!("/api/shows/{}", first["id"].as_str().expect("an id"))).await;
    for member in ["id", "movie_id", "theater", "auditorium", "starts_at", "price"] {
        assert_eq!(show.body[member], first[member], "{member}");
    }
    assert_eq!(show.body["movie"]["id"], movie.as_str());
    assert!(show.body["capacity"].as_u64().is_some_and(|capacity| (40..=250).contains(&capacity)));
    assert_eq!(show.body["price"]["currency"], "USD");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_code() {
    let (_world, visitor) = World::visited().await;
    let movie = popular(&visitor).await;
    let of = |rest: &str| format!("/api/movies/{movie}/shows{rest}");
    let page = visitor.get(&of("?limit=1")).await;
    for (path, status, code) in [
        (of("?on=today"), 400, "invalid_date"),
        (of("?on=2026-02-30"), 400, "invalid_date"),
        (of("?on="), 400, "invalid_date"),
        (of("?limit=x"), 400, "invalid_limit"),
        (of("?limit=201"), 422, "invalid_limit"),
        (of("?city=%00"), 422, "invalid_city"),
        (of("?cursor=x"), 400, "invalid_cursor"),
        (of(&format!("?city=Boston&cursor={}", page.text("next_cursor"))), 400, "invalid_cursor"),
        ("/api/movies/unknown/shows".to_owned(), 404, "movie_not_found"),
        ("/api/shows/unknown".to_owned(), 404, "show_not_found"),
        ("/api/shows/%00".to_owned(), 404, "show_not_found"),
    ] {
        let answer = visitor.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path}: {}", answer.body);
    }
}
