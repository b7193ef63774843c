//! Redis stopped: browsing and booking still answer. Postgres stopped: 503 with `Retry-After`, and all works again after.

use domain::status::SeatStatus;
use drill::buyer::Buyer;
use drill::fleet::{Fleet, until};
use drill::walk::upcoming;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::alone;

/// A show that is not begun, and two free seats of it.
async fn show_with_seats(fleet: &Fleet) -> (String, [String; 2]) {
    let buyer = fleet.buyer().unwrap();
    let popular = buyer.get("/api/movies/popular?limit=20").await.unwrap();
    for movie in popular.list("movies").unwrap() {
        for show in upcoming(&buyer, movie["id"].as_str().unwrap()).await.unwrap() {
            let taken = buyer.seats(&show).await.unwrap().body["seats"].clone();
            let map = buyer.get(&format!("/api/shows/{show}/seat-map")).await.unwrap();
            let seats = map.list("rows").unwrap().iter().flat_map(|row| row["seats"].as_array().unwrap());
            let names = seats.filter_map(|seat| seat["id"].as_str());
            let free: Vec<_> = names.filter(|name| taken.get(name).is_none()).take(2).collect();
            if let [one, other] = free[..] {
                return (show, [one.to_owned(), other.to_owned()]);
            }
        }
    }
    panic!("every show is sold out");
}

async fn book(buyer: &Buyer, show: &str, seat: &str) {
    let held = buyer.hold(show, &[seat]).await.unwrap();
    assert_eq!(held.status, 201, "{}", held.body);
    let booked = buyer.confirm(held.text("id").unwrap(), "ok").await.unwrap();
    assert_eq!(booked.status, 201, "{}", booked.body);
}

#[tokio::test]
async fn without_redis_people_browse_and_book_and_live_seats_heal() {
    let (_guard, fleet) = alone().await;
    let (show, seats) = show_with_seats(&fleet).await;
    let buyer = fleet.buyer().unwrap();
    let mut watcher = fleet.buyer().unwrap().live(Some(&show)).await.unwrap();
    watcher.next().await.unwrap();
    let version = async || buyer.seats(&show).await.unwrap().body["version"].as_u64().unwrap();
    let before = version().await;

    let down = fleet.take_down("redis", Signal::SIGKILL).await.unwrap();
    for path in [
        "/",
        "/api/movies",
        "/api/movies/popular",
        &format!("/api/shows/{show}"),
        &format!("/api/shows/{show}/seats"),
    ] {
        assert_eq!(buyer.get(path).await.unwrap().status, 200, "{path}");
    }
    let without = version().await;
    assert!(without >= before, "{without} after {before}");
    book(&buyer, &show, &seats[0]).await;
    watcher.until(&seats[0], SeatStatus::Booked).await.unwrap();
    // While nobody can tell the balancers, they ask again once their lease is over.
    until("the sale to be seen", async || Ok((version().await > without).then_some(()))).await.unwrap();

    drop(down);
    until("redis to be back", async || Ok(fleet.pid("redis").is_ok().then_some(()))).await.unwrap();
    fleet.whole().await.unwrap();
    book(&buyer, &show, &seats[1]).await;
    watcher.until(&seats[1], SeatStatus::Booked).await.unwrap();
    let seen = async || Ok((buyer.seats(&show).await?.body["seats"] == json!(watcher.seats)).then_some(()));
    until("availability to be what the socket shows", seen).await.unwrap();
}

#[tokio::test]
async fn without_postgres_the_answer_is_503_and_afterwards_all_works_again() {
    let (_guard, fleet) = alone().await;
    let (show, seats) = show_with_seats(&fleet).await;
    let buyer = fleet.buyer().unwrap();
    // SIGINT is Postgres' fast shutdown.
    let down = fleet.take_down("postgres", Signal::SIGINT).await.unwrap();
    let refused = buyer.hold(&show, &[&seats[0]]).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after") && !refused.code().is_empty());
    let joined = buyer.post(&format!("/api/shows/{show}/waitlist"), &json!({ "party": 1 })).await.unwrap();
    assert_eq!(joined.status, 503, "{}", joined.body);
    assert!(joined.headers.contains_key("retry-after"));

    drop(down);
    until("seats to be sold again", async || Ok(buyer.seats(&show).await.ok())).await.unwrap();
    until("holds to be placed again", async || {
        let held = buyer.hold(&show, &[&seats[0]]).await?;
        if held.status != 201 {
            return Ok(None);
        }
        Ok(Some(buyer.confirm(held.text("id")?, "ok").await?.expect(201.try_into()?)?))
    })
    .await
    .unwrap();
    fleet.whole().await.unwrap();
}

#[tokio::test]
async fn an_acknowledged_booking_survives_a_killed_postgres() {
    let (_guard, fleet) = alone().await;
    let (show, seats) = show_with_seats(&fleet).await;
    let buyer = fleet.buyer().unwrap();
    book(&buyer, &show, &seats[0]).await;
    fleet.kill_and_wait("postgres").await.unwrap();
    let seen = until("postgres to recover", async || {
        Ok(buyer.get("/api/bookings").await.ok().filter(|answer| answer.status == 200))
    })
    .await
    .unwrap();
    assert!(
        seen.list("bookings").unwrap().iter().any(|booking| booking["seats"] == json!([seats[0]])),
        "{}",
        seen.body
    );
    fleet.whole().await.unwrap();
}
