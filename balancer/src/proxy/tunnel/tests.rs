//! Tunnels between a client in memory and an endpoint on a real socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::*;
use crate::limit::open::Open;

/// As the client has to get it.
const CLOSE: &[u8] = b"\x88\x11\x03\xf4service restart";
/// The client's answer, masked.
const REPLY: &[u8] = b"\x88\x82\x01\x02\x03\x04\x02\xf6";

/// Both far ends of a tunnel.
struct Ends {
    client: DuplexStream,
    endpoint: TcpStream,
    /// How many bytes the client will have got.
    over: oneshot::Receiver<usize>,
    drain: watch::Sender<bool>,
    _process: watch::Sender<bool>,
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

fn tunnel() -> (Tunnel, watch::Sender<bool>, watch::Sender<bool>) {
    let (drain, process) = (watch::Sender::new(false), watch::Sender::new(false));
    let leave = Leave { endpoint: drain.subscribe(), process: process.subscribe(), spread: Duration::ZERO };
    (Tunnel::new(Duration::from_secs(10), leave), drain, process)
}

fn place() -> OneOpen {
    Open::default().enter([192, 0, 2, 1].into(), 1).unwrap()
}

/// After these bytes went by.
async fn open(passed: &[u8]) -> Ends {
    let (near, endpoint) = pair().await;
    let (client, far) = duplex(64);
    let (told, over) = oneshot::channel();
    let (tunnel, drain, process) = tunnel();
    tunnel.follow(passed);
    tunnel.take_endpoint(near);
    tunnel.take_end(Box::new(move |bytes| told.send(bytes).unwrap()));
    tunnel.take_client(Box::new(far), place());
    Ends { client, endpoint, over, drain, _process: process }
}

async fn heard(from: &mut (impl tokio::io::AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    from.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

#[tokio::test]
async fn bytes_pass_both_ways_and_who_ends_hears_the_last_of_the_other() {
    let Ends { mut client, mut endpoint, over, drain: _drain, .. } = open(b"").await;
    client.write_all(b"hello").await.unwrap();
    heard(&mut endpoint, b"hello").await;
    client.shutdown().await.unwrap();
    assert_eq!(endpoint.read(&mut [0]).await.unwrap(), 0);
    let long = vec![7; 50_000];
    let farewell = tokio::spawn(async move {
        endpoint.write_all(&long).await.unwrap();
    });
    let mut last = Vec::new();
    client.read_to_end(&mut last).await.unwrap();
    farewell.await.unwrap();
    assert_eq!((last.len(), over.await.unwrap()), (50_000, 50_000));
}

#[tokio::test]
async fn an_endpoint_that_goes_is_heard_to_the_end() {
    let Ends { mut client, mut endpoint, over, drain: _drain, .. } = open(b"").await;
    endpoint.write_all(b"bye").await.unwrap();
    drop(endpoint);
    let mut last = String::new();
    client.read_to_string(&mut last).await.unwrap();
    assert_eq!(last, "bye");
    drop(client);
    assert_eq!(over.await.unwrap(), 3);
}

#[tokio::test]
async fn nothing_is_carried_before_all_is_there() {
    let (near, mut endpoint) = pair().await;
    let (client, far) = duplex(64);
    let (tunnel, ..) = tunnel();
    tunnel.take_endpoint(near);
    tunnel.take_client(Box::new(far), place());
    drop((tunnel, client));
    assert_eq!(endpoint.read(&mut [0]).await.unwrap(), 0, "a handshake that failed leaves nothing open");
}

#[tokio::test]
async fn told_to_leave_the_client_gets_a_close_and_its_answer_gets_through() {
    let Ends { mut client, mut endpoint, over, drain, .. } = open(b"").await;
    endpoint.write_all(b"\x81\x02hi").await.unwrap();
    heard(&mut client, b"\x81\x02hi").await;
    drain.send_replace(true);
    heard(&mut client, CLOSE).await;
    // Nothing may follow a Close, and what the client says before its own is still for the endpoint.
    endpoint.write_all(b"\x81\x02no").await.unwrap();
    client.write_all(b"\x81\x82\0\0\0\0me").await.unwrap();
    client.write_all(REPLY).await.unwrap();
    heard(&mut endpoint, b"\x81\x82\0\0\0\0me").await;
    heard(&mut endpoint, REPLY).await;
    endpoint.write_all(b"\x88\x02\x03\xf4").await.unwrap();
    drop(endpoint);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    drop(client);
    assert_eq!(over.await.unwrap(), 4);
}

#[tokio::test]
async fn a_frame_that_has_begun_comes_whole_first() {
    // The first bytes of it were passed on by Pingora.
    let Ends { mut client, mut endpoint, drain, .. } = open(b"\x02\x7e\x03").await;
    let mut rest = vec![7; 1_001];
    rest[0] = 0xe8;
    // The message is not finished, its frame is.
    endpoint.write_all(&[&rest[..], b"\x80\x02no"].concat()).await.unwrap();
    heard(&mut client, &rest[..10]).await;
    drain.send_replace(true);
    while drain.receiver_count() > 0 {
        tokio::task::yield_now().await;
    }
    heard(&mut client, &rest[10..]).await;
    heard(&mut client, CLOSE).await;
}

#[tokio::test]
async fn who_was_closed_already_is_not_told_twice() {
    let Ends { mut client, mut endpoint, drain, .. } = open(b"").await;
    endpoint.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    heard(&mut client, b"\x88\x02\x03\xe8").await;
    drain.send_replace(true);
    drop(endpoint);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_not_waited_for() {
    let Ends { client: _client, mut endpoint, over, drain, .. } = open(b"").await;
    endpoint.write_all(b"\x82\x7e\x10\x00").await.unwrap();
    endpoint.write_all(&[7; 1_000]).await.unwrap();
    drain.send_replace(true);
    assert!(over.await.unwrap() <= 64);
}
