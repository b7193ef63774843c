//! A client stays on its endpoint; when one leaves, only its clients move.

use std::collections::HashMap;

use crate::rig::{Rig, config};
use crate::upstream::Upstream;

const CLIENTS: usize = 150;

async fn owner(rig: &Rig, cookie: &str) -> String {
    let answer = rig.get_with("/who", "cookie", cookie).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.affinity_cookie(), None, "a known client got a new cookie");
    answer.body.split(' ').next().expect("a name").to_owned()
}

#[tokio::test]
async fn clients_stay_and_only_those_of_a_leaver_move() {
    only_clients_of_a_leaver_move("ring_hash").await;
}

#[tokio::test]
async fn in_a_table_as_on_a_ring_only_those_of_a_leaver_move() {
    only_clients_of_a_leaver_move("maglev").await;
}

async fn only_clients_of_a_leaver_move(policy: &str) {
    let ups = [Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await];
    let policy = format!("[pools.main]\npolicy = \"{policy}\"\n");
    let config = config(&[&ups[0], &ups[1], &ups[2]]).replace("[pools.main]\n", &policy);
    let rig = Rig::start(&config).await;
    let mut before = HashMap::new();
    for _ in 0..CLIENTS {
        let first = rig.get("/who").await;
        let cookie = first.affinity_cookie().expect("a cookie for a new client");
        let name = first.body.split(' ').next().expect("a name").to_owned();
        assert_eq!(owner(&rig, &cookie).await, name, "the cookie leads back to the first endpoint");
        before.insert(cookie, name);
    }
    for name in ["a", "b", "c"] {
        let share = before.values().filter(|owner| *owner == name).count();
        assert!((CLIENTS / 6..=CLIENTS / 2).contains(&share), "{name} has {share} of {CLIENTS}");
    }

    ups[1].set_ready(false);
    rig.until_state(ups[1].address, "out").await;
    let mut moved = 0;
    for (cookie, name) in &before {
        let now = owner(&rig, cookie).await;
        if name == "b" {
            assert_ne!(now, "b");
            moved += 1;
        } else {
            assert_eq!(&now, name, "a client moved that did not have to");
        }
    }
    assert!(moved > 0);

    ups[1].set_ready(true);
    rig.until_state(ups[1].address, "healthy").await;
    for (cookie, name) in &before {
        assert_eq!(&owner(&rig, cookie).await, name, "after its return everybody is back");
    }
}

#[tokio::test]
async fn the_cookie_is_opaque_and_a_wrong_one_is_replaced() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let answer = rig.get("/who").await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/")
    );
    assert!(!cookie.contains("127"), "{cookie}");
    let issued = answer.affinity_cookie().expect("a cookie for a new client");
    let middle = issued.len() / 2;
    let other = if issued.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let tampered = format!("{}{other}{}", &issued[..middle], &issued[middle + 1..]);
    let unsigned = format!("affinity={}", "0123456789abcdef".repeat(2));
    for wrong in ["affinity=", "affinity=127.0.0.1:80", "affinity=ZZZZ", "affinity", &tampered, &unsigned] {
        let answer = rig.get_with("/who", "cookie", wrong).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.affinity_cookie().is_some_and(|cookie| cookie != wrong && cookie != issued),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn without_keys_a_balancer_believes_no_other() {
    let up = Upstream::start("a").await;
    let (one, other) = (Rig::start(&config(&[&up])).await, Rig::start(&config(&[&up])).await);
    let cookie = one.get("/who").await.affinity_cookie().expect("a cookie for a new client");
    assert_eq!(one.get_with("/who", "cookie", &cookie).await.affinity_cookie(), None);
    assert!(other.get_with("/who", "cookie", &cookie).await.affinity_cookie().is_some());
}

/// Two balancers share a key: the second stands for the first after its restart, and for another beside it.
#[tokio::test]
async fn a_client_stays_when_keys_are_rotated_and_the_balancer_is_restarted() {
    let ups = [Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await];
    let config = config(&[&ups[0], &ups[1], &ups[2]]);
    let with = async |keys: &str| Rig::start(&format!("[affinity]\nkeys = [{keys}]\n{config}")).await;
    let (old, new) = (format!("\"{}\"", "old key ".repeat(4)), format!("\"{}\"", "new key ".repeat(4)));
    let (before, restarted) = (with(&old).await, with(&old).await);
    let (during, after) = (with(&format!("{new}, {old}")).await, with(&new).await);
    for _ in 0..30 {
        let first = before.get("/who").await;
        let cookie = first.affinity_cookie().expect("a cookie for a new client");
        let name = first.body.split(' ').next().expect("a name");
        assert_eq!(owner(&restarted, &cookie).await, name);

        let renewed = during.get_with("/who", "cookie", &cookie).await;
        assert!(renewed.body.starts_with(name), "{name} became {}", renewed.body);
        let renewed = renewed.affinity_cookie().expect("signed by the new key");
        assert_eq!(owner(&during, &renewed).await, name);
        assert_eq!(owner(&after, &renewed).await, name);
        assert!(after.get_with("/who", "cookie", &cookie).await.affinity_cookie().is_some());
    }
}
