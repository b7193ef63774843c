//! Sockets are closed in good order when they have to leave: the client is told why, the service gets the client's own Close.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::rig::{Answer, Rig, config};
use crate::upstream::{FRAGMENT_BYTES, FRAGMENTS, Upstream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const RESTART: u16 = 1012;

async fn open(rig: &Rig) -> Socket {
    let mut socket = connect_async(format!("ws://{}/socket", rig.public)).await.expect("upgraded").0;
    assert!(socket.next().await.expect("open").expect("a frame").is_text(), "a greeting");
    socket
}

/// Until it is closed, which it must be in good order: the messages before that, and the code.
async fn to_the_end(mut socket: Socket) -> (Vec<Message>, u16) {
    let (mut messages, mut code) = (Vec::new(), None);
    while let Some(message) = socket.next().await {
        match message.expect("no error") {
            Message::Close(frame) => code = frame.map(|frame| frame.code.into()),
            message => messages.push(message),
        }
    }
    (messages, code.expect("a Close with a code"))
}

#[tokio::test]
async fn on_the_way_down_every_socket_is_told_to_come_back() {
    const SOCKETS: usize = 200;
    let up = Upstream::start("a").await;
    // The process ends before that only when no socket is left.
    let config = config(&[&up]).replace("[edge]", "[edge]\ndrain_seconds = 3600");
    let mut rig = Rig::start(&config.replace("sockets_seconds = 0", "sockets_seconds = 1")).await;
    let mut sockets = JoinSet::new();
    for _ in 0..SOCKETS {
        sockets.spawn(to_the_end(open(&rig).await));
    }
    rig.signal("TERM");
    let ended = sockets.join_all().await;
    assert_eq!(ended, vec![(Vec::new(), RESTART); SOCKETS]);
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
    assert_eq!(up.closes(), [RESTART; SOCKETS], "what the service has heard of its clients");
    assert_eq!(rig.access_log().len(), SOCKETS);
}

#[tokio::test]
async fn no_frame_is_torn_by_it() {
    const SOCKETS: usize = 20;
    let up = Upstream::start("a").await;
    let config = config(&[&up]).replace("[edge]", "[edge]\ndrain_seconds = 3600");
    let mut rig = Rig::start(&config.replace("sockets_seconds = 0", "sockets_seconds = 1")).await;
    let mut sockets = JoinSet::new();
    for _ in 0..SOCKETS {
        let mut socket = open(&rig).await;
        socket.send("flood".into()).await.expect("sent");
        socket.next().await.expect("open").expect("the first message");
        sockets.spawn(to_the_end(socket));
    }
    rig.signal("TERM");
    let whole: Vec<u8> = (0..FRAGMENTS).flat_map(|number| vec![number as u8; FRAGMENT_BYTES]).collect();
    for (messages, code) in sockets.join_all().await {
        assert_eq!(code, RESTART);
        assert!(messages.iter().all(|message| *message == Message::Binary(whole.clone().into())));
    }
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
    assert_eq!(up.closes(), [RESTART; SOCKETS]);
}

#[tokio::test]
async fn sockets_of_an_endpoint_that_is_drained_move_to_the_others() {
    const SOCKETS: usize = 20;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a, &b])).await;
    let mut sockets = JoinSet::new();
    for _ in 0..SOCKETS {
        sockets.spawn(to_the_end(open(&rig).await));
    }
    let left: usize = a.seen().len();
    assert!(left > 0 && left < SOCKETS, "both have some: {left}");
    let drain = rig.client.post(format!("http://{}/endpoints/main/{}/drain", rig.admin, a.address));
    assert_eq!(Answer::of(drain).await.status, 200);
    for _ in 0..left {
        assert_eq!(sockets.join_next().await.expect("a socket").expect("no panic"), (Vec::new(), RESTART));
    }
    rig.until("the service has heard it", || async { a.closes().len() == left }).await;
    rig.until_metric("marquee_balancer_upgrades_open", (SOCKETS - left) as u64).await;
    open(&rig).await;
    assert_eq!((a.seen().len(), b.seen().len()), (left, SOCKETS - left + 1));
    assert!(b.closes().is_empty());
}
