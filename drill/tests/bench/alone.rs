//! The rows that start what they measure.

use drill::bench::peers::{HAPROXY, NGINX};
use drill::bench::settings::Row;

use crate::{measured, names, settings};

#[tokio::test]
async fn a_proxied_request_is_measured_beside_the_peers_and_the_floor() {
    let table = measured(Row::Proxied).await;
    let mut found = names(&table).concat();
    found.sort_unstable();
    assert_eq!(found, ["HAProxy", "balancer", "bare Pingora", "epoll relay", "nginx"]);
    let base = if NGINX.find().is_ok() {
        "nginx"
    } else if HAPROXY.find().is_ok() {
        "HAProxy"
    } else {
        "epoll relay"
    };
    assert_eq!(table.blocks[0].base.as_deref(), Some(base));
}

#[tokio::test]
async fn a_cached_hit_is_measured_and_is_one() {
    let table = measured(Row::Cached).await;
    assert_eq!(table.blocks.len(), 2, "{table}");
    for mut found in names(&table) {
        found.sort_unstable();
        assert_eq!(found, ["Varnish", "balancer", "nginx"]);
    }
}

#[tokio::test]
async fn what_changes_all_the_time_is_read_and_never_too_old() {
    let table = measured(Row::Changing).await;
    assert!(table.to_string().contains("fetches from the origin for each change and balancer"), "{table}");
}

#[tokio::test]
async fn what_cannot_be_measured_is_said_and_nothing_is_invented() {
    let mut settings = settings(Row::Proxied);
    settings.bin_dir = "/no/such/place".into();
    let table = drill::bench::run(&settings).await.unwrap();
    assert!(!table.whole() && table.blocks.is_empty());
    assert!(table.to_string().contains("| proxied | not measured |"), "{table}");
}
