//! A crowd comes to shows that nobody has asked for yet, as when the doors open. The catalog's view is asked for a show once, and for
//! all that are wanted together.

use domain::live::Seats;
use http::StatusCode;
use serde_json::json;
use service::postgres::Connection;
use testkit::client::Client;
use testkit::wait::until;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use crate::live::{Socket, snapshot};
use crate::world::{SHOW, World, holds, seats};

/// Far more than connections.
const SHOWS: usize = 40;
/// Who comes to one show.
const CROWD: usize = 100;
/// Longer than any of it takes: nobody is given up for being slow.
const PATIENCE_MS: u64 = 60_000;

/// The catalog's view counts how often it is asked.
async fn world() -> World {
    let world = World::with(1, |config| {
        config.sockets_max = 2 * SHOWS;
        config.postgres.statement_timeout_ms = PATIENCE_MS;
        config.http.request_timeout_ms = PATIENCE_MS;
    })
    .await;
    for show in shows() {
        world.publish(&show, &["oooooo", "oooooo"], false).await;
    }
    let count = "ALTER TABLE catalog_published.shows RENAME TO rows;
        CREATE SEQUENCE catalog_published.asked MINVALUE 0;
        SELECT nextval('catalog_published.asked');
        CREATE VIEW catalog_published.shows AS
            WITH asked AS MATERIALIZED (SELECT nextval('catalog_published.asked'))
            SELECT rows.* FROM catalog_published.rows, asked";
    world.database().await.batch_execute(count).await.unwrap();
    world
}

fn shows() -> impl Iterator<Item = String> {
    (0..SHOWS).map(|at| format!("show_cold_{at}"))
}

async fn asked(world: &World) -> usize {
    let asked = "SELECT last_value FROM catalog_published.asked";
    let asked: i64 = world.database().await.query_one(asked, &[]).await.unwrap().get(0);
    usize::try_from(asked).unwrap()
}

/// From here on the view answers nobody.
async fn close(world: &World) -> Connection {
    let doors = world.database().await;
    let close = "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE catalog_published.rows";
    doors.batch_execute(close).await.unwrap();
    doors
}

async fn all_there(visitor: &Client, count: usize) {
    until("all to have come", async || {
        let metrics = visitor.get("/metrics").await;
        let there = format!("marquee_http_requests_in_flight {count}\n");
        metrics.body.as_str()?.contains(&there).then_some(())
    })
    .await;
}

fn get(visitor: &Client, path: String) -> JoinHandle<StatusCode> {
    let visitor = visitor.clone();
    tokio::spawn(async move { visitor.get(&path).await.status })
}

fn hold(visitor: Client, show: &str) -> JoinHandle<StatusCode> {
    let path = holds(show);
    tokio::spawn(async move { visitor.post(&path, &json!({ "best": 1 })).await.status })
}

fn watch(world: &World, show: &str) -> JoinHandle<Result<Socket, StatusCode>> {
    let url = format!("ws://{}/api/live?show={show}", world.instance(0).address);
    tokio::spawn(async move {
        match connect_async(url).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(error) => panic!("{error}"),
        }
    })
}

#[tokio::test]
async fn a_crowd_at_many_shows_leaves_connections_to_others() {
    let world = world().await;
    let (visitor, doors) = (world.visitor(), close(&world).await);
    let (mut requests, mut sockets) = (Vec::new(), Vec::new());
    for show in shows() {
        requests.push((200, get(&visitor, format!("/api/shows/{show}/seat-map"))));
        requests.push((200, get(&visitor, seats(&show))));
        requests.push((201, hold(world.visitor(), &show)));
        sockets.extend([watch(&world, &show), watch(&world, &show)]);
    }
    requests.push((404, get(&visitor, seats("show_unknown"))));
    all_there(&visitor, requests.len() + sockets.len()).await;
    assert_eq!(visitor.get("/api/holds/hold_unknown").await.status, 404, "somebody else has to wait");
    doors.batch_execute("COMMIT").await.unwrap();
    for (status, answered) in requests {
        assert_eq!(answered.await.unwrap(), status);
    }
    for connected in sockets {
        let (_, seen): (u64, Seats) = snapshot(&mut connected.await.unwrap().unwrap()).await;
        assert!(seen.len() <= 1, "{seen:?}");
    }
    // Some may have come between two questions.
    let asked = asked(&world).await;
    assert!(asked < SHOWS / 4, "asked {asked} times");
}

#[tokio::test]
async fn a_crowd_at_one_show_has_it_looked_up_once() {
    let world = world().await;
    let (visitor, doors) = (world.visitor(), close(&world).await);
    let crowd: Vec<_> = (0..CROWD).map(|_| get(&visitor, format!("/api/shows/{SHOW}/seat-map"))).collect();
    all_there(&visitor, CROWD).await;
    doors.batch_execute("COMMIT").await.unwrap();
    for answered in crowd {
        assert_eq!(answered.await.unwrap(), 200);
    }
    assert_eq!(asked(&world).await, 1);
}
