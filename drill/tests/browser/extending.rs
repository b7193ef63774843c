//! The last minute of a hold: a warning, and one button for more time.

use drill::fleet::Fleet;
use fantoccini::Client;

use crate::chromium::{DESKTOP, Driver, PHONE, run};
use crate::page::{by, click, find, fits, hold_seat, open_show, until_true, untouched_show};

/// From now on the page is told that a hold it asks for runs out in less than a minute, if it does not anyway, and may be extended.
const LAST_MINUTE: &str = "
    const ask = window.fetch;
    window.fetch = async (path, request) => {
        const answer = await ask(path, request);
        if (request?.method !== 'GET' || !path.startsWith('/api/holds/')) return answer;
        const hold = await answer.json();
        const soon = Math.min(Date.now() + 50_000, Date.parse(hold.expires_at));
        const told = { ...hold, expires_at: new Date(soon).toISOString(), extendable: true };
        return new Response(JSON.stringify(told), answer);
    }";

/// From now on the server refuses to extend, whatever it would have said.
const REFUSED: &str = "
    const ask = window.fetch;
    window.fetch = async (path, request) => path.endsWith('/extend')
        ? new Response(JSON.stringify({ code: 'extension_not_offered', status: 409 }), { status: 409 })
        : ask(path, request)";

/// The hold's deadline as the server has it, and as the page remembers it.
const DEADLINE: &str = "
    const { pathname, origin } = location;
    const hold = await (await fetch(`${origin}/api${pathname}`)).json();
    const kept = JSON.parse(localStorage.getItem(`marquee.mine.hold.${hold.id}`));
    return { server: Date.parse(hold.expires_at), page: Date.parse(kept.expires_at) }";

/// The buyer is told, by eye and by ear, and nothing takes the focus away.
async fn warned(browser: &Client) {
    by(browser, "[data-testid=more-time]:not([hidden])").await;
    fits(browser).await;
    let said = "return document.getElementById('announcer').textContent.includes('Give me more time')";
    until_true(browser, "the warning to be spoken", said).await;
    assert_eq!(run(browser, "return document.activeElement.tagName").await, "H1", "the focus stays");
}

#[tokio::test]
async fn a_buyer_in_the_last_minute_is_asked_and_gets_more_time() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let buyer = driver.browser(PHONE).await;
    let (show, name) = untouched_show(&fleet, 3).await;
    open_show(&buyer, &fleet, &show).await;
    run(&buyer, LAST_MINUTE).await;
    hold_seat(&buyer, &name).await;
    warned(&buyer).await;

    let before = run(&buyer, DEADLINE).await;
    click(&buyer, "extend-button").await;
    find(&buyer, "more-time-given").await;
    let after = run(&buyer, DEADLINE).await;
    assert!(after["server"].as_i64() > before["server"].as_i64(), "{before} {after}");
    assert_eq!(after["page"], after["server"], "the page counts down to the new deadline");
    by(&buyer, "[data-testid=more-time][hidden]").await;
    driver.stop(vec![buyer]).await;
}

#[tokio::test]
async fn a_buyer_who_gets_no_more_time_is_told_why() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let buyer = driver.browser(DESKTOP).await;
    let (show, name) = untouched_show(&fleet, 4).await;
    open_show(&buyer, &fleet, &show).await;
    run(&buyer, LAST_MINUTE).await;
    run(&buyer, REFUSED).await;
    hold_seat(&buyer, &name).await;
    warned(&buyer).await;

    click(&buyer, "extend-button").await;
    let told = "return document.querySelector('[data-testid=more-time] [role=alert]').textContent";
    until_true(&buyer, "the reason", &format!("{told} === 'There is no more time for these seats.'")).await;
    by(&buyer, "[data-testid=extend-button][hidden]").await;
    assert_eq!(run(&buyer, "return document.activeElement.dataset.testid").await, "more-time", "not lost");
    driver.stop(vec![buyer]).await;
}
