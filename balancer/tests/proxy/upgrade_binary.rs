//! One balancer takes over from another while it is used, and nobody is refused, reset or kept waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

const UPGRADES: usize = 3;
/// Before, between and after them.
const REQUESTS: usize = 500;

/// What goes on all the time.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    done: AtomicUsize,
    /// Sockets that were told to come back.
    moved: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        self.done.fetch_add(1, Ordering::Relaxed);
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Over connections that are kept, with no key that would make a second try safe.
async fn kept(url: String, load: Arc<Load>) {
    let client = reqwest::Client::new();
    while load.goes_on() {
        let answer = Answer::of(client.post(format!("{url}/echo")).body("body")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "body"));
    }
}

/// There is always an answer under way.
async fn slow(url: String, load: Arc<Load>) {
    let client = reqwest::Client::new();
    while load.goes_on() {
        assert_eq!(Answer::of(client.get(format!("{url}/slow"))).await.status, 200);
    }
}

/// A connection for each request.
async fn fresh(address: std::net::SocketAddr, load: Arc<Load>) {
    while load.goes_on() {
        let mut stream = TcpStream::connect(address).await.expect("connect");
        let request = b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody";
        stream.write_all(request).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("body"), "{answer}");
    }
}

/// Says something now and then, and comes back whenever it is told to.
async fn socket(address: std::net::SocketAddr, load: Arc<Load>) {
    while load.goes_on() {
        let mut socket = connect_async(format!("ws://{address}/socket")).await.expect("upgraded").0;
        socket.next().await.expect("open").expect("a greeting");
        let mut closed = false;
        while !closed && load.goes_on() {
            // What is said when the Close is under way already may stay without an answer.
            let _ = socket.send("echo".into()).await;
            match socket.next().await.expect("a Close comes first").expect("no error") {
                Message::Close(frame) => {
                    assert_eq!(u16::from(frame.expect("a code").code), 1012);
                    closed = true;
                }
                message => assert_eq!(message, Message::text("echo")),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        load.moved.fetch_add(usize::from(closed), Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_under_load_show_no_client_an_error() {
    const SOCKETS: usize = 10;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let config = config(&[&a, &b]).replace("notice_seconds = 0", "notice_seconds = 1");
    let mut rig = Rig::start(&config).await;
    let load = Arc::new(Load::default());
    let mut clients = JoinSet::new();
    let (url, address) = (rig.url(""), rig.public);
    for _ in 0..8 {
        clients.spawn(kept(url.clone(), load.clone()));
        clients.spawn(slow(url.clone(), load.clone()));
        clients.spawn(fresh(address, load.clone()));
    }
    for _ in 0..SOCKETS {
        clients.spawn(socket(address, load.clone()));
    }
    for _ in 0..UPGRADES {
        more(&rig, &load).await;
        rig.upgrade().await;
        assert_eq!(rig.admin("/readyz").await.status, 200, "by the same address");
    }
    more(&rig, &load).await;
    load.stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    assert!(load.moved.load(Ordering::Relaxed) >= UPGRADES * SOCKETS, "every socket has moved every time");
}

async fn more(rig: &Rig, load: &Load) {
    let goal = load.done.load(Ordering::Relaxed) + REQUESTS;
    rig.until("more requests were answered", || async { load.done.load(Ordering::Relaxed) >= goal }).await;
}

/// Longer than a process that has drained waits for its threads.
const LONG: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn what_began_on_the_old_one_ends_there_however_long_it_takes() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&config(&[&up])).await;
    let begun = tokio::spawn(Answer::of(rig.client.post(rig.url("/held")).body("once")));
    rig.until("it has begun", || async { up.seen().len() == 1 }).await;
    let successor = rig.successor("balancer.toml");
    rig.until("the new one serves", || async { successor.serves() }).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(rig.get("/x").await.body, "a /x 2");
    up.release(1);
    assert_eq!(begun.await.expect("no panic").status, 200);
    rig.replaced_by(successor).await;
}

/// What is told by hand while the new one starts is told to the old one.
#[tokio::test]
async fn who_was_drained_by_hand_is_left_alone_by_the_new_one_too() {
    let (a, b, c) = (Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await);
    let config = config(&[&a, &b, &c]).replace("timeout_ms = 1000", "timeout_ms = 3600000");
    let mut rig = Rig::start(&config).await;
    let by_hand = |address: std::net::SocketAddr, change: &str| {
        let url = format!("http://{}/endpoints/main/{address}/{change}", rig.admin);
        let answer = Answer::of(rig.client.post(url));
        async move { assert_eq!(answer.await.status, 200) }
    };
    by_hand(a.address, "drain").await;
    by_hand(c.address, "drain").await;
    // Its first checks wait, so the new one waits too.
    b.set_slow(true);
    let successor = rig.successor("balancer.toml");
    rig.until("it has called", || async { rig.stderr().contains("about to take over") }).await;
    by_hand(c.address, "undrain").await;
    b.set_slow(false);
    rig.replaced_by(successor).await;
    rig.until_state(a.address, "draining").await;
    rig.until_state(c.address, "healthy").await;
    let before = a.seen().len();
    for _ in 0..30 {
        assert_eq!(rig.get("/x").await.status, 200);
    }
    assert_eq!(a.seen().len(), before, "it was asked all the same");
    let url = format!("http://{}/endpoints/main/{}/undrain", rig.admin, a.address);
    assert_eq!(Answer::of(rig.client.post(url)).await.status, 200);
    rig.until("it is asked again", || async { rig.get("/x").await.body.starts_with("a ") }).await;
}

#[tokio::test]
async fn a_new_one_that_does_not_start_leaves_the_old_one() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&config(&[&up])).await;
    rig.write("bad.toml", |config| config.replace("[edge]", "[edge]\nnonsense = 1"));
    let said = rig.successor("bad.toml").failed().await;
    assert!(said.contains("nonsense"), "{said}");

    // Its first check never ends, so it is never ready.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = silent.local_addr().expect("bound").to_string();
    rig.write("stuck.toml", |config| {
        config.replace(&up.address.to_string(), &address).replace("timeout_ms = 1000", "timeout_ms = 3600000")
    });
    let mut stuck = rig.successor("stuck.toml");
    rig.until("it has called", || async { rig.stderr().contains("about to take over") }).await;
    let said = rig.successor("balancer.toml").failed().await;
    assert!(said.contains("another upgrade"), "{said}");
    assert_eq!(rig.get("/x").await.status, 200);
    assert!(!stuck.serves());
    stuck.child.kill().await.expect("killed");
    rig.until("it was told", || async { rig.stderr().contains("an upgrade failed") }).await;
    for _ in 0..10 {
        assert_eq!(rig.get("/x").await.status, 200);
        assert_eq!(rig.admin("/readyz").await.status, 200);
    }
    rig.upgrade().await;
    assert_eq!(rig.get("/x").await.status, 200);
}

#[tokio::test]
async fn without_a_running_one_there_is_nothing_to_take_over() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&config(&[&up])).await;
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
    let said = rig.successor("balancer.toml").failed().await;
    assert!(said.contains("start without --upgrade"), "{said}");
}
