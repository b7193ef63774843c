//! From the popular list to a booked seat; what one buyer does is seen by the others, on other servers.

use std::collections::HashSet;

use domain::live::ServerFrame;
use domain::status::SeatStatus;
use drill::buyer::Buyer;
use drill::fleet::Fleet;
use serde_json::json;

use crate::shows::own_show;

#[tokio::test]
async fn a_buyer_walks_from_the_popular_list_to_a_booked_seat() {
    let fleet = Fleet::from_environment().unwrap();
    let walked = drill::walk::walk(&fleet.url).await.unwrap();
    assert_eq!(walked.seats.len(), 2);
}

#[tokio::test]
async fn a_hold_on_one_server_is_seen_at_once_on_the_other() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let seat = rows[0][0].as_str();
    // One watcher on each instance, and one through the balancer.
    let mut watchers = Vec::new();
    for url in [
        fleet.instance_url("reservations-1").unwrap(),
        fleet.instance_url("reservations-2").unwrap(),
        fleet.url.clone(),
    ] {
        watchers.push(Buyer::new(&url).unwrap().live(Some(&show)).await.unwrap());
    }
    for watcher in &mut watchers {
        assert!(matches!(watcher.next().await.unwrap(), ServerFrame::Snapshot { .. }));
    }
    let buyer = fleet.buyer().unwrap();
    let held = buyer.hold(&show, &[seat]).await.unwrap().expect(201.try_into().unwrap()).unwrap();
    for watcher in &mut watchers {
        watcher.until(seat, SeatStatus::Held).await.unwrap();
    }
    let booked = buyer.confirm(held.text("id").unwrap(), "ok").await.unwrap();
    assert_eq!((booked.status.as_u16(), booked.text("status").unwrap()), (201, "booked"));
    for watcher in &mut watchers {
        watcher.until(seat, SeatStatus::Booked).await.unwrap();
    }
    let cancelled = buyer.delete(&format!("/api/bookings/{}", booked.text("id").unwrap())).await.unwrap();
    assert_eq!(cancelled.text("status").unwrap(), "cancelled");
    for watcher in &mut watchers {
        watcher.until(seat, SeatStatus::Free).await.unwrap();
    }
}

#[tokio::test]
async fn a_ticket_reaches_its_buyer_and_its_end_the_door() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let (buyer, scanner) = (fleet.buyer().unwrap(), fleet.buyer().unwrap());
    let held = buyer.hold(&show, &[&rows[0][0]]).await.unwrap().expect(201.try_into().unwrap()).unwrap();
    let booked = buyer.confirm(held.text("id").unwrap(), "ok").await.unwrap();
    assert!(booked.body["ticket"]["code"].as_str().unwrap().starts_with("MQ1."), "{}", booked.body);
    let booking = format!("/api/bookings/{}", booked.text("id").unwrap());
    let picture = format!("{booking}/ticket.svg");
    assert_eq!(buyer.get(&picture).await.unwrap().headers["content-type"], "image/svg+xml");

    let keys = scanner.get("/api/tickets/keys").await.unwrap().body;
    for instance in ["reservations-1", "reservations-2"] {
        let instance = Buyer::new(&fleet.instance_url(instance).unwrap()).unwrap();
        assert_eq!(instance.get("/api/tickets/keys").await.unwrap().body, keys, "all sign alike");
    }
    let void = format!("/api/shows/{show}/tickets/void");
    let before = scanner.get(&void).await.unwrap().list("void").unwrap().len();
    assert_eq!(buyer.delete(&booking).await.unwrap().body["ticket"], json!(null));
    assert_eq!(buyer.get(&picture).await.unwrap().status, 410);
    assert_eq!(scanner.get(&void).await.unwrap().list("void").unwrap().len(), before + 1);
}

#[tokio::test]
async fn of_two_buyers_on_two_servers_one_gets_the_seat() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    for seat in &rows[0] {
        let one = Buyer::new(&fleet.instance_url("reservations-1").unwrap()).unwrap();
        let other = Buyer::new(&fleet.instance_url("reservations-2").unwrap()).unwrap();
        let seats = [seat.as_str()];
        let (a, b) = tokio::join!(one.hold(&show, &seats), other.hold(&show, &seats));
        let mut statuses = [a.unwrap().status.as_u16(), b.unwrap().status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
}

#[tokio::test]
async fn a_visitor_stays_on_one_server_and_visitors_spread_over_both() {
    let fleet = Fleet::from_environment().unwrap();
    let mut cookies = HashSet::new();
    for _ in 0..8 {
        let buyer = fleet.buyer().unwrap();
        let first = buyer.get("/api/bookings").await.unwrap();
        let set: Vec<_> = first
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        assert!(
            set.iter().any(|cookie| cookie.starts_with("session=") && cookie.contains("HttpOnly")),
            "{set:?}"
        );
        assert_eq!(set.len(), 2, "the session and the balancer's affinity: {set:?}");
        cookies.extend(set);
        let second = buyer.get("/api/bookings").await.unwrap();
        assert!(second.headers.get("set-cookie").is_none(), "both cookies were taken up");
    }
    assert_eq!(cookies.len(), 16);
}

#[tokio::test]
async fn a_repeated_key_books_once_through_the_balancer() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let buyer = fleet.buyer().unwrap();
    let wish = json!({ "seats": [rows[0][0], rows[0][1]] });
    let holds = format!("/api/shows/{show}/holds");
    let first = buyer.post_keyed(&holds, "hold-key", &wish).await.unwrap();
    let again = buyer.post_keyed(&holds, "hold-key", &wish).await.unwrap();
    assert_eq!((first.status.as_u16(), &first.body), (201, &again.body));
    let confirm = format!("/api/holds/{}/confirm", first.text("id").unwrap());
    let body = json!({ "email": "buyer@marquee.example", "payment": { "token": "ok" } });
    let first = buyer.post_keyed(&confirm, "confirm-key", &body).await.unwrap();
    let again = buyer.post_keyed(&confirm, "confirm-key", &body).await.unwrap();
    assert_eq!((first.status.as_u16(), &first.body), (201, &again.body));
    assert_eq!(buyer.get("/api/bookings").await.unwrap().list("bookings").unwrap().len(), 1);
}
