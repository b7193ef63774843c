//! Lists of films, the search, and single films.

use std::collections::HashSet;

use serde_json::Value;

use crate::world::{World, all_pages, each};

#[tokio::test]
async fn pages_are_whole_in_order_and_stable_while_films_are_added() {
    let (world, visitor) = World::visited().await;
    let whole = visitor.get("/api/movies?limit=100").await;
    let whole = each(&whole.body["movies"], "id");
    assert_eq!(whole.len(), 48);
    for limit in [1, 7, 48, 49] {
        let paged = all_pages(&visitor, &format!("/api/movies?limit={limit}"), "movies").await;
        assert_eq!(each(&Value::Array(paged), "id"), whole, "limit {limit}");
    }
    let first = visitor.get("/api/movies?limit=24").await;
    // Before and behind where the first page ended.
    world
        .execute(
            "INSERT INTO catalog.movies (id, natural_key, title, sort_title, words, year, genres, directors, cast_members)
             SELECT 'new' || n, n, n, n, ARRAY[n], 2000, '{}', '{}', '{}' FROM unnest(ARRAY['0', 'zz']) AS n",
        )
        .await;
    let cursor = first.text("next_cursor");
    let rest = visitor.get(&format!("/api/movies?limit=100&cursor={cursor}")).await;
    let rest = each(&rest.body["movies"], "id");
    let both: Vec<String> = each(&first.body["movies"], "id").into_iter().chain(rest).collect();
    assert_eq!(both.iter().collect::<HashSet<_>>().len(), both.len());
    assert!(whole.iter().all(|id| both.contains(id)) && both.contains(&"newzz".to_owned()));
}

#[tokio::test]
async fn a_search_finds_words_and_their_beginnings_however_they_are_spelled() {
    let (_world, visitor) = World::visited().await;
    for (query, titles) in [
        ("dune", vec!["Dune: Part Two"]),
        ("PART%20du", vec!["Dune: Part Two"]),
        ("AMELIE", vec!["Amélie"]),
        ("am%C3%A9lie", vec!["Amélie"]),
        ("wall-e", vec!["WALL·E"]),
        ("walle", vec!["WALL·E"]),
        ("spiderman", vec!["Spider-Man: Across the Spider-Verse"]),
        ("singin%27", vec!["Singin' in the Rain"]),
        ("inside%202", vec!["Inside Out 2"]),
        ("une", vec![]),
        ("nothing%20like%20it", vec![]),
        ("%3F%21", vec![]),
        ("%27%3A*%20%26%20%7C%20%21%28", vec![]),
        ("dune%00z", vec![]),
    ] {
        let found = visitor.get(&format!("/api/movies?q={query}")).await;
        assert_eq!(found.status, 200, "{query}: {}", found.body);
        assert_eq!(each(&found.body["movies"], "title"), titles, "{query}");
    }
    let all = visitor.get("/api/movies?q=%20&limit=100").await;
    assert_eq!(all.body["movies"].as_array().map(Vec::len), Some(48));
    let paged = all_pages(&visitor, "/api/movies?q=the&limit=2", "movies").await;
    assert!(paged.len() > 4, "{}", paged.len());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_code() {
    let (_world, visitor) = World::visited().await;
    let dune = visitor.get("/api/movies?q=the&limit=1").await;
    let foreign = format!("/api/movies?q=a&cursor={}", dune.text("next_cursor"));
    let long = format!("/api/movies?q={}", "x".repeat(101));
    for (path, status, code) in [
        ("/api/movies?limit=ten", 400, "invalid_limit"),
        ("/api/movies?limit=", 400, "invalid_limit"),
        ("/api/movies?limit=0", 422, "invalid_limit"),
        ("/api/movies?limit=101", 422, "invalid_limit"),
        ("/api/movies?limit=-1", 422, "invalid_limit"),
        ("/api/movies?limit=1&limit=2", 400, "invalid_query"),
        ("/api/movies?cursor=nonsense", 400, "invalid_cursor"),
        ("/api/movies?cursor=", 400, "invalid_cursor"),
        (foreign.as_str(), 400, "invalid_cursor"),
        (long.as_str(), 422, "query_too_long"),
        ("/api/movies/popular?limit=many", 400, "invalid_limit"),
        ("/api/movies/popular?limit=1000", 422, "invalid_limit"),
        ("/api/movies/unknown", 404, "movie_not_found"),
        ("/api/movies/%00", 404, "movie_not_found"),
        ("/api/movies/a%20b", 404, "movie_not_found"),
        ("/api/nothing", 404, "not_found"),
    ] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    for path in [
        "/api/movies",
        "/api/movies/popular",
        "/api/movies/x",
        "/api/shows/x",
        "/api/cities",
        "/api/openapi.json",
    ] {
        let answer = visitor.delete(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (405, "method_not_allowed"), "{path}");
    }
}

#[tokio::test]
async fn answers_are_shared_tagged_and_without_a_cookie() {
    let (_world, visitor) = World::visited().await;
    let id =
        visitor.get("/api/movies?q=dune").await.body["movies"][0]["id"].as_str().expect("an id").to_owned();
    for path in [
        "/api/movies".to_owned(),
        "/api/movies/popular".to_owned(),
        "/api/cities".to_owned(),
        format!("/api/movies/{id}"),
        format!("/api/movies/{id}/shows"),
    ] {
        let answer = visitor.get(&path).await;
        let caching = answer.headers["cache-control"].to_str().expect("text");
        assert!(caching.starts_with("public, max-age="), "{path}: {caching}");
        assert!(!answer.headers.contains_key("set-cookie"), "{path}");
        let tag = answer.headers["etag"].to_str().expect("text");
        let again = visitor.send(http::Method::GET, &path, &[("if-none-match", tag)], None).await;
        assert_eq!((again.status.as_u16(), again.body), (304, Value::Null), "{path}");
    }
    let movie = visitor.get(&format!("/api/movies/{id}")).await;
    assert_eq!((movie.text("title"), movie.text("released_on")), ("Dune: Part Two", "2024-03-01"));
}

#[tokio::test]
async fn the_document_names_every_call_and_takes_in_those_of_others() {
    let mut world = World::empty().await;
    // Another instance stands in for another service; the second source is away.
    let other = world.start().await;
    world.config.openapi_sources = vec![format!("http://{other}"), "http://127.0.0.1:1".to_owned()];
    let visitor = testkit::client::Client::new(world.start().await);
    let document = visitor.get("/api/openapi.json").await;
    assert_eq!(document.status, 200);
    assert!(document.text("openapi").starts_with("3.1"));
    let paths = document.body["paths"].as_object().expect("paths");
    for path in [
        "/api/movies",
        "/api/movies/popular",
        "/api/movies/{id}",
        "/api/movies/{id}/shows",
        "/api/shows/{id}",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let metrics = visitor.get("/metrics").await;
    let metrics = metrics.body.as_str().expect("text").to_owned();
    assert!(metrics.contains("marquee_catalog_openapi_fetches_total{outcome=\"fetched\"} 1"), "{metrics}");
    assert!(metrics.contains("marquee_catalog_openapi_fetches_total{outcome=\"failed\"} 1"), "{metrics}");
}
