//! The balancer's status page: what somebody keeps open during an on-sale.

use drill::fleet::Fleet;
use fantoccini::Client;
use serde_json::Value;

use crate::chromium::{DESKTOP, Driver, run};
use crate::page::by;

/// What the balancer says of itself to programs.
async fn status(fleet: &Fleet) -> Value {
    let answer = reqwest::get(format!("{}/status.json", fleet.admin_url)).await.unwrap();
    answer.json().await.unwrap()
}

/// Does this to an endpoint by hand: `drain` or `undrain`.
async fn by_hand(fleet: &Fleet, pool: &str, address: &str, change: &str) {
    let url = format!("{}/endpoints/{pool}/{address}/{change}", fleet.admin_url);
    let answer = reqwest::Client::new().post(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

/// Waits until the page shows the endpoint in this state.
async fn shown(browser: &Client, pool: &str, address: &str, state: &str) {
    let row = format!("[data-pool='{pool}'] tr[data-address='{address}'][data-state={state}]");
    by(browser, &row).await;
}

#[tokio::test]
async fn pools_and_endpoints_are_there_by_name_and_a_change_shows_by_itself() {
    let fleet = Fleet::from_environment().unwrap();
    let driver = Driver::start().await;
    let browser = driver.browser(DESKTOP).await;
    browser.goto(&format!("{}/status", fleet.admin_url)).await.unwrap();
    let status = status(&fleet).await;
    for pool in status["pools"].as_array().unwrap() {
        let name = pool["name"].as_str().unwrap();
        let shown_pool = by(&browser, &format!("[data-pool='{name}']")).await.text().await.unwrap();
        assert!(shown_pool.contains(name), "{shown_pool}");
        for endpoint in pool["endpoints"].as_array().unwrap() {
            let address = endpoint["address"].as_str().unwrap();
            by(&browser, &format!("[data-pool='{name}'] tr[data-address='{address}']")).await;
            assert!(shown_pool.contains(address), "{shown_pool}");
        }
    }
    let configuration = by(&browser, "#reload").await.text().await.unwrap();
    assert!(configuration.contains("taken over"), "{configuration}");

    // Whatever is loaded anew forgets this.
    run(&browser, "window.before = true").await;
    let pool = status["pools"][0]["name"].as_str().unwrap();
    let address = status["pools"][0]["endpoints"][0]["address"].as_str().unwrap();
    shown(&browser, pool, address, "healthy").await;
    by_hand(&fleet, pool, address, "drain").await;
    shown(&browser, pool, address, "draining").await;
    by_hand(&fleet, pool, address, "undrain").await;
    shown(&browser, pool, address, "healthy").await;
    assert_eq!(run(&browser, "return window.before").await, Value::Bool(true));
    let faults = run(&browser, "return document.body.classList.contains('lost')").await;
    assert_eq!(faults, Value::Bool(false));
    driver.stop(vec![browser]).await;
}
