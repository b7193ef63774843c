//! What surrounds the answers: health, metrics, cache, documents, pages.

use drill::buyer::Buyer;
use drill::fleet::{Fleet, SERVICES, until};

#[tokio::test]
async fn every_process_has_metrics_and_is_alive() {
    let fleet = Fleet::from_environment().unwrap();
    let mut urls = vec![fleet.admin_url.clone()];
    for name in SERVICES {
        urls.push(fleet.instance_url(name).unwrap());
    }
    for url in urls {
        let probe = Buyer::new(&url).unwrap();
        for path in ["/livez", "/readyz"] {
            // The warmer is ready again with its first round after whatever happened to the stores before.
            let good = async || Ok((probe.get(path).await?.status == 200).then_some(()));
            until(&format!("{url}{path} to be 200"), good).await.unwrap();
        }
        let metrics = probe.get("/metrics").await.unwrap();
        assert!(metrics.body.as_str().unwrap().contains("# TYPE marquee_"), "{url}");
    }
    assert_eq!(fleet.buyer().unwrap().get("/healthz").await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_public_is_cached_and_what_is_private_is_not() {
    let fleet = Fleet::from_environment().unwrap();
    let buyer = fleet.buyer().unwrap();
    let path = "/api/movies?limit=7";
    buyer.get(path).await.unwrap();
    let again = buyer.get(path).await.unwrap();
    assert!(again.headers["cache-status"].to_str().unwrap().contains("hit"), "{:?}", again.headers);
    assert!(again.headers.contains_key("age"));
    for _ in 0..2 {
        let private = buyer.get("/api/bookings").await.unwrap();
        let status = private
            .headers
            .get("cache-status")
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        assert!(
            !status.contains("hit") && private.headers["cache-control"] == "private, no-store",
            "{status}"
        );
    }
}

#[tokio::test]
async fn one_document_describes_all_calls() {
    let fleet = Fleet::from_environment().unwrap();
    let document = fleet.buyer().unwrap().get("/api/openapi.json").await.unwrap();
    assert!(document.text("openapi").unwrap().starts_with("3.1"));
    for path in [
        "/api/movies",
        "/api/movies/popular",
        "/api/movies/{id}",
        "/api/movies/{id}/shows",
        "/api/shows/{id}",
        "/api/shows/{id}/seat-map",
        "/api/shows/{id}/seats",
        "/api/shows/{id}/holds",
        "/api/holds/{id}",
        "/api/holds/{id}/confirm",
        "/api/bookings",
        "/api/bookings/{id}",
        "/api/bookings/{id}/ticket.svg",
        "/api/tickets/keys",
        "/api/shows/{id}/tickets/void",
        "/api/shows/{id}/waitlist",
        "/api/waitlist/{id}",
        "/api/live",
    ] {
        assert!(document.body["paths"].get(path).is_some(), "{path}");
    }
}

#[tokio::test]
async fn the_first_page_comes_with_its_modules_and_a_session() {
    let fleet = Fleet::from_environment().unwrap();
    let buyer = fleet.buyer().unwrap();
    let page = buyer.get("/").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.headers
            .get_all("set-cookie")
            .iter()
            .any(|cookie| cookie.to_str().unwrap().starts_with("session="))
    );
    let html = page.body.as_str().unwrap();
    for asset in html.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = buyer.get(asset).await.unwrap();
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.headers.contains_key("etag"), "{asset}");
    }
}
