//! Why somebody was not offered a seat.

use http::Method;
use serde_json::{Value, json};
use testkit::wait;

use crate::world::{SHOW, Visitor, World};

/// What an operator is told about an entry.
async fn audit(operator: &Visitor, entry: &str, query: &str) -> Value {
    let path = format!("/internal/entries/{entry}/audit{query}");
    let answer = operator.send(Method::GET, &path, &[], None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn an_operator_is_told_why_somebody_was_not_offered_a_seat() {
    let (world, instance) = World::with_one().await;
    let [ann, bob, cid, dan] = ["ann", "bob", "cid", "dan"].map(|name| Visitor::new(name, instance));
    let first = ann.join(1).await;
    let four = bob.try_join(SHOW, None, &json!({ "party": 4, "together": true })).await.text("id").to_owned();
    let picky = cid.try_join(SHOW, None, &json!({ "party": 1, "seats": ["B6"] })).await.text("id").to_owned();
    world.reservations.escrow("e", SHOW, &["A1", "A2"], 60).await;
    ann.until(&first, "offered").await;
    let late = dan.join(1).await;
    world.reservations.escrow("f", SHOW, &["B1"], 60).await;
    dan.until(&late, "offered").await;
    let operator = Visitor::new("operator", instance);

    // The first was offered one of the two, and after that they were not asked.
    let told = audit(&operator, &first, "").await;
    assert_eq!((&told["entry"]["id"], &told["entry"]["status"]), (&json!(first), &json!("offered")));
    let offer = &told["offers"][0];
    assert_eq!((&offer["status"], &offer["seats"]), (&json!("made"), &json!(["A2"])));
    let whys: Vec<_> =
        told["decisions"].as_array().expect("a list").iter().map(|each| &each["why"]).collect();
    assert_eq!(
        whys,
        [
            &json!({ "code": "being_offered", "seats": ["A2"] }),
            &json!({ "code": "offered", "seats": ["A2"] }),
        ]
    );
    let decision = &told["decisions"][1];
    assert_eq!(decision["freed"], json!(["A1", "A2"]));
    assert_eq!(decision["given"], json!([{ "entry_id": first, "came": "themselves", "seats": ["A2"] }]));
    assert_eq!((&decision["kept"]["entry_id"], &decision["kept"]["came"]), (&json!(four), &json!("later")));

    // Whoever gathers, and whoever named others.
    let told = audit(&operator, &four, "?seat=A1").await;
    let decision = told["decisions"].as_array().expect("a list").last().expect("one").clone();
    assert_eq!(decision["why"]["code"], "gathers");
    assert_eq!(decision["seat"], json!({ "went": "kept", "for": four, "came": "themselves" }));
    let told = audit(&operator, &picky, "?seat=A2").await;
    assert_eq!(told["decisions"].as_array().map(Vec::len), Some(1), "{told}");
    let decision = &told["decisions"][0];
    assert_eq!(decision["why"], json!({ "code": "other_seats" }));
    assert_eq!(decision["because"], "none of these is a seat they named");
    assert_eq!(decision["seat"], json!({ "went": "given", "to": first, "came": "earlier" }));

    // Only what was decided while they stood in line.
    let told = audit(&operator, &late, "").await;
    assert_eq!(told["decisions"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["decisions"][0]["why"]["code"], "offered");
    assert_eq!(audit(&operator, &late, "?seat=A2").await["decisions"], json!([]));
    let told = audit(&operator, &first, "?limit=1").await;
    assert_eq!((told["decisions"].as_array().map(Vec::len), &told["more"]), (Some(1), &json!(true)));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_its_code() {
    let (_world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    for (path, status, code) in [
        ("/internal/entries/unknown/audit".to_owned(), 404, "entry_not_found"),
        ("/internal/entries/un%20known/audit".to_owned(), 404, "entry_not_found"),
        (format!("/internal/entries/{id}/audit?seat=Z9"), 422, "unknown_seat"),
    ] {
        let answer = ann.send(Method::GET, &path, &[], None).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path}");
    }
}

/// However often somebody looks at seats that are only kept, and however old what is remembered gets.
#[tokio::test]
async fn what_is_remembered_has_a_bound() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(2).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    let client = world.pool.get().await.expect("the test database answers");
    let count = async |which: &str| {
        let count = format!("SELECT count(*) FROM waitlist.decisions WHERE {which}");
        client.query_one(&count, &[]).await.expect("the query is good").get::<_, i64>(0)
    };
    for _ in 0..3 {
        wait::until("somebody to look", async || (count("true").await > 0).then_some(())).await;
        let look = "UPDATE waitlist.shows SET look_at = clock_timestamp() WHERE id = $1";
        world.reservations.execute(look, &[&SHOW]).await;
        let looked = "SELECT look_at > clock_timestamp() FROM waitlist.shows WHERE id = $1";
        wait::until("somebody to look again", async || {
            let row = client.query_one(looked, &[&SHOW]).await.expect("the query is good");
            row.get::<_, Option<bool>>(0).filter(|later| *later).map(|_| ())
        })
        .await;
    }
    assert_eq!(count("true").await, 1, "it was kept before");
    ann.leave(&id).await;
    wait::until("it to go on sale", async || (count("true").await == 2).then_some(())).await;
    let old = "INSERT INTO waitlist.decisions (show_id, at, decision)
               SELECT 'old', clock_timestamp() - interval '8 days', '{}' FROM generate_series(1, 450)";
    world.reservations.execute(old, &[]).await;
    wait::until("what is old to be forgotten", async || (count("show_id = 'old'").await == 0).then_some(()))
        .await;
    assert_eq!(count("true").await, 2);
}
