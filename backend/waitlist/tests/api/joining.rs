//! Joining, the position, and every way to ask wrongly.

use http::Method;
use serde_json::{Value, json};
use testkit::wait;

use crate::reservations::Mood;
use crate::world::{SHOW, Visitor, World};

#[tokio::test]
async fn who_joins_learns_their_place_and_finds_it_again() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    ann.join(2).await;
    let answer = bob.try_join(SHOW, None, &json!({ "party": 1, "seats": ["B2", "A1"] })).await;
    assert_eq!(answer.status, 201);
    let id = answer.text("id");
    assert_eq!(answer.headers["location"], format!("/api/waitlist/{id}"));
    assert_eq!(answer.headers["cache-control"], "private, no-store");
    let expected = json!({
        "id": id, "show_id": SHOW, "party": 1, "together": false, "seats": ["A1", "B2"], "price_max": null,
        "kind": null, "status": "waiting", "position": 2,
        "estimate": null, "estimate_reason": null, "offer": null, "reason": null,
        "joined_at": answer.body["joined_at"],
    });
    assert_eq!(answer.body, expected);
    let mut expected = expected;
    expected["estimate_reason"] = json!("too_few_seats_freed");
    assert_eq!(bob.entry(id).await, expected);
    assert!(world.queue_open(SHOW).await, "reservations knows before bob does");

    let mine = async |query: &str| bob.send(Method::GET, &format!("/api/waitlist{query}"), &[], None).await;
    assert_eq!(mine(&format!("?show={SHOW}")).await.body, json!({ "entries": [expected] }));
    assert_eq!(mine("").await.body, json!({ "entries": [expected] }));
    assert_eq!(mine("?show=another").await.body, json!({ "entries": [] }));
    assert_eq!(mine("?show=%20").await.body, json!({ "entries": [] }));
}

#[tokio::test]
async fn a_new_visitor_gets_a_session() {
    let (_world, instance) = World::with_one().await;
    let client = testkit::client::Client::new(instance);
    let joined = client.post(&format!("/api/shows/{SHOW}/waitlist"), &json!({ "party": 1 })).await;
    assert!(joined.headers["set-cookie"].to_str().expect("it is text").starts_with("session="));
    assert_eq!(client.get(&format!("/api/waitlist/{}", joined.text("id"))).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_code() {
    let (world, instance) = World::with_one().await;
    world.add_show("over", "-1 minute").await;
    let ann = Visitor::new("ann", instance);
    let many: Vec<_> = (0..51).map(|at| format!("S{at}")).collect();
    for (show, wish, status, code) in [
        ("nowhere", json!({ "party": 1 }), 404, "show_not_found"),
        ("no%20where", json!({ "party": 1 }), 404, "show_not_found"),
        ("over", json!({ "party": 1 }), 410, "show_started"),
        (SHOW, json!({ "party": 0 }), 422, "invalid_party"),
        (SHOW, json!({ "party": -1 }), 422, "invalid_party"),
        (SHOW, json!({ "party": 11 }), 422, "invalid_party"),
        (SHOW, json!({ "party": 1, "seats": ["Z9"] }), 422, "unknown_seat"),
        (SHOW, json!({ "party": 1, "seats": ["A 1"] }), 422, "unknown_seat"),
        (SHOW, json!({ "party": 1, "seats": ["A1", "A1"] }), 422, "duplicate_seat"),
        (SHOW, json!({ "party": 2, "seats": ["A1"] }), 422, "too_few_seats"),
        (SHOW, json!({ "party": 1, "seats": [] }), 422, "too_few_seats"),
        (SHOW, json!({ "party": 1, "seats": many }), 422, "too_many_seats"),
        (SHOW, json!({ "party": 7, "together": true }), 422, "never_together"),
        (SHOW, json!({ "party": 2, "together": true, "seats": ["A1", "B1"] }), 422, "never_together"),
        (SHOW, json!({ "party": 3, "kind": "wheelchair" }), 422, "never_together"),
        (SHOW, json!({ "party": 1, "kind": "sofa" }), 422, "invalid_kind"),
        (SHOW, json!({ "party": 1, "email": "nobody" }), 422, "invalid_email"),
        (
            SHOW,
            json!({ "party": 1, "price_max": { "amount": 0, "currency": "USD" } }),
            422,
            "invalid_price_max",
        ),
        (
            SHOW,
            json!({ "party": 1, "price_max": { "amount": 9_999, "currency": "EUR" } }),
            422,
            "invalid_price_max",
        ),
        (
            SHOW,
            json!({ "party": 1, "price_max": { "amount": 1_249, "currency": "USD" } }),
            422,
            "price_max_too_low",
        ),
        (SHOW, json!({ "party": 1, "price_max": 1_300 }), 422, "invalid_body"),
        (SHOW, json!({ "party": "two" }), 422, "invalid_body"),
        (SHOW, json!({ "seats": ["A1"] }), 422, "invalid_body"),
        (SHOW, json!({ "party": 1, "seat": "A1" }), 422, "invalid_body"),
    ] {
        let answer = ann.try_join(show, None, &wish).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{show} {wish}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert!(!world.queue_open(SHOW).await, "nobody waits");
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_its_code() {
    let (_world, instance) = World::with_one().await;
    let http = reqwest::Client::new();
    let url = format!("http://{instance}/api/shows/{SHOW}/waitlist");
    let ask = async |content: &str, body: String| {
        let request = http.post(&url).header("content-type", content).body(body);
        let answer = request.send().await.expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("a problem is JSON")["code"].clone())
    };
    assert_eq!(ask("application/json", "{".to_owned()).await, (400, json!("malformed_json")));
    assert_eq!(ask("text/plain", "{}".to_owned()).await, (415, json!("unsupported_media_type")));
    assert_eq!(ask("application/json", " ".repeat(17_000)).await, (413, json!("body_too_large")));
    let ann = Visitor::new("ann", instance);
    for (method, path, status, code) in [
        (Method::GET, format!("/api/shows/{SHOW}/waitlist"), 405, "method_not_allowed"),
        (Method::PUT, "/api/waitlist/x".to_owned(), 405, "method_not_allowed"),
        (Method::GET, "/api/waitlist/unknown".to_owned(), 404, "entry_not_found"),
        (Method::GET, "/api/waitlist/un%20known".to_owned(), 404, "entry_not_found"),
        (Method::DELETE, "/api/waitlist/unknown".to_owned(), 404, "entry_not_found"),
        (Method::GET, "/api/waitlist?shw=x".to_owned(), 400, "invalid_query"),
        (Method::GET, "/api/nothing".to_owned(), 404, "not_found"),
    ] {
        let answer = ann.send(method.clone(), &path, &[], None).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{method} {path}");
    }
}

#[tokio::test]
async fn a_session_stands_once_in_a_line_and_in_few_lines() {
    let mut world = World::fresh().await;
    world.config.session_entries_max = 2;
    world.config.line_entries_max = 3;
    let instance = world.start().await;
    world.add_show("second", "1 day").await;
    world.add_show("third", "1 day").await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    let again = ann.try_join(SHOW, None, &json!({ "party": 2 })).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "already_waiting"));
    assert_eq!(again.text("entry_id"), id);

    assert_eq!(ann.try_join("second", None, &json!({ "party": 1 })).await.status, 201);
    let third = ann.try_join("third", None, &json!({ "party": 1 })).await;
    assert_eq!((third.status.as_u16(), third.code()), (429, "too_many_entries"));
    assert!(third.headers.contains_key("retry-after"));
    ann.leave(&id).await;
    assert_eq!(ann.try_join("third", None, &json!({ "party": 1 })).await.status, 201);

    for name in ["bob", "cid", "dan"] {
        Visitor::new(name, instance).join(1).await;
    }
    let full = Visitor::new("eve", instance).try_join(SHOW, None, &json!({ "party": 1 })).await;
    assert_eq!((full.status.as_u16(), full.code()), (409, "line_full"));
}

#[tokio::test]
async fn one_key_has_one_effect_and_one_answer_on_every_instance() {
    let mut world = World::fresh().await;
    let here = Visitor::new("ann", world.start().await);
    let there = Visitor::new("ann", world.start().await);
    let wish = json!({ "party": 1, "seats": ["A1", "A2"] });
    let first = here.try_join(SHOW, Some("k"), &wish).await;
    assert_eq!(first.status, 201);
    let id = first.text("id");

    let same_in_other_words = json!({ "seats": ["A2", "A1"], "party": 1 });
    let again = there.try_join(SHOW, Some("k"), &same_in_other_words).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["location"], first.headers["location"]);
    here.leave(id).await;
    assert!(!world.queue_open(SHOW).await);
    let after_the_end = there.try_join(SHOW, Some("k"), &wish).await;
    assert_eq!((after_the_end.status, &after_the_end.body), (first.status, &first.body));
    assert!(!world.queue_open(SHOW).await, "a repeated answer has no second effect");

    let other = there.try_join(SHOW, Some("k"), &json!({ "party": 2 })).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
    let somebody_else = Visitor::new("bob", world.start().await);
    let theirs = somebody_else.try_join(SHOW, Some("k"), &wish).await;
    assert_eq!(theirs.status, 201);
    assert_ne!(theirs.text("id"), id);
    for bad in ["", &"x".repeat(129)] {
        let refused = here.try_join(SHOW, Some(bad), &wish).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_idempotency_key"), "{bad:?}");
    }
}

#[tokio::test]
async fn the_calls_are_described() {
    let (_world, instance) = World::with_one().await;
    let document = testkit::client::Client::new(instance).get("/openapi.json").await.body;
    let mut paths: Vec<_> = document["paths"].as_object().expect("it has paths").keys().collect();
    paths.sort();
    assert_eq!(paths, ["/api/shows/{id}/waitlist", "/api/waitlist", "/api/waitlist/{id}"]);
}

#[tokio::test]
async fn who_joins_twice_for_the_same_finds_their_entry() {
    let (_world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    Visitor::new("bob", instance).join(1).await;
    let wish = json!({ "party": 2, "together": true, "price_max": { "amount": 2_000, "currency": "USD" } });
    let first = ann.try_join(SHOW, Some("k"), &wish).await;
    for key in [None, Some("another")] {
        let again = ann.try_join(SHOW, key, &wish).await;
        assert_eq!((again.status.as_u16(), again.text("id")), (200, first.text("id")), "{key:?}");
        assert_eq!(again.body["position"], 2);
        assert_eq!(again.headers["location"], first.headers["location"]);
    }
    assert_eq!(ann.try_join(SHOW, Some("k"), &wish).await.status, 201, "the key's own answer");
    let other = ann.try_join(SHOW, None, &json!({ "party": 2 })).await;
    assert_eq!((other.status.as_u16(), other.code()), (409, "already_waiting"));
    assert_eq!(other.text("entry_id"), first.text("id"));
}

#[tokio::test]
async fn who_could_have_seats_now_is_told_which() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    world.free(SHOW, &["A1", "A2", "A4", "B6", "C1", "C2"]).await;
    for (wish, available) in [
        (json!({ "party": 2, "together": true }), Some(json!([["A1", "A2"]]))),
        (json!({ "party": 4 }), Some(json!([["A1", "A2", "A4", "B6"]]))),
        (json!({ "party": 1, "seats": ["A3", "B6"] }), Some(json!([["B6"]]))),
        (json!({ "party": 2, "kind": "wheelchair" }), Some(json!([["C1", "C2"]]))),
        (json!({ "party": 5 }), None),
    ] {
        let answer = ann.try_join(SHOW, None, &wish).await;
        match available {
            Some(available) => {
                assert_eq!((answer.status.as_u16(), answer.code()), (409, "seats_available"), "{wish}");
                assert_eq!(answer.body["available"], available, "{wish}");
                assert!(!world.queue_open(SHOW).await);
            }
            None => assert_eq!(answer.status, 201, "{wish} {}", answer.body),
        }
    }
}

#[tokio::test]
async fn of_a_show_off_the_program_one_is_told_so() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let id = ann.join(1).await;
    world.reservations.execute("DELETE FROM catalog_published.shows", &[]).await;
    let closed = ann.until(&id, "closed").await;
    assert_eq!(closed["reason"], "cancelled");
    let refused = bob.try_join(SHOW, None, &json!({ "party": 1 })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (410, "show_cancelled"));
}

#[tokio::test]
async fn the_estimate_comes_from_what_came_free_lately() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    ann.join(4).await;
    let id = bob.join(2).await;
    let picky = Visitor::new("picky", instance);
    let other =
        picky.try_join(SHOW, None, &json!({ "party": 1, "seats": ["B6"] })).await.text("id").to_owned();
    // Thirty seats in the hour in which somebody waits.
    let hour = "UPDATE waitlist.shows SET opened_at = clock_timestamp() - interval '1 hour'";
    world.reservations.execute(hour, &[]).await;
    let freed = "INSERT INTO waitlist.escrows (id, show_id, seats, expires_at, status)
                 SELECT 'old' || n, $1, '{A1,A2,A3}', clock_timestamp(), 'done' FROM generate_series(1, 10) AS n";
    world.reservations.execute(freed, &[&SHOW]).await;
    let entry = wait::until("an estimate", async || {
        let entry = bob.entry(&id).await;
        (!entry["estimate"].is_null()).then_some(entry)
    })
    .await;
    assert_eq!(entry["estimate"], json!({ "minutes": 12, "seats_per_hour": 30 }), "six seats");
    assert_eq!(entry["estimate_reason"], Value::Null);
    assert_eq!(picky.entry(&other).await["estimate_reason"], "too_few_seats_freed", "B6 never came free");
}

/// The triggers' sums, and a count of the line.
#[tokio::test]
async fn positions_are_as_a_count_would_have_them() {
    let (world, instance) = World::with_one().await;
    let mut ids = Vec::new();
    for at in 0..12 {
        let visitor = Visitor::new(&format!("v{at}"), instance);
        ids.push((visitor.join(1 + at % 3).await, visitor));
    }
    // As if they had come over a long time.
    let spread = "ALTER TABLE waitlist.entries ALTER COLUMN seq RESTART WITH 5000";
    world.reservations.execute(spread, &[]).await;
    for at in 12..16 {
        let visitor = Visitor::new(&format!("v{at}"), instance);
        ids.push((visitor.join(2).await, visitor));
    }
    for gone in [13, 7, 2, 0] {
        let (id, visitor) = ids.remove(gone);
        visitor.leave(&id).await;
    }
    for (at, (id, visitor)) in ids.iter().enumerate() {
        assert_eq!(visitor.entry(id).await["position"], at + 1);
    }
    let differ = "SELECT count(*) FROM waitlist.line_counts c FULL JOIN
                      (SELECT show_id, seq >> 9 AS bucket, count(*) AS waiting, sum(party) AS seats
                       FROM waitlist.entries WHERE status = 'waiting' GROUP BY 1, 2) AS n USING (show_id, bucket)
                  WHERE coalesce(c.waiting, 0) <> coalesce(n.waiting, 0) OR coalesce(c.seats, 0) <> coalesce(n.seats, 0)";
    let client = world.pool.get().await.expect("the test database answers");
    assert_eq!(client.query_one(differ, &[]).await.expect("the query is good").get::<_, i64>(0), 0);
    client.execute("DELETE FROM waitlist.entries WHERE party = 2", &[]).await.expect("it is good");
    assert_eq!(client.query_one(differ, &[]).await.expect("the query is good").get::<_, i64>(0), 0);
}

#[tokio::test]
async fn who_opens_a_line_is_told_of_seats_that_came_free_meanwhile() {
    let (world, instance) = World::with_one().await;
    let (ann, two) = (Visitor::new("ann", instance), Visitor::new("two", instance));
    world.reservations.be(Mood::FreesAtOpening);
    for _ in 0..2 {
        let answer = ann.try_join(SHOW, Some("k"), &json!({ "party": 1 })).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "seats_available"), "{}", answer.body);
        assert_eq!(answer.body["available"], json!([["A1"]]));
    }
    assert_eq!(ann.send(Method::GET, "/api/waitlist", &[], None).await.body, json!({ "entries": [] }));
    wait::until("the queue to be closed", async || (!world.queue_open(SHOW).await).then_some(())).await;
    // It does not help a party of two.
    assert_eq!(two.try_join(SHOW, None, &json!({ "party": 2 })).await.body["position"], 1);
}

#[tokio::test]
async fn a_line_that_somebody_holds_up_holds_up_no_other() {
    let (world, here) = World::with_one().await;
    world.add_show("other", "1 day").await;
    Visitor::new("first", here).join(1).await;
    let mut client = world.pool.get().await.expect("the test database answers");
    let holding = client.transaction().await.expect("it begins");
    holding
        .execute("SELECT FROM waitlist.shows WHERE id = $1 FOR UPDATE", &[&SHOW])
        .await
        .expect("it is there");
    let late = tokio::spawn(async move { Visitor::new("late", here).try_join(SHOW, None, &any(1)).await });
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '%waitlist.shows%')";
    wait::until("the join to wait for its line", async || {
        let row = world
            .pool
            .get()
            .await
            .expect("it answers")
            .query_one(waits, &[])
            .await
            .expect("the query is good");
        row.get::<_, bool>(0).then_some(())
    })
    .await;
    assert_eq!(Visitor::new("quick", here).try_join("other", None, &any(1)).await.status, 201);
    assert!(!late.is_finished(), "its line is still held");
    holding.commit().await.expect("it ends");
    assert_eq!(late.await.expect("no panic").status, 201);
}

fn any(party: usize) -> Value {
    json!({ "party": party })
}
