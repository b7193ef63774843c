//! Who is held back: by a rate, by what it has open, by what its pool can take; and who goes first then.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;
use crate::way::{State, Way};

const QUEUE: &str = "marquee_balancer_queue_length{pool=\"main\"}";
const IN_FLIGHT: &str = "marquee_balancer_limit_in_flight{pool=\"main\"}";

/// A rate of one a second, so that whoever has used up its burst is out for the whole test.
fn with_rate(upstreams: &[&Upstream], burst: u32, more: &str) -> String {
    let rate = format!(
        "\n[[rate_limits]]\nname = \"visitor\"\nkey = \"header:x-visitor\"\nrequests_per_second = 1\nburst = {burst}\n"
    );
    config(upstreams) + &rate + more
}

/// Limits of the pool `main`, and a route for each class, at `/CLASS/held`.
fn with_limits(upstreams: &[&Upstream], limits: &str) -> String {
    let route = |class: &str| {
        format!("[[routes]]\nmatch = \"/{class}/**\"\npool = \"main\"\npriority = \"{class}\"\n")
    };
    let routes: String = ["low", "normal", "high", "critical"].map(route).concat();
    // Longer than any test takes.
    let patient = config(upstreams).replace("first_byte_ms = 2000", "first_byte_ms = 60000");
    format!("{patient}\n[pools.main.limits]\nqueue_wait_ms = 60000\n{limits}\n{routes}")
}

impl Rig {
    async fn as_visitor(&self, visitor: &str) -> Answer {
        self.get_with("/x", "x-visitor", visitor).await
    }

    /// How often a visitor is answered until it is told to come back later.
    async fn answers(&self, visitor: &str) -> usize {
        for answered in 0.. {
            let answer = self.as_visitor(visitor).await;
            if answer.status == 429 {
                return answered;
            }
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        unreachable!("it is never told")
    }

    /// Asks, and leaves the answer for later.
    fn ask(&self, path: &str) -> JoinHandle<Answer> {
        tokio::spawn(Answer::of(self.client.get(self.url(path))))
    }

    async fn shed(&self, reason: &str) -> u64 {
        self.metric(&format!("marquee_balancer_shed_total{{pool=\"main\",reason=\"{reason}\"}}")).await
    }
}

impl Upstream {
    fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }
}

/// The one place of the pool is taken.
async fn occupied(upstream: &Upstream, rig: &Rig) -> JoinHandle<Answer> {
    let first = rig.ask("/first/held");
    rig.until("the first one is there", || async { upstream.seen().len() == 1 }).await;
    first
}

fn assert_overloaded(answer: &Answer) {
    assert_eq!((answer.status, &answer.problem()["code"]), (503, &"overloaded".into()));
    assert!(matches!(answer.header("retry-after"), "1" | "2" | "3"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_notice_nothing() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_rate(&[&up], 20, "")).await;
    let answered = rig.answers("one").await;
    assert!((20..60).contains(&answered), "{answered} of a burst of 20");
    let answer = rig.as_visitor("one").await;
    if answer.status == 429 {
        assert_eq!((&answer.problem()["code"], answer.header("retry-after")), (&"rate_limited".into(), "1"));
    }
    assert_eq!(rig.as_visitor("two").await.status, 200);
    assert_eq!(rig.get("/x").await.status, 200, "whoever does not say who it is is known by its address");
    let shed = rig.metric("marquee_balancer_shed_total{pool=\"none\",reason=\"rate_limited\"}").await;
    assert!(shed >= 1);
    assert!(!rig.admin("/metrics").await.body.contains("visitor"));
}

#[tokio::test]
async fn a_refused_body_does_not_cost_the_connection_its_next_request() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_rate(&[&up], 1, "")).await;
    let post = || Answer::of(rig.client.post(rig.url("/echo")).header("x-visitor", "one").body("x"));
    rig.until("it is refused", || async { post().await.status == 429 }).await;
    rig.until("it is let in again", || async { post().await.status == 200 }).await;
}

#[tokio::test]
async fn a_rate_may_be_for_some_routes_alone() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_rate(&[&up], 1, "routes = [\"/cached/**\"]\n")).await;
    rig.until("that route is used up", || async {
        rig.get_with("/cached/public", "x-visitor", "one").await.status == 429
    })
    .await;
    for _ in 0..10 {
        assert_eq!(rig.as_visitor("one").await.status, 200);
    }
    let counted = "marquee_balancer_shed_total{pool=\"main\",reason=\"rate_limited\"}";
    assert!(rig.metric(counted).await >= 1);
}

#[tokio::test]
async fn an_ipv6_subscriber_is_one_client_by_whatever_address_it_comes() {
    let up = Upstream::start("a").await;
    let trusting = config(&[&up]).replace("[edge]", "[edge]\ntrusted = [\"127.0.0.0/8\"]");
    let rate = "\n[[rate_limits]]\nname = \"address\"\nrequests_per_second = 1\nburst = 20\n";
    let rig = Rig::start(&(trusting + rate)).await;
    let from = |address: String| {
        let rig = &rig;
        async move { rig.get_with("/x", "x-forwarded-for", &address).await.status }
    };
    let mut answered = 0;
    while from(format!("2001:db8:1:2::{answered:x}")).await == 200 {
        answered += 1;
        assert!(answered < 100, "each of its addresses has a bucket");
    }
    assert_eq!(from("2001:db8:1:3::1".to_owned()).await, 200);
}

#[tokio::test]
async fn a_reload_gives_nobody_a_new_burst() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_rate(&[&up], 100, "")).await;
    let before = rig.answers("one").await;
    rig.signal("HUP");
    rig.until_metric("marquee_balancer_reloads_total{result=\"ok\"}", 1).await;
    let after = rig.answers("one").await;
    assert!(before >= 100 && after < 50, "{before} before, {after} after");
}

/// Balancers that share rates: each has reached Redis.
async fn sharing(up: &Upstream, way: &Way, burst: u32) -> Rig {
    let config = with_rate(&[up], burst, &format!("[limits]\nredis_url = \"{}\"\n", way.url));
    let rig = Rig::start(&config).await;
    rig.get("/x").await;
    rig.until("redis is there", || async { rig.stderr().contains("redis is there") }).await;
    rig
}

/// Redis is not emptied between tests.
fn stranger() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[tokio::test]
async fn balancers_share_a_client_s_rate_through_redis() {
    let up = Upstream::start("a").await;
    let way = Way::to_redis().await;
    let (one, two) = (sharing(&up, &way, 20).await, sharing(&up, &way, 20).await);
    // A Redis that is slow for a moment has no say in that moment, and each second has one more token.
    let mut tries = Vec::new();
    while tries.last().is_none_or(|(first, second)| *first < 20 || *second >= 10) {
        assert!(tries.len() < 200, "what one has let in does not count for the other: {tries:?}");
        let visitor = stranger();
        tries.push((one.answers(&visitor).await, two.answers(&visitor).await));
    }
    assert!(two.answers(&stranger()).await >= 20);
}

#[tokio::test]
async fn without_redis_a_balancer_s_own_limit_holds_and_nobody_gets_an_error() {
    let up = Upstream::start("a").await;
    let way = Way::to_redis().await;
    let rig = sharing(&up, &way, 100).await;
    way.set(State::Cut);
    let answered = rig.answers(&stranger()).await;
    assert!((100..200).contains(&answered), "{answered}");
    rig.until("that is told", || async { rig.stderr().contains("rate limits are local") }).await;
}

#[tokio::test]
async fn a_frozen_redis_is_not_waited_for_again_and_again() {
    let up = Upstream::start("a").await;
    let way = Way::to_redis().await;
    let rig = sharing(&up, &way, 100).await;
    way.set(State::Frozen);
    let answered = rig.answers(&stranger()).await;
    assert!((100..200).contains(&answered), "{answered}");
    rig.until("that is told", || async { rig.stderr().contains("rate limits are local") }).await;
    let asked_in_vain = rig.stderr().matches("rate limits are local").count();
    assert!((1..10).contains(&asked_in_vain), "{}", rig.stderr());
    let reached = rig.stderr().matches("redis is there").count();
    way.set(State::Open);
    let back = || async { rig.stderr().matches("redis is there").count() > reached };
    rig.until("it is asked again", back).await;
}

#[tokio::test]
async fn who_waits_goes_on_by_class_and_then_in_order() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "in_flight_max = 1")).await;
    let first = occupied(&up, &rig).await;
    let paths = ["/low/1/held", "/normal/2/held", "/high/3/held", "/normal/4/held", "/critical/5/held"];
    let mut waiting = Vec::new();
    for (before, path) in paths.into_iter().enumerate() {
        waiting.push(rig.ask(path));
        rig.until_metric(QUEUE, before as u64 + 1).await;
    }
    assert_eq!(up.seen().len(), 1, "no other one has gone past the limit");
    up.release(6);
    for answer in waiting.into_iter().chain([first]) {
        assert_eq!(answer.await.expect("answered").status, 200);
    }
    let order = [
        "/first/held",
        "/critical/5/held",
        "/high/3/held",
        "/normal/2/held",
        "/normal/4/held",
        "/low/1/held",
    ];
    assert_eq!(up.paths(), order);
    rig.until_metric(IN_FLIGHT, 0).await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_lets_the_lowest_go_for_a_higher_one() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "in_flight_max = 1\nqueue_max = 1")).await;
    let first = occupied(&up, &rig).await;
    let low = rig.ask("/low/held");
    rig.until_metric(QUEUE, 1).await;
    assert_overloaded(&rig.get("/low/too/held").await);
    let high = rig.ask("/high/held");
    assert_overloaded(&low.await.expect("answered"));
    assert_eq!((rig.shed("queue_full").await, rig.shed("displaced").await), (1, 1));
    up.release(2);
    for answer in [first, high] {
        assert_eq!(answer.await.expect("answered").status, 200);
    }
    assert_eq!(up.paths(), ["/first/held", "/high/held"]);
}

#[tokio::test]
async fn nobody_waits_longer_than_it_may() {
    let up = Upstream::start("a").await;
    let limits = with_limits(&[&up], "in_flight_max = 1");
    let rig = Rig::start(&limits.replace("queue_wait_ms = 60000", "queue_wait_ms = 50")).await;
    let _first = occupied(&up, &rig).await;
    assert_overloaded(&rig.get("/critical/held").await);
    assert_eq!((rig.shed("queue_timeout").await, rig.metric(QUEUE).await), (1, 0));
}

#[tokio::test]
async fn a_client_that_leaves_leaves_its_place_in_the_queue_and_in_the_pool() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "in_flight_max = 1")).await;
    let first = occupied(&up, &rig).await;
    let mut leaving = TcpStream::connect(rig.public).await.expect("connect");
    leaving.write_all(b"GET /high/held HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    rig.until_metric(QUEUE, 1).await;
    drop(leaving);
    rig.until_metric(QUEUE, 0).await;
    // Also the one that the endpoint is working on.
    first.abort();
    rig.until_metric(IN_FLIGHT, 0).await;
    assert_eq!(rig.get("/low").await.status, 200);
    assert_eq!(up.paths(), ["/first/held", "/low"]);
}

#[tokio::test]
async fn whoever_has_something_to_lose_is_not_held_back_by_the_adaptive_limit() {
    let up = Upstream::start("a").await;
    let limits = "in_flight_max = 3\nqueue_max = 0\nadaptive_initial = 1\nadaptive_min = 1";
    let rig = Rig::start(&with_limits(&[&up], limits)).await;
    let first = occupied(&up, &rig).await;
    assert_overloaded(&rig.get("/high/held").await);
    let critical = [rig.ask("/critical/1/held"), rig.ask("/critical/2/held")];
    rig.until("they are there", || async { up.seen().len() == 3 }).await;
    assert_overloaded(&rig.get("/critical/3/held").await);
    up.release(3);
    for answer in critical.into_iter().chain([first]) {
        assert_eq!(answer.await.expect("answered").status, 200);
    }
    assert_eq!(rig.metric("marquee_balancer_limit_current{pool=\"main\"}").await, 1);
}

#[tokio::test]
async fn stored_answers_need_no_place() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "in_flight_max = 1\nqueue_max = 0")).await;
    let stored = rig.get("/cached/public").await;
    let held = rig.ask("/first/held");
    rig.until("it is there", || async { up.seen().len() == 2 }).await;
    assert_eq!(rig.get("/cached/public").await.body, stored.body);
    assert_overloaded(&rig.get("/cached/other").await);
    up.release(1);
    assert_eq!(held.await.expect("answered").status, 200);
}

/// Whether it still holds cannot be asked.
#[tokio::test]
async fn a_stored_answer_that_has_aged_is_given_where_there_is_no_room() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "in_flight_max = 1\nqueue_max = 0")).await;
    let stored = rig.get("/cached/brief").await;
    let held = rig.ask("/first/held");
    rig.until("it is there", || async { up.seen().len() == 2 }).await;
    rig.until("it has aged", || async {
        let answer = rig.get("/cached/brief").await;
        assert_eq!((answer.status, &answer.body), (200, &stored.body));
        answer.header("cache-status").contains("stale")
    })
    .await;
    assert!(rig.shed("queue_full").await >= 1);
    assert_overloaded(&rig.get("/cached/other").await);
    up.release(1);
    assert_eq!(held.await.expect("answered").status, 200);
    rig.until("it is asked for again", || async { rig.get("/cached/brief").await.body != stored.body }).await;
}

#[tokio::test]
async fn an_endpoint_with_enough_to_do_is_passed_over_by_its_own_clients() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let limits = "endpoint_in_flight_max = 1\nqueue_max = 0";
    let rig = Rig::start(&with_limits(&[&a, &b], limits)).await;
    rig.until_state(a.address, "healthy").await;
    rig.until_state(b.address, "healthy").await;
    let cookie = rig.get("/x").await.affinity_cookie().expect("a cookie");
    let before = [a.seen().len(), b.seen().len()];
    let ask = || {
        tokio::spawn(Answer::of(rig.client.get(rig.url("/normal/held")).header("cookie", cookie.as_str())))
    };
    let held = [ask(), ask()];
    rig.until("each has one", || async {
        [a.seen().len(), b.seen().len()] == before.map(|requests| requests + 1)
    })
    .await;
    assert_overloaded(&rig.get("/critical/held").await);
    a.release(1);
    b.release(1);
    for answer in held {
        assert_eq!(answer.await.expect("answered").status, 200);
    }
}

/// What an upgrade is refused with.
async fn refusal(rig: &Rig) -> (u16, String) {
    let error = connect_async(format!("ws://{}/live/socket", rig.public)).await.expect_err("no room");
    let Error::Http(answer) = error else { panic!("not an answer: {error}") };
    let body = answer.body().clone().expect("a body");
    (answer.status().as_u16(), String::from_utf8(body).expect("text"))
}

#[tokio::test]
async fn a_socket_takes_no_place_of_a_request_and_a_client_has_as_many_as_it_may() {
    let up = Upstream::start("a").await;
    let limits = "in_flight_max = 1\nqueue_max = 0\n[limits]\nclient_sockets_max = 1";
    let rig = Rig::start(&with_limits(&[&up], limits)).await;
    let url = format!("ws://{}/live/socket", rig.public);
    let socket = connect_async(&url).await.expect("upgraded").0;
    let (status, body) = refusal(&rig).await;
    assert!(status == 429 && body.contains("\"code\":\"too_many_sockets\""), "{status} {body}");
    assert_eq!(rig.shed("client_sockets").await, 1);
    rig.until("requests have their place", || async { rig.get("/x").await.status == 200 }).await;
    drop(socket);
    rig.until("its place is free", || async { connect_async(&url).await.is_ok() }).await;
}

#[tokio::test]
async fn a_pool_has_as_many_sockets_as_it_may() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_limits(&[&up], "sockets_max = 1")).await;
    let _socket = connect_async(format!("ws://{}/live/socket", rig.public)).await.expect("upgraded");
    let (status, body) = refusal(&rig).await;
    assert!(status == 503 && body.contains("\"code\":\"overloaded\""), "{status} {body}");
    assert_eq!(rig.shed("sockets").await, 1);
}
