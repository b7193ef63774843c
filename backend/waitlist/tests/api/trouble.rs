//! Reservations, Redis or Postgres away, and instances that die.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use serde_json::json;
use service::postgres::PostgresConfig;
use testkit::wait;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::reservations::Mood;
use crate::world::{SHOW, Visitor, World};

#[tokio::test]
async fn a_join_is_acknowledged_only_when_reservations_knows() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    world.reservations.be(Mood::Away);
    let wish = json!({ "party": 1 });
    let refused = ann.try_join(SHOW, Some("k"), &wish).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    let mine = ann.send(Method::GET, &format!("/api/waitlist?show={SHOW}"), &[], None).await.body;
    let id = mine["entries"][0]["id"].as_str().expect("the place is kept").to_owned();
    world.reservations.be(Mood::Well);
    wait::until("the queue to be opened", async || world.queue_open(SHOW).await.then_some(())).await;
    let repeated = ann.try_join(SHOW, Some("k"), &wish).await;
    assert_eq!((repeated.status.as_u16(), repeated.text("id")), (201, id.as_str()));
    assert_eq!(repeated.body["position"], 1);
}

#[tokio::test]
async fn another_instance_of_reservations_answers_when_one_is_gone_or_frozen() {
    let mut world = World::fresh().await;
    // The kernel takes its connections; nobody ever answers them.
    let frozen = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    world.config.reservations.insert(0, format!("http://{}", frozen.local_addr().expect("it is bound")));
    world.config.reservations_timeout_ms = 300;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    world.config.reservations.insert(0, format!("http://{}", nobody.local_addr().expect("it is bound")));
    drop(nobody);
    let instance = world.start().await;
    Visitor::new("ann", instance).join(1).await;
    assert!(world.queue_open(SHOW).await);
}

#[tokio::test]
async fn a_decision_outlives_the_instance_that_made_it() {
    let (mut world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    world.reservations.be(Mood::AnswersLost);
    world.reservations.escrow("e", SHOW, &["A1", "A2"], 60).await;
    wait::until("the first offer", async || {
        (world.reservations.deeds().await.offered.len() == 1).then_some(())
    })
    .await;
    world.stop().await;
    world.reservations.be(Mood::Well);
    let instance = world.start().await;
    Visitor::new("ann", instance).until(&first, "offered").await;
    Visitor::new("bob", instance).until(&second, "offered").await;
    world.served("e").await;
    let deeds = world.reservations.deeds().await;
    assert_eq!(deeds.offered, [(first, vec!["A2".to_owned()]), (second, vec!["A1".to_owned()])]);
    assert!(deeds.on_sale.is_empty());
}

#[tokio::test]
async fn an_escrow_that_passed_while_reservations_was_away_costs_nobody_their_place() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.be(Mood::NoOffers);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    wait::until("the decision", async || {
        let client = world.pool.get().await.expect("the test database answers");
        client.query_opt("SELECT FROM waitlist.offers", &[]).await.expect("the query is good")
    })
    .await;
    world.reservations.execute("DELETE FROM reservations.escrows", &[]).await;
    world.reservations.be(Mood::Well);
    world.served("e").await;
    assert_eq!(ann.entry(&id).await["status"], "waiting");
    world.reservations.escrow("f", SHOW, &["A1"], 60).await;
    ann.until(&id, "offered").await;
}

#[tokio::test]
async fn who_was_chosen_for_seats_that_lapsed_is_not_overtaken_by_those_behind() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    world.reservations.be(Mood::NoOffers);
    world.reservations.escrow("e", SHOW, &["A1"], 1).await;
    world.served_or_decided(1).await;
    wait::until("the bound of the escrow to pass", async || {
        let deleted = "DELETE FROM reservations.escrows WHERE expires_at <= clock_timestamp()";
        (world.reservations.execute(deleted, &[]).await == 1).then_some(())
    })
    .await;
    world.reservations.escrow("f", SHOW, &["A1"], 60).await;
    world.served_or_decided(2).await;
    world.reservations.be(Mood::Well);
    ann.until(&first, "offered").await;
    assert_eq!(bob.entry(&second).await["status"], "waiting");
    assert_eq!(world.reservations.deeds().await.offered, [(first, vec!["A1".to_owned()])]);
}

#[tokio::test]
async fn an_offer_that_is_refused_for_good_does_not_keep_the_waiter_from_other_seats() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.be(Mood::Refusing);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    world.served("e").await;
    assert_eq!(ann.entry(&id).await["status"], "waiting");
    world.reservations.be(Mood::Well);
    world.reservations.escrow("f", SHOW, &["A2"], 60).await;
    ann.until(&id, "offered").await;
}

#[tokio::test]
async fn without_redis_everything_goes_on() {
    let mut world = World::fresh().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    world.config.redis.url = format!("redis://{}", nobody.local_addr().expect("it is bound")).into();
    drop(nobody);
    let instance = world.start().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    assert_eq!(bob.entry(&second).await["position"], 2);
    ann.leave(&first).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    bob.until(&second, "offered").await;
}

#[tokio::test]
async fn while_postgres_is_away_the_answer_is_503_and_then_all_is_as_before() {
    let mut world = World::fresh().await;
    let cable = Cable::to(world.config.postgres.url.reveal()).await;
    world.config.postgres.url = cable.url(world.config.postgres.url.reveal()).into();
    let instance = world.start().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    cable.plugged.send_replace(false);
    let path = format!("/api/waitlist/{id}");
    for (method, path, body) in [
        (Method::GET, path.as_str(), None),
        (Method::DELETE, path.as_str(), None),
        (Method::GET, "/api/waitlist", None),
        (Method::POST, "/api/shows/tonight/waitlist", Some(json!({ "party": 1 }))),
    ] {
        let answer = ann.send(method.clone(), path, &[], body.as_ref()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable"), "{method} {path}");
        assert!(answer.headers.contains_key("retry-after"));
    }
    cable.plugged.send_replace(true);
    wait::until("postgres to be back", async || {
        let answer = ann.send(Method::GET, &path, &[], None).await;
        (answer.status == 200).then_some(())
    })
    .await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    ann.until(&id, "offered").await;
}

/// A way to Postgres that stands still says nothing, and still who asks is answered.
#[tokio::test]
async fn while_postgres_is_silent_the_answer_is_503_and_the_instance_is_not_ready() {
    let mut world = World::fresh().await;
    let (postgres, wire) = world.stores.postgres_by_wire().await;
    world.config.postgres = PostgresConfig { silent_ms: 4_000, ..postgres };
    let instance = world.start().await;
    let ann = Visitor::new("ann", instance);
    let path = format!("/api/waitlist/{}", ann.join(1).await);
    wire.freeze();
    let answer = ann.send(Method::GET, &path, &[], None).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(ann.send(Method::GET, "/readyz", &[], None).await.status, 503);
    wire.thaw();
    wait::until("the instance to be ready", async || {
        (ann.send(Method::GET, "/readyz", &[], None).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(ann.send(Method::GET, &path, &[], None).await.status, 200);
}

/// A connection to a server that can be pulled out and put in again.
struct Cable {
    address: SocketAddr,
    plugged: Arc<watch::Sender<bool>>,
}

impl Cable {
    async fn to(url: &str) -> Self {
        let url = reqwest::Url::parse(url).expect("a URL");
        let target = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let plugged = Arc::new(watch::channel(true).0);
        let plug = Arc::clone(&plugged);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut plug) = (target.clone(), plug.subscribe());
                tokio::spawn(async move {
                    if !*plug.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = plug.wait_for(|plugged| !plugged) => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self { address, plugged }
    }

    fn url(&self, url: &str) -> String {
        let mut url = reqwest::Url::parse(url).expect("a URL");
        url.set_ip_host(self.address.ip()).expect("it has a host");
        url.set_port(Some(self.address.port())).expect("it has a port");
        url.to_string()
    }
}
