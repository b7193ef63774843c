//! One browser books a seat by hand while a second one watches it go; and once more by keyboard alone, on a phone.

use drill::fleet::Fleet;
use fantoccini::key::Key;

use crate::chromium::{DESKTOP, Driver, PHONE, run};
use crate::page::{
    by, cancel, click, confirm, find, fits, hold_seat, open_show, scroll_to, seat, ticket_picture,
    untouched_show,
};

#[tokio::test]
async fn a_browser_books_a_seat_while_another_one_watches_it_go() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let (buyer, watcher) = (driver.browser(DESKTOP).await, driver.browser(PHONE).await);

    // From the front page by clicks alone, as far as a film's shows.
    buyer.goto(&fleet.url).await.unwrap();
    find(&buyer, "popular-list").await;
    click(&buyer, "movie-link").await;
    find(&buyer, "show-link").await;

    let (show, name) = untouched_show(&fleet, 0).await;
    open_show(&buyer, &fleet, &show).await;
    open_show(&watcher, &fleet, &show).await;
    seat(&watcher, &name, "free").await;
    fits(&watcher).await;

    hold_seat(&buyer, &name).await;
    seat(&watcher, &name, "held").await;
    let booking = confirm(&buyer).await;
    seat(&watcher, &name, "booked").await;
    ticket_picture(&buyer).await;

    buyer.goto(&format!("{}/bookings", fleet.url)).await.unwrap();
    by(&buyer, &format!("[data-booking-id='{booking}']")).await;
    cancel(&buyer).await;
    seat(&watcher, &name, "free").await;
    driver.stop(vec![buyer, watcher]).await;
}

#[tokio::test]
async fn a_seat_is_picked_and_booked_by_keyboard_on_a_phone() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let browser = driver.browser(PHONE).await;
    let (show, name) = untouched_show(&fleet, 1).await;
    open_show(&browser, &fleet, &show).await;

    let element = seat(&browser, &name, "free").await;
    scroll_to(&browser, &element).await;
    let focus = serde_json::to_value(&element).unwrap();
    browser.execute("arguments[0].focus()", vec![focus]).await.unwrap();
    element.send_keys(&Key::Right.to_string()).await.unwrap();
    let moved = run(&browser, "return document.activeElement.dataset.seat").await;
    assert_ne!(moved, name.as_str(), "an arrow moves to the next seat");
    let moved = moved.as_str().unwrap().to_owned();
    browser.active_element().await.unwrap().send_keys(" ").await.unwrap();
    seat(&browser, &moved, "mine").await;

    find(&browser, "hold-button").await.send_keys(&Key::Enter.to_string()).await.unwrap();
    find(&browser, "hold-countdown").await;
    fits(&browser).await;
    confirm(&browser).await;
    ticket_picture(&browser).await;
    fits(&browser).await;
    cancel(&browser).await;
    driver.stop(vec![browser]).await;
}
