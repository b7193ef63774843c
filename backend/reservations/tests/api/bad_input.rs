//! Bad input gets a clear answer and changes nothing.

use http::Method;
use serde_json::{Value, json};
use testkit::client::Client;

use crate::world::{BEGUN, SHOW, World, hold, holds, payment, seats};

async fn raw(world: &World, kind: &str, body: &str) -> (u16, Value) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(world.instance(0).address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        holds(SHOW),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or(Value::Null))
}

#[tokio::test]
async fn each_mistake_has_its_status_and_code() {
    let world = World::start(1).await;
    let client = world.visitor();
    let eleven: Vec<String> = (1..=11).map(|n| format!("A{n}")).collect();
    for (show, body, status, code) in [
        ("no_such_show", json!({ "seats": ["A1"] }), 404, "show_not_found"),
        ("no%20such", json!({ "seats": ["A1"] }), 404, "not_found"),
        (BEGUN, json!({ "seats": ["A1"] }), 410, "show_started"),
        (SHOW, json!({ "seats": ["Z9"] }), 422, "unknown_seats"),
        (SHOW, json!({ "seats": ["no seat"] }), 422, "unknown_seats"),
        (SHOW, json!({ "seats": [] }), 422, "no_seats"),
        (SHOW, json!({ "seats": ["A1", "A1"] }), 422, "duplicate_seat"),
        (SHOW, json!({ "seats": eleven }), 422, "too_many_seats"),
        (SHOW, json!({ "best": 0 }), 422, "no_seats"),
        (SHOW, json!({ "best": 11 }), 422, "too_many_seats"),
        (SHOW, json!({}), 422, "seats_or_best"),
        (SHOW, json!({ "seats": ["A1"], "best": 1 }), 422, "seats_or_best"),
        (SHOW, json!({ "seats": ["A1"], "accessible": true }), 422, "accessible_with_seats"),
        (SHOW, json!({ "accessible": true }), 422, "seats_or_best"),
        (SHOW, json!({ "best": 1, "accessible": "yes" }), 422, "invalid_body"),
        (SHOW, json!({ "seats": "A1" }), 422, "invalid_body"),
        (SHOW, json!({ "best": -1 }), 422, "invalid_body"),
        (SHOW, json!({ "seat": ["A1"] }), 422, "invalid_body"),
    ] {
        let answer = client.post(&holds(show), &body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["status"], status);
        assert!(!answer.text("detail").is_empty() && !answer.text("request_id").is_empty());
    }
    assert_eq!(client.get(&seats(SHOW)).await.body["seats"], json!({}));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_place() {
    let world = World::start(1).await;
    let (status, problem) = raw(&world, "application/json", "{\"seats\": [\"A1\",}").await;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")));
    assert!(problem["detail"].as_str().unwrap().contains("line 1 column"), "{problem}");
    let (status, problem) = raw(&world, "text/plain", "{}").await;
    assert_eq!((status, &problem["code"]), (415, &json!("unsupported_media_type")));
    let (status, problem) = raw(&world, "application/json", &format!("\"{}\"", "x".repeat(20_000))).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
}

#[tokio::test]
async fn wrong_methods_and_addresses_are_refused() {
    let world = World::start(1).await;
    let client = world.visitor();
    let put = client.send(Method::PUT, &holds(SHOW), &[], Some(&json!({}))).await;
    assert_eq!((put.status.as_u16(), put.code()), (405, "method_not_allowed"));
    assert_eq!(put.headers["allow"], "POST");
    for path in
        ["/api/nothing", "/api/shows/no_such_show/seats", "/api/holds/no_such_hold", "/api/bookings/x"]
    {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    assert_eq!(client.get("/api/live").await.code(), "websocket_expected");
}

#[tokio::test]
async fn a_confirmation_needs_a_key_an_address_and_a_hold_of_ones_own() {
    let world = World::start(1).await;
    let (buyer, other) = (world.visitor(), world.visitor());
    let path = format!("/api/holds/{}/confirm", hold(&buyer, &["A1"]).await);
    let post = async |client: &Client, key: &str, body: Value| client.post_keyed(&path, key, &body).await;

    assert_eq!(buyer.post(&path, &payment("ok")).await.code(), "idempotency_key_missing");
    assert_eq!(post(&buyer, "a b", payment("ok")).await.code(), "idempotency_key_invalid");
    assert_eq!(
        post(&buyer, "k", json!({ "email": "nobody", "payment": { "token": "ok" } })).await.code(),
        "email_invalid"
    );
    assert_eq!(post(&buyer, "k", json!({ "email": "a@b.example" })).await.code(), "invalid_body");
    assert_eq!(post(&buyer, "k", payment("free")).await.code(), "payment_token_unknown");
    assert_eq!(post(&other, "k", payment("ok")).await.code(), "hold_not_found");
    assert_eq!(post(&buyer, "k", payment("ok")).await.status, 201, "nothing of that used the key up");
}
