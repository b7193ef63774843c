//! Too late: the place in line, the offer, and the seat.

use drill::fleet::Fleet;

use crate::chromium::{DESKTOP, Driver};
use crate::page::{click, confirm, eventually, find, hold_seat, open_show, scroll_to, seat, untouched_show};

#[tokio::test]
async fn who_came_too_late_is_offered_the_seat_when_it_is_given_back() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let (owner, late) = (driver.browser(DESKTOP).await, driver.browser(DESKTOP).await);
    let (show, name) = untouched_show(&fleet, 2).await;
    open_show(&owner, &fleet, &show).await;
    open_show(&late, &fleet, &show).await;
    hold_seat(&owner, &name).await;

    let taken = seat(&late, &name, "held").await;
    scroll_to(&late, &taken).await;
    taken.click().await.unwrap();
    click(&late, "wait-for-seat").await;
    let position = find(&late, "waitlist-position").await;
    assert_eq!(position.text().await.unwrap(), "1");

    click(&owner, "release-button").await;
    click(&late, "offer-accept").await;
    find(&late, "hold-countdown").await;
    let booking = confirm(&late).await;
    let watcher = fleet.buyer().unwrap();
    eventually("the seat to be booked", async || {
        let seats = watcher.seats(&show).await?.body;
        Ok((seats["seats"][&name] == "booked").then_some(()))
    })
    .await;
    assert!(!booking.is_empty());
    driver.stop(vec![owner, late]).await;
}
