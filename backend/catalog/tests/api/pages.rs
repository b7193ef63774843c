//! The web client as a browser gets it.

use http::Method;

use crate::world::World;

const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

#[tokio::test]
async fn every_address_of_the_client_is_the_page_and_the_first_begins_a_session() {
    let (_world, visitor) = World::visited().await;
    for (at, path) in ["/", "/movies/x", "/shows/x", "/holds/x", "/bookings", "/bookings/x", "/waitlist/x"]
        .iter()
        .enumerate()
    {
        let page = visitor.send(Method::GET, path, &BROWSER, None).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.as_str().is_some_and(|html| html.starts_with("<!doctype html>")), "{path}");
        assert_eq!(page.headers["cache-control"], "private, no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let policy = page.headers["content-security-policy"].to_str().expect("text");
        assert!(
            policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(page.headers.contains_key("set-cookie"), at == 0, "{path}");
    }
}

#[tokio::test]
async fn files_are_shared_tagged_and_of_their_type() {
    let (_world, visitor) = World::visited().await;
    for (path, kind) in [
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/styles/base.css", "text/css; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let file = visitor.get(path).await;
        assert_eq!(
            (file.status.as_u16(), file.headers["content-type"].to_str().ok()),
            (200, Some(kind)),
            "{path}"
        );
        assert!(
            file.headers["cache-control"].to_str().is_ok_and(|value| value.starts_with("public, max-age="))
        );
        assert!(!file.headers.contains_key("set-cookie"), "{path}");
        let tag = file.headers["etag"].to_str().expect("text");
        let again = visitor.send(Method::GET, path, &[("if-none-match", tag)], None).await;
        assert_eq!(again.status, 304, "{path}");
    }
    for path in [
        "/assets/none.js",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/package.json",
        "/assets/",
    ] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_turn_is_a_page_for_people_and_a_problem_for_programs() {
    let (_world, visitor) = World::visited().await;
    let page = visitor.send(Method::GET, "/nowhere/at/all", &BROWSER, None).await;
    assert_eq!(page.status, 404);
    assert!(page.body.as_str().is_some_and(|html| html.starts_with("<!doctype html>")));
    for (path, headers) in [("/nowhere", &[][..]), ("/api/nowhere", &BROWSER[..])] {
        let problem = visitor.send(Method::GET, path, headers, None).await;
        assert_eq!((problem.status.as_u16(), problem.code()), (404, "not_found"), "{path}");
    }
    let posted = visitor.send(Method::POST, "/bookings", &[], None).await;
    assert_eq!((posted.status.as_u16(), posted.code()), (405, "method_not_allowed"));
}
