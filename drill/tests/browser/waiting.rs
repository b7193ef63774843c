//! Too late: the place in line, the offer, and the seat; the next in line; many tabs.

use drill::fleet::Fleet;
use fantoccini::{Client, Locator};
use serde_json::json;

use crate::chromium::{DESKTOP, Driver, PHONE, run};
use crate::page::{
    by, cancel, click, confirm, eventually, find, fits, hold_seat, open_show, scroll_to, seat, until_true,
    untouched_show,
};

/// How many tabs somebody has open.
const TABS: usize = 10;

/// From now on the page notes what could disturb its visitor: changes of its title, notes that sound, and alerts.
const NOTING: &str = "
    window.noted = { titles: [], notes: 0, alerts: 0 };
    const title = () => noted.titles.push(document.title);
    new MutationObserver(title).observe(document.querySelector('title'), { childList: true });
    const alerts = '[role=alert]:not(.error-line)';
    new MutationObserver((changes) => {
        for (const added of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
            if (added.matches?.(alerts) || added.querySelector?.(alerts)) noted.alerts += 1;
        }
    }).observe(document.body, { childList: true, subtree: true });
    const tone = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () { noted.notes += 1; return tone.call(this); }";

/// Somebody takes a seat, by a hold or for good, and others wait for it, in this order.
async fn taken_and_wanted(
    fleet: &Fleet,
    skip: usize,
    (owner, how): (&Client, &str),
    late: &[&Client],
) -> (String, String) {
    let (show, name) = untouched_show(fleet, skip).await;
    open_show(owner, fleet, &show).await;
    hold_seat(owner, &name).await;
    if how == "booked" {
        confirm(owner).await;
    }
    for (ahead, browser) in late.iter().enumerate() {
        open_show(browser, fleet, &show).await;
        let taken = seat(browser, &name, how).await;
        scroll_to(browser, &taken).await;
        taken.click().await.unwrap();
        click(browser, "wait-for-seat").await;
        let position = find(browser, "waitlist-position").await.text().await.unwrap();
        assert_eq!(position, (ahead + 1).to_string());
        assert_eq!(find(browser, "wish").await.text().await.unwrap(), format!("seat {name}"));
    }
    (show, name)
}

/// The offer is on the page, and its time runs.
async fn offered(browser: &Client, name: &str) {
    let words = find(browser, "offer").await.text().await.unwrap();
    assert!(words.contains(name), "{words}");
    let left = "const [minutes, seconds] = document.querySelector('[data-testid=offer-countdown]').textContent.split(':');
                return minutes * 60 + Number(seconds)";
    let before = run(browser, left).await.as_i64().unwrap();
    eventually("the countdown to go on", async || {
        Ok(run(browser, left).await.as_i64().is_some_and(|now| now < before).then_some(()))
    })
    .await;
}

#[tokio::test]
async fn who_came_too_late_is_offered_the_seat_when_its_hold_lapses() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let (owner, late) = (driver.browser(DESKTOP).await, driver.browser(PHONE).await);
    let (show, name) = taken_and_wanted(&fleet, 2, (&owner, "held"), &[&late]).await;
    fits(&late).await;

    // Nobody does anything.
    offered(&late, &name).await;
    fits(&late).await;
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

#[tokio::test]
async fn who_passes_an_offer_leaves_it_to_the_next() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let owner = driver.browser(DESKTOP).await;
    let (first, second) = (driver.browser(DESKTOP).await, driver.browser(DESKTOP).await);
    let (_, name) = taken_and_wanted(&fleet, 5, (&owner, "booked"), &[&first, &second]).await;

    cancel(&owner).await;
    offered(&first, &name).await;
    let moved = "document.querySelector('[data-testid=waitlist-position]').textContent === '1'";
    until_true(&second, "the second to be the first who waits", &format!("return {moved}")).await;
    assert!(second.find_all(Locator::Css("[data-testid=offer]")).await.unwrap().is_empty());

    let place = first.current_url().await.unwrap().path().to_owned();
    click(&first, "offer-pass").await;
    seat(&first, &name, "held").await; // back at the show, and somebody else's
    let status = run(&first, &format!("return (await (await fetch('/api{place}')).json()).status")).await;
    assert_eq!(status, "left", "passed, not lapsed");
    offered(&second, &name).await;
    click(&second, "offer-accept").await;
    find(&second, "hold-countdown").await;
    confirm(&second).await;
    driver.stop(vec![owner, first, second]).await;
}

#[tokio::test]
async fn who_leaves_an_address_is_written_to() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let (owner, late) = (driver.browser(DESKTOP).await, driver.browser(DESKTOP).await);
    let (show, name) = untouched_show(&fleet, 7).await;
    open_show(&owner, &fleet, &show).await;
    hold_seat(&owner, &name).await;
    confirm(&owner).await;

    open_show(&late, &fleet, &show).await;
    let taken = seat(&late, &name, "booked").await;
    scroll_to(&late, &taken).await;
    taken.click().await.unwrap();
    unfold(&late).await;
    find(&late, "waiting-email").await.send_keys("late@theater.example").await.unwrap();
    click(&late, "join-waitlist").await;
    find(&late, "waitlist-position").await;
    cancel(&owner).await;
    offered(&late, &name).await;
    let folder = fleet.directory().join("mail");
    eventually("the mail", async || {
        let mails =
            std::fs::read_dir(&folder)?.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let told = |mail: &String| mail.contains("To: late@theater.example") && mail.contains(&name);
        Ok(mails.into_iter().any(|mail| told(&mail)).then_some(()))
    })
    .await;
    driver.stop(vec![owner, late]).await;
}

#[tokio::test]
async fn who_would_wait_for_what_is_free_is_shown_it() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let browser = driver.browser(PHONE).await;
    let (show, _) = untouched_show(&fleet, 8).await;
    open_show(&browser, &fleet, &show).await;
    unfold(&browser).await;
    click(&browser, "join-waitlist").await;
    find(&browser, "available").await;
    fits(&browser).await;
    click(&browser, "select-available").await;
    let selected = "return document.querySelectorAll('[data-testid=seat][aria-pressed=true]').length > 0";
    until_true(&browser, "seats to be selected", selected).await;
    driver.stop(vec![browser]).await;
}

/// Shows all that can be wished for.
async fn unfold(browser: &Client) {
    find(browser, "wait-panel").await;
    let unfold = "const panel = document.querySelector('[data-testid=wait-panel]');
                  for (const details of [panel, ...panel.querySelectorAll('details')]) details.open = true";
    run(browser, unfold).await;
}

#[tokio::test]
async fn of_ten_tabs_all_show_the_offer_and_one_calls_the_visitor() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let (owner, late) = (driver.browser(DESKTOP).await, driver.browser(DESKTOP).await);
    let (show, name) = taken_and_wanted(&fleet, 6, (&owner, "booked"), &[&late]).await;
    for choice in ["attention-sound", "attention-flash"] {
        click(&late, choice).await;
    }
    let tabs = ten_tabs(&fleet, &late, &show).await;
    // A browser lets a page sound once it was touched; the title flashes until it is touched.
    by(&late, "h1").await.click().await.unwrap();

    cancel(&owner).await;
    find(&late, "strip-offer").await;
    until_true(&late, "the title to flash", "return noted.titles.length > 1").await;
    let mut called = Vec::new();
    for tab in &tabs {
        late.switch_to_window(tab.clone()).await.unwrap();
        by(&late, "[data-testid=offer], [data-testid=strip-offer]").await;
        called.push(run(&late, "return noted").await);
    }
    let (last, others) = called.split_last().unwrap();
    assert!(last["titles"][0].as_str().is_some_and(|title| title.contains("1 seat for you")), "{last}");
    assert!(last["notes"].as_u64() > Some(0) && last["alerts"].as_u64() > Some(0), "{last}");
    let quiet = json!({ "titles": [], "notes": 0, "alerts": 0 });
    assert!(others.iter().all(|tab| *tab == quiet), "{others:?}");

    // Passed in one, it is gone in all.
    late.switch_to_window(tabs[0].clone()).await.unwrap();
    click(&late, "offer-pass").await;
    for tab in &tabs {
        late.switch_to_window(tab.clone()).await.unwrap();
        let gone = "return !document.querySelector('[data-testid=offer], [data-testid=strip-offer], [data-key^=offer]')";
        until_true(&late, &format!("the offer of {name} to be gone"), gone).await;
    }
    driver.stop(vec![owner, late]).await;
}

/// Opens pages of all kinds beside the one that is open, the show's last; each notes from then on what disturbs its visitor.
async fn ten_tabs(fleet: &Fleet, browser: &Client, show: &str) -> Vec<fantoccini::wd::WindowHandle> {
    let place = browser.current_url().await.unwrap().path().to_owned();
    let show = format!("/shows/{show}");
    let mut tabs = vec![browser.window().await.unwrap()];
    run(browser, NOTING).await;
    for at in 1..TABS {
        let page = [place.as_str(), "/", "/bookings"][at % 3];
        let page = if at + 1 == TABS { show.as_str() } else { page };
        let tab = browser.new_window(true).await.unwrap().handle;
        browser.switch_to_window(tab.clone()).await.unwrap();
        browser.goto(&format!("{}{page}", fleet.url)).await.unwrap();
        by(browser, "h1").await;
        run(browser, NOTING).await;
        tabs.push(tab);
    }
    until_true(
        browser,
        "the tab looked at to be the one that speaks",
        "return (await import('/assets/tabs.js')).speaks()",
    )
    .await;
    tabs
}
