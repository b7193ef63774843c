//! What a request is placed by, in each way that can be configured.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::RequestBuilder;

use crate::rig::{Answer, Rig, config, pool};
use crate::upstream::Upstream;

const TENANTS: usize = 30;

async fn start(hash_on: &str) -> ([Upstream; 3], Rig) {
    let ups = [Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await];
    let keys = format!("[pools.main]\nhash_on = \"{hash_on}\"\n");
    let config = config(&[&ups[0], &ups[1], &ups[2]]).replace("[pools.main]\n", &keys);
    let rig = Rig::start(&config.replace("[edge]\n", "[edge]\ntrusted = [\"127.0.0.0/8\"]\n")).await;
    (ups, rig)
}

/// Who answered.
async fn owner(request: RequestBuilder, cookie_expected: bool) -> String {
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.affinity_cookie().is_some(), cookie_expected, "{:?}", answer.headers);
    answer.body.split(' ').next().expect("a name").to_owned()
}

/// Every tenant's requests go to one endpoint, none gets a cookie, and together they use all endpoints.
async fn assert_placed_by_tenant(
    rig: &Rig,
    request: impl Fn(usize) -> RequestBuilder,
) -> BTreeMap<usize, String> {
    let mut owners = BTreeMap::new();
    for tenant in 0..TENANTS {
        let first = owner(request(tenant), false).await;
        for _ in 0..3 {
            assert_eq!(owner(request(tenant), false).await, first, "tenant {tenant} moved: {}", rig.stderr());
        }
        owners.insert(tenant, first);
    }
    assert_eq!(owners.values().collect::<BTreeSet<_>>().len(), 3, "{owners:?}");
    owners
}

#[tokio::test]
async fn a_header_a_cookie_a_parameter_a_segment_or_the_address_decides() {
    let (_ups, rig) = start("header:x-tenant").await;
    let by_header = |tenant| rig.client.get(rig.url("/who")).header("x-tenant", format!("t{tenant}"));
    assert_placed_by_tenant(&rig, by_header).await;

    let (_ups, rig) = start("cookie:tenant").await;
    let by_cookie =
        |tenant| rig.client.get(rig.url("/who")).header("cookie", format!("a=b; tenant=t{tenant}"));
    assert_placed_by_tenant(&rig, by_cookie).await;

    let (_ups, rig) = start("query:tenant").await;
    assert_placed_by_tenant(&rig, |tenant| rig.client.get(rig.url(&format!("/who?a=b&tenant=t{tenant}"))))
        .await;

    let (_ups, rig) = start("path:2").await;
    assert_placed_by_tenant(&rig, |tenant| rig.client.get(rig.url(&format!("/shows/t{tenant}/who")))).await;

    let (_ups, rig) = start("client").await;
    let by_address =
        |tenant| rig.client.get(rig.url("/who")).header("x-forwarded-for", format!("10.0.0.{tenant}"));
    assert_placed_by_tenant(&rig, by_address).await;
}

#[tokio::test]
async fn a_request_without_it_is_placed_by_the_affinity_cookie() {
    let (_ups, rig) = start("header:x-tenant").await;
    let mut owners = BTreeSet::new();
    for _ in 0..TENANTS {
        let first = rig.get("/who").await;
        let cookie = first.affinity_cookie().expect("a cookie for a new client");
        let again = owner(rig.client.get(rig.url("/who")).header("cookie", &cookie), false).await;
        assert!(first.body.starts_with(&again), "the cookie leads back");
        owners.insert(again);
    }
    assert_eq!(owners.len(), 3);
}

#[tokio::test]
async fn a_route_may_hash_on_something_else_than_its_pool() {
    let ups = [Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await];
    let routes = "[[routes]]\nmatch = \"/**\"\npool = \"main\"\n\
        [[routes]]\nmatch = \"/shows/**\"\npool = \"main\"\nhash_on = \"path:2\"\n";
    let rig = Rig::start(&format!("{routes}{}", pool("main", &[&ups[0], &ups[1], &ups[2]]))).await;
    assert_placed_by_tenant(&rig, |tenant| rig.client.get(rig.url(&format!("/shows/t{tenant}/who")))).await;
    assert!(rig.get("/who").await.affinity_cookie().is_some());
}
