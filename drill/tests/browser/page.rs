//! What a person does on the pages.

use drill::fleet::{Fleet, until};
use drill::walk::upcoming;
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::Value;

use crate::chromium::{PATIENCE, run};

/// The element with a `data-testid`, once it is there.
pub(crate) async fn find(browser: &Client, id: &str) -> Element {
    by(browser, &format!("[data-testid={id}]")).await
}

/// The first element of a CSS selector, once it is there.
pub(crate) async fn by(browser: &Client, selector: &str) -> Element {
    let waiting = browser.wait().at_most(PATIENCE).for_element(Locator::Css(selector));
    waiting.await.unwrap_or_else(|error| panic!("no {selector}: {error}"))
}

pub(crate) async fn click(browser: &Client, id: &str) {
    let element = find(browser, id).await;
    scroll_to(browser, &element).await;
    element.click().await.unwrap();
}

pub(crate) async fn scroll_to(browser: &Client, element: &Element) {
    let argument = serde_json::to_value(element).unwrap();
    browser
        .execute("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", vec![argument])
        .await
        .unwrap();
}

/// Opens a show and returns once its live picture is there.
pub(crate) async fn open_show(browser: &Client, fleet: &Fleet, show: &str) {
    browser.goto(&format!("{}/shows/{show}", fleet.url)).await.unwrap();
    by(browser, "[data-testid=live-state][data-state=live]").await;
}

/// A seat in the picker once it has a status.
pub(crate) async fn seat(browser: &Client, name: &str, status: &str) -> Element {
    by(browser, &format!("[data-testid=seat][data-seat='{name}'][data-status={status}]")).await
}

/// Picks one seat, holds it and arrives at the hold's page.
pub(crate) async fn hold_seat(browser: &Client, name: &str) {
    let element = seat(browser, name, "free").await;
    scroll_to(browser, &element).await;
    element.click().await.unwrap();
    click(browser, "hold-button").await;
    find(browser, "hold-countdown").await;
}

/// Fills in the form and confirms; returns the booking's id.
pub(crate) async fn confirm(browser: &Client) -> String {
    find(browser, "email").await.send_keys("buyer@marquee.example").await.unwrap();
    find(browser, "payment-token").await.select_by_value("ok").await.unwrap();
    click(browser, "confirm-button").await;
    find(browser, "booking").await.attr("data-booking-id").await.unwrap().unwrap()
}

/// Returns once the ticket's picture is on the page.
pub(crate) async fn ticket_picture(browser: &Client) {
    let picture = by(browser, "[data-testid=ticket-code] img").await;
    assert!(picture.attr("alt").await.unwrap().is_some_and(|words| words.contains("seat")));
    let script = "const image = document.querySelector('[data-testid=ticket-code] img');
                  return image.complete && image.naturalWidth > 0";
    eventually("the picture of the ticket", async || {
        Ok((run(browser, script).await == Value::Bool(true)).then_some(()))
    })
    .await;
}

/// Takes back the booking on the page, and returns once it is cancelled and has no ticket.
pub(crate) async fn cancel(browser: &Client) {
    click(browser, "cancel-button").await;
    click(browser, "cancel-confirm").await;
    by(browser, "[data-testid=booking][data-status=cancelled]").await;
    let tickets = browser.find_all(Locator::Css("[data-testid=ticket-code]")).await.unwrap();
    assert!(tickets.is_empty(), "a cancelled booking shows a ticket");
}

/// Nothing in the page is wider than the window.
pub(crate) async fn fits(browser: &Client) {
    let script = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(
        run(browser, script).await,
        Value::Bool(true),
        "the page scrolls sideways at {}",
        browser.current_url().await.unwrap()
    );
}

/// A show nobody has touched, for one test: the `skip`th from the end of the first popular film that has one.
pub(crate) async fn untouched_show(fleet: &Fleet, skip: usize) -> (String, String) {
    let buyer = fleet.buyer().unwrap();
    let popular = buyer.get("/api/movies/popular?limit=20").await.unwrap();
    let mut seen = 0;
    for movie in popular.list("movies").unwrap() {
        for show in upcoming(&buyer, movie["id"].as_str().unwrap()).await.unwrap().into_iter().rev() {
            if buyer.seats(&show).await.unwrap().body["seats"]
                .as_object()
                .is_some_and(serde_json::Map::is_empty)
            {
                if seen == skip {
                    return (show.clone(), first_seat(&buyer, &show).await);
                }
                seen += 1;
            }
        }
    }
    panic!("no untouched show is left");
}

async fn first_seat(buyer: &drill::buyer::Buyer, show: &str) -> String {
    let map = buyer.get(&format!("/api/shows/{show}/seat-map")).await.unwrap();
    let mut seats = map.list("rows").unwrap().iter().flat_map(|row| row["seats"].as_array().unwrap());
    let standard = seats.find(|seat| seat["kind"] == "standard").unwrap();
    standard["id"].as_str().unwrap().to_owned()
}

/// Returns once a request says what it should.
pub(crate) async fn eventually(what: &str, ask: impl AsyncFnMut() -> anyhow::Result<Option<()>>) {
    until(what, ask).await.unwrap();
}

/// Returns once a script says true.
pub(crate) async fn until_true(browser: &Client, what: &str, script: &str) {
    eventually(what, async || Ok((run(browser, script).await == true).then_some(()))).await;
}
