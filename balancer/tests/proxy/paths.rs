//! No spelling of a path gets past the list of what is never routed.

use crate::rig::{Rig, config};
use crate::upstream::Upstream;

#[tokio::test]
async fn never_routed_paths_are_404_however_they_are_spelled() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    for path in
        ["/internal", "/internal/", "/internal/x", "/metrics", "/%69nternal/x", "/INTERNAL/x", "/metrics?x=/"]
    {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("\"code\":\"not_found\""), "{path}: {answer}");
    }
    let ambiguous = [
        "//internal/x",
        "/x//internal",
        "/./internal/x",
        "/x/../internal/x",
        "/%2e%2e/internal",
        "/x/%2E%2E/internal/x",
        "/%2finternal/x",
        "/x%2f..%2finternal/x",
        "/x/..%5cinternal",
        "/internal%00",
        "/%252e%252e/internal",
        "/%zz",
        "http://elsewhere/internal/x",
        "*",
        "/x\\internal",
    ];
    for path in ambiguous {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    assert!(up.seen().is_empty(), "{:?}", up.seen());
}

#[tokio::test]
async fn a_path_is_never_routed_however_its_pattern_is_written() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("/internal/**", "/Internal/{Name}/**")).await;
    for path in ["/Internal/x", "/internal/x", "/INTERNAL/X/y"] {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(up.seen().is_empty(), "{:?}", up.seen());
}

#[tokio::test]
async fn an_unusual_but_clear_path_passes_unchanged() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    for path in ["/am%C3%A9lie", "/a.b/..c/", "/x?y=/../internal//%2e"] {
        let answer = ask(&rig, path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert_eq!(up.seen().pop().expect("asked").path, path);
    }
}

async fn ask(rig: &Rig, target: &str) -> String {
    rig.raw(&format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}
