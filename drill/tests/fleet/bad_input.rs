//! The bad input of the first day, through the balancer.

use drill::fleet::Fleet;
use reqwest::Method;
use serde_json::json;

use crate::shows::own_show;

#[tokio::test]
async fn each_mistake_has_its_status_and_code() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let buyer = fleet.buyer().unwrap();
    let holds = format!("/api/shows/{show}/holds");
    let eleven: Vec<_> = (0..11).map(|at| format!("A{at}")).collect();
    for (path, body, status, code) in [
        ("/api/shows/no_such_show/holds", json!({ "seats": ["A1"] }), 404, "show_not_found"),
        (&holds, json!({ "seats": ["ZZ99"] }), 422, "unknown_seats"),
        (&holds, json!({ "seats": [] }), 422, "no_seats"),
        (&holds, json!({ "seats": [rows[0][0], rows[0][0]] }), 422, "duplicate_seat"),
        (&holds, json!({ "seats": eleven }), 422, "too_many_seats"),
        (&holds, json!({ "seats": "A1" }), 422, "invalid_body"),
    ] {
        let answer = buyer.post(path, &body).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(
            answer.headers["x-request-id"],
            answer.text("request_id").unwrap(),
            "one id from edge to answer"
        );
    }
    for path in [
        "/api/shows/no_such_show",
        "/api/shows/no_such_show/seats",
        "/api/movies/no_such_movie",
        "/api/holds/none",
        "/api/waitlist/none",
    ] {
        assert_eq!(buyer.get(path).await.unwrap().status, 404, "{path}");
    }
    let put = buyer.send(Method::PUT, &holds, &[], Some(&json!({}))).await.unwrap();
    assert_eq!((put.status.as_u16(), put.code()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_body_that_is_not_what_it_should_be_is_refused() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, _) = own_show(&fleet).await;
    let http = reqwest::Client::new();
    let holds = format!("{}/api/shows/{show}/holds", fleet.url);
    for (kind, body, status, code) in [
        ("application/json", "{\"seats\": [\"A1\",}".to_owned(), 400, "malformed_json"),
        ("text/plain", "{}".to_owned(), 415, "unsupported_media_type"),
        ("application/json", format!("\"{}\"", "x".repeat(200_000)), 413, "body_too_large"),
    ] {
        let answer = http.post(&holds).header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], code, "{problem}");
    }
}

#[tokio::test]
async fn others_holds_and_reused_keys_are_refused() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let (owner, other) = (fleet.buyer().unwrap(), fleet.buyer().unwrap());
    let held = owner.hold(&show, &[&rows[0][0]]).await.unwrap();
    let path = format!("/api/holds/{}", held.text("id").unwrap());
    assert_eq!(other.get(&path).await.unwrap().code(), "hold_not_found");
    assert_eq!(other.delete(&path).await.unwrap().code(), "hold_not_found");
    assert_eq!(other.confirm(held.text("id").unwrap(), "ok").await.unwrap().code(), "hold_not_found");

    let confirm = format!("{path}/confirm");
    let body = |token: &str| json!({ "email": "buyer@marquee.example", "payment": { "token": token } });
    assert_eq!(owner.post_keyed(&confirm, "one", &body("declined")).await.unwrap().status, 402);
    let reused = owner.post_keyed(&confirm, "one", &body("ok")).await.unwrap();
    assert_eq!((reused.status.as_u16(), reused.code()), (422, "idempotency_key_reused"));
    assert_eq!(owner.post_keyed(&confirm, "two", &body("ok")).await.unwrap().status, 201);
}

#[tokio::test]
async fn what_is_internal_stays_inside() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, _) = own_show(&fleet).await;
    let http = reqwest::Client::new();
    for path in [
        "/metrics".to_owned(),
        "/livez".to_owned(),
        "/readyz".to_owned(),
        "/openapi.json".to_owned(),
        format!("/internal/shows/{show}/queue"),
        format!("/api/../internal/shows/{show}/queue"),
        format!("/%69nternal/shows/{show}/queue"),
        format!("//internal/shows/{show}/queue"),
    ] {
        // Not through a buyer, who would read `//internal` as a host.
        let url = format!("{}{path}", fleet.url);
        let answer = http.put(url).json(&json!({ "open": true, "revision": 1 })).send().await.unwrap();
        assert!([400, 404].contains(&answer.status().as_u16()), "{path}: {}", answer.status());
    }
}
