use domain::live::Seats;
use domain::status::SeatStatus;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::onsale::plan::Plan;
use crate::onsale::stand_in::{PATIENCE, records, sale, seat, show, until};

/// A server that sends a list of frames to each connection in turn, and then closes it; the last one stays open.
async fn server(connections: Vec<Vec<Value>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let last = connections.len() - 1;
        for (at, frames) in connections.into_iter().enumerate() {
            let (connection, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(connection).await.unwrap();
            for frame in frames {
                socket.send(Message::text(frame.to_string())).await.unwrap();
            }
            if at < last {
                let close = CloseFrame { code: CloseCode::Restart, reason: "the server restarts".into() };
                socket.close(Some(close)).await.unwrap();
            }
            // Until the client has gone.
            while let Some(Ok(_)) = socket.next().await {}
        }
    });
    url
}

fn snapshot(version: u64, seats: &Value) -> Value {
    json!({ "type": "snapshot", "show_id": "show", "version": version, "seats": seats })
}

fn step(version: u64, changes: &Value) -> Value {
    json!({ "type": "seats", "show_id": "show", "version": version, "changes": changes })
}

fn sights(sale: &Sale) -> Vec<(u32, Sight)> {
    let sight = |what| match what {
        What::Saw { socket, sight, .. } => Some((socket, sight)),
        _ => None,
    };
    records(sale).into_iter().filter_map(sight).collect()
}

#[tokio::test]
async fn what_is_out_of_step_is_written_down_and_followed_all_the_same() {
    let frames = vec![
        snapshot(5, &json!({ "A1": "held" })),
        step(6, &json!({ "A2": "held" })),
        step(8, &json!({ "A1": "free" })),
        snapshot(7, &json!({ "A9": "booked" })),
    ];
    let url = server(vec![frames]).await;
    let sale = sale(&url, Plan::default());
    let watcher = Watcher::start(&sale, 1, &sale.stranger().unwrap(), &show());
    let caught_up = async || watcher.picture().await.is_some_and(|picture| picture.version == 7);
    until("the last frame", caught_up).await;
    assert_eq!(watcher.picture().await.unwrap().seats, Seats::from([(seat("A9"), SeatStatus::Booked)]));
    let out_of_step = |before, after, snapshot| Sight::OutOfStep { show: show(), before, after, snapshot };
    assert_eq!(
        sights(&sale),
        [(1, Sight::Opened { show: show() }), (1, out_of_step(6, 8, false)), (1, out_of_step(8, 7, true))]
    );
}

#[tokio::test]
async fn a_watcher_comes_back_and_remembers_the_last_version() {
    let first = vec![snapshot(5, &json!({}))];
    let second = vec![snapshot(4, &json!({})), step(5, &json!({ "A1": "held" }))];
    let url = server(vec![first, second]).await;
    let sale = sale(&url, Plan::default());
    let watcher = Watcher::start(&sale, 1, &sale.stranger().unwrap(), &show());
    let back = async || watcher.picture().await.is_some_and(|picture| !picture.seats.is_empty());
    until("the second connection", back).await;
    drop(watcher);
    until("the socket to be closed", async || sale.tally.sockets.load(Ordering::Relaxed) == 0).await;
    let opened = Sight::Opened { show: show() };
    assert_eq!(
        sights(&sale),
        [
            (1, opened.clone()),
            (1, Sight::Closed { code: Some(1012) }),
            (2, Sight::OutOfStep { show: show(), before: 5, after: 4, snapshot: true }),
            (2, opened),
            (2, Sight::Closed { code: Some(1000) }),
        ]
    );
}

#[tokio::test]
async fn messages_to_the_session_reach_its_owner_and_the_history() {
    let frames = vec![
        json!({ "type": "hold_expired", "hold_id": "other", "show_id": "show", "seats": ["A1"] }),
        snapshot(1, &json!({})),
        json!({ "type": "hold_expired", "hold_id": "mine", "show_id": "show", "seats": ["A2"] }),
    ];
    let url = server(vec![frames]).await;
    let sale = sale(&url, Plan::default());
    let mut watcher = Watcher::start(&sale, 1, &sale.stranger().unwrap(), &show());
    let mine = |frame| match frame {
        ServerFrame::HoldExpired { hold_id, .. } if hold_id.as_str() == "mine" => Some(()),
        _ => None,
    };
    assert_eq!(watcher.notice(PATIENCE, mine).await, Some(()));
    assert_eq!(watcher.notice(Duration::ZERO, mine).await, None, "it came once");
    let expired = |sight: &(u32, Sight)| matches!(sight.1, Sight::HoldExpired { .. });
    assert_eq!(sights(&sale).iter().filter(|sight| expired(sight)).count(), 2);
}

#[tokio::test]
async fn who_is_not_connected_has_no_picture() {
    let sale = sale("http://127.0.0.1:1", Plan::default());
    let watcher = Watcher::start(&sale, 1, &sale.stranger().unwrap(), &show());
    assert!(watcher.picture().await.is_none());
}
