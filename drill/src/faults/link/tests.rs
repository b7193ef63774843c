use super::*;

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fleet::until;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A server that sends back what it gets, until this is dropped.
struct Echo {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

async fn echo(at: SocketAddr) -> Echo {
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            clients.spawn(async move {
                let (mut from, mut to) = client.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    Echo { address, _serving: serving }
}

async fn say(client: &mut TcpStream, text: &str) -> io::Result<String> {
    client.write_all(text.as_bytes()).await?;
    hear(client, text.len()).await
}

async fn hear(client: &mut TcpStream, bytes: usize) -> io::Result<String> {
    let mut heard = vec![0; bytes];
    client.read_exact(&mut heard).await?;
    Ok(String::from_utf8(heard).unwrap())
}

async fn becomes_refused(link: &Link) {
    until("connections to be refused", async || {
        let refused = TcpStream::connect(link.address()).await.is_err_and(is_refusal);
        Ok(refused.then_some(()))
    })
    .await
    .unwrap();
}

async fn becomes_open(link: &Link) -> TcpStream {
    until("connections to be accepted", async || {
        let Ok(mut client) = TcpStream::connect(link.address()).await else { return Ok(None) };
        Ok(say(&mut client, "open?").await.ok().map(|_| client))
    })
    .await
    .unwrap()
}

fn is_refusal(error: io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

#[tokio::test]
async fn it_carries_both_ways_and_ends_with_its_ends() {
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let mut client = TcpStream::connect(link.address()).await.unwrap();
    let long = "all of it ".repeat(20_000);
    let (mut from, mut to) = client.split();
    let sending = async {
        to.write_all(long.as_bytes()).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut heard = String::new();
    let ((), read) = tokio::join!(sending, from.read_to_string(&mut heard));
    read.unwrap();
    assert!(heard == long);
    let bytes = long.len() as u64;
    drop(client);
    let carried = Carried { connections: 1, connections_open: 0, bytes_up: bytes, bytes_down: bytes };
    until("all to be counted", async || Ok((link.carried() == carried).then_some(()))).await.unwrap();
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_refuses_what_is_new_until_healed() {
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let mut client = becomes_open(&link).await;
    link.cut();
    let broken = client.read_u8().await.unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset);
    becomes_refused(&link).await;
    link.heal();
    becomes_open(&link).await;
}

#[tokio::test]
async fn a_stalled_link_accepts_and_carries_nothing_until_healed() {
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let mut open = becomes_open(&link).await;
    let before = link.carried();
    link.stall();
    open.write_all(b"old").await.unwrap();
    let mut new = TcpStream::connect(link.address()).await.unwrap();
    new.write_all(b"new").await.unwrap();
    until("the new connection to be accepted", async || {
        Ok((link.carried().connections > before.connections).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(link.carried().bytes_up, before.bytes_up);
    link.heal();
    assert_eq!(hear(&mut open, 3).await.unwrap(), "old");
    assert_eq!(hear(&mut new, 3).await.unwrap(), "new");
}

#[tokio::test]
async fn a_slow_link_keeps_every_chunk_waiting_and_in_order() {
    let delay = Duration::from_millis(40);
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let mut client = becomes_open(&link).await;
    link.slow(delay);
    let asked = Instant::now();
    for word in ["one ", "two ", "three"] {
        client.write_all(word.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(hear(&mut client, 13).await.unwrap(), "one two three");
    // Not how fast it is: how slow it must be, there and back.
    assert!(asked.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn what_a_slow_link_holds_back_goes_on_when_it_is_healed() {
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let mut client = becomes_open(&link).await;
    link.slow(Duration::MAX);
    client.write_all(b"late").await.unwrap();
    link.heal();
    assert_eq!(hear(&mut client, 4).await.unwrap(), "late");
}

#[tokio::test]
async fn it_refuses_while_its_target_does() {
    let first = echo(ANY).await;
    let at = first.address;
    let link = Link::start(ANY, Target::resolved(move || Some(at))).await.unwrap();
    let mut client = becomes_open(&link).await;
    drop(first);
    assert!(say(&mut client, "anybody?").await.is_err());
    becomes_refused(&link).await;
    let _second = echo(at).await;
    becomes_open(&link).await;
}

#[tokio::test]
async fn a_target_without_an_address_is_one_that_refuses() {
    let link = Link::start(ANY, Target::resolved(|| None)).await.unwrap();
    becomes_refused(&link).await;
}

#[tokio::test]
async fn every_client_has_a_rewriter_of_its_own() {
    let echo = echo(ANY).await;
    let numbering = || -> Rewriter {
        let mut chunks = 0;
        Box::new(move |chunk| {
            chunks += 1;
            [format!("{chunks}:").as_bytes(), chunk].concat()
        })
    };
    let link = Link::rewriting(ANY, echo.address, numbering).await.unwrap();
    for _ in 0..2 {
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        for expected in ["1:x", "2:x"] {
            client.write_all(b"x").await.unwrap();
            assert_eq!(hear(&mut client, 3).await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn a_dropped_link_carries_nothing_more() {
    let echo = echo(ANY).await;
    let link = Link::start(ANY, echo.address).await.unwrap();
    let address = link.address();
    let mut client = becomes_open(&link).await;
    drop(link);
    let ended = client.read_u8().await.unwrap_err();
    assert!(matches!(ended.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset));
    until("connections to be refused", async || {
        Ok(TcpStream::connect(address).await.is_err_and(is_refusal).then_some(()))
    })
    .await
    .unwrap();
}
