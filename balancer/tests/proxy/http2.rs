//! HTTP/2 by TLS: what is different from HTTP/1.1 must not show, and every limit holds there too.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::{Method, Request, Response, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::version;

use crate::rig::{Rig, config};
use crate::tls::{self, Client, Made};
use crate::upstream::Upstream;

/// One connection, and how it ended.
struct Connection {
    requests: SendRequest<Bytes>,
    end: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, read to its end.
struct Answer {
    head: Response<()>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.head.headers().get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn status(&self) -> u16 {
        self.head.status().as_u16()
    }
}

impl Connection {
    async fn open(made: &Made, address: SocketAddr) -> Self {
        let client = Client { protocols: &["h2", "http/1.1"], ..Client::new(made, "seats.example") };
        let stream = client.connect(address).await.expect("handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        Self { requests, end: tokio::spawn(connection) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path), &[]).await.expect("an answer")
    }

    /// Sends the pieces of a body one by one; with none, the header is the whole request.
    async fn send(&self, request: Request<()>, pieces: &[&'static str]) -> Result<Answer, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut body) = requests.send_request(request, pieces.is_empty())?;
        for (index, piece) in pieces.iter().enumerate() {
            body.send_data(Bytes::from_static(piece.as_bytes()), index + 1 == pieces.len())?;
        }
        let (head, mut stream) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(piece) = stream.data().await {
            let piece = piece?;
            stream.flow_control().release_capacity(piece.len())?;
            body.extend_from_slice(&piece);
        }
        let body = String::from_utf8(body).expect("text");
        Ok(Answer { head: Response::from_parts(head, ()), body })
    }
}

fn request(method: Method, path: &str) -> Request<()> {
    let uri = format!("https://seats.example{path}");
    Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(()).expect("a request")
}

async fn start(keys: &str) -> (Upstream, Rig, Made, SocketAddr) {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let config = config(&[&up]).replace("[edge]", &format!("[edge]\n{keys}"));
    let (rig, address) = tls::start(&config, &[&made]).await;
    (up, rig, made, address)
}

#[tokio::test]
async fn a_request_reaches_the_service_as_any_other() {
    let (up, rig, made, address) = start("").await;
    let connection = Connection::open(&made, address).await;
    let first = connection.get("/x").await;
    let cookie = first.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let mut wanted = request(Method::GET, "/x?y=1");
    for piece in ["session=s", &cookie] {
        wanted.headers_mut().append("cookie", piece.parse().expect("value"));
    }
    wanted.headers_mut().insert("x-forwarded-for", "9.9.9.9".parse().expect("value"));
    let answer = connection.send(wanted, &[]).await.expect("answered");
    assert_eq!((answer.status(), answer.body.as_str()), (200, "a /x 2"));
    assert_eq!(answer.header("set-cookie"), "", "the cookie it brought was not found");
    let seen = &up.seen()[1];
    let cookies = format!("session=s; {cookie}");
    let wanted = [
        ("host", "seats.example"),
        ("cookie", &cookies),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "seats.example"),
    ];
    for (name, value) in wanted {
        assert_eq!(seen.headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
    assert_eq!(seen.path, "/x?y=1");
    rig.until("the line is written", || async { rig.access_log().len() == 2 }).await;
    assert_eq!(rig.access_log()[1]["path"], "/x");
}

#[tokio::test]
async fn stored_answers_are_kept_apart_by_host() {
    let (_up, _rig, made, address) = start("").await;
    let connection = Connection::open(&made, address).await;
    let first = connection.get("/cached/public").await;
    assert_eq!(connection.get("/cached/public").await.body, first.body, "it was not stored");
    let other = Request::get("https://other.example/cached/public").version(Version::HTTP_2).body(());
    let other = connection.send(other.expect("a request"), &[]).await.expect("answered");
    assert_ne!(other.body, first.body, "one host was answered with what another one said");
}

#[tokio::test]
async fn frames_of_a_body_are_one_body() {
    let (up, _rig, made, address) = start("").await;
    let connection = Connection::open(&made, address).await;
    for body in [&["one", "two", ""][..], &["", "three", ""], &[""], &["four"]] {
        let answer = connection.send(request(Method::POST, "/echo"), body).await.expect("answered");
        assert_eq!((answer.status(), answer.body), (200, body.concat()));
    }
    let bodies: Vec<_> = up.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["onetwo", "three", "", "four"]);
}

/// Pingora's issue 935: an empty last frame ends the chunked body a second time, in the next request's place.
#[tokio::test]
async fn a_body_that_ends_in_an_empty_frame_ends_once() {
    let (endpoint, heard) = listening_endpoint().await;
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let config = config(&[&up]).replace(&up.address.to_string(), &endpoint.to_string());
    let (_rig, address) = tls::start(&config, &[&made]).await;
    let connection = Connection::open(&made, address).await;
    for body in [&["one", "two", ""][..], &["", "three", ""], &["four"]] {
        let answer = connection.send(request(Method::POST, "/x"), body).await.expect("answered");
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(connection.get("/last").await.status(), 200);
    let heard = heard.lock().expect("lock").clone();
    // A request that follows at once may find the connection of the one before not yet back in its place.
    assert!(heard.len() < 4, "no connection was used again: {heard:?}");
    let pieces: Vec<&str> =
        heard.iter().flat_map(|connection| connection.split_terminator("\r\n\r\n")).collect();
    assert_eq!(pieces.len(), 7, "{heard:?}");
    // On each connection a header, its body with the last chunk, the next header, and so on; nothing after the last.
    let (mut posts, mut before) = (0, "");
    for piece in pieces {
        if before.starts_with("POST /x ") {
            assert!(piece.ends_with("\r\n0"), "{heard:?}");
            posts += 1;
        } else {
            assert!(piece.starts_with("POST /x ") || piece.starts_with("GET /last "), "{heard:?}");
        }
        before = piece;
    }
    assert_eq!(posts, 3, "{heard:?}");
}

/// Answers what is whole, and keeps every byte of its connections that are not checks.
async fn listening_endpoint() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(listen(stream, all.clone()));
        }
    });
    (address, heard)
}

async fn listen(mut stream: TcpStream, all: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (mut piece, mut place, mut answered) = ([0; 4 * 1024], None, 0);
    loop {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        let text = std::str::from_utf8(&piece[..read]).expect("text");
        let whole = {
            let mut all = all.lock().expect("lock");
            if place.is_none() && !text.starts_with("GET /readyz") {
                all.push(String::new());
                place = Some(all.len() - 1);
            }
            let Some(place) = place else {
                // One check, one connection.
                let _ =
                    stream.try_write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                return None;
            };
            all[place].push_str(text);
            let rest = &all[place][answered..];
            let whole = if rest.starts_with("GET") { "\r\n\r\n" } else { "0\r\n\r\n" };
            rest.ends_with(whole).then_some(all[place].len())
        };
        if let Some(end) = whole {
            answered = end;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        }
    }
}

#[tokio::test]
async fn every_limit_holds() {
    let (up, _rig, made, address) =
        start("body_bytes_max = 1000\nuri_bytes_max = 100\nheader_bytes_max = 2000\nheader_fields_max = 20")
            .await;
    let connection = Connection::open(&made, address).await;
    let status = |path: String| {
        let connection = &connection;
        async move { connection.get(&path).await.status() }
    };
    assert_eq!(status(format!("/{}", "x".repeat(100))).await, 414);
    assert_eq!(status("/internal/x".into()).await, 404);
    assert_eq!(status("/a/%2e%2e/internal".into()).await, 400);
    let mut fields = request(Method::GET, "/x");
    for index in 0..30 {
        fields.headers_mut().insert(
            http::HeaderName::try_from(format!("x-{index}")).expect("name"),
            "y".parse().expect("value"),
        );
    }
    let mut large = request(Method::GET, "/x");
    large.headers_mut().insert("x-large", "x".repeat(2_100).parse().expect("value"));
    for refused in [fields, large] {
        assert_eq!(connection.send(refused, &[]).await.expect("answered").status(), 431);
    }
    // One that is larger than is ever taken apart ends its connection.
    let mut huge = request(Method::GET, "/x");
    huge.headers_mut().insert("x-huge", "x".repeat(15_000).parse().expect("value"));
    assert!(Connection::open(&made, address).await.send(huge, &[]).await.is_err());
    let body = Box::leak("x".repeat(1_001).into_boxed_str());
    let answer = connection.send(request(Method::POST, "/echo"), &[body]).await.expect("answered");
    assert_eq!(answer.status(), 413, "{}", answer.body);
    assert!(answer.body.contains("body_too_large"), "{}", answer.body);
    assert!(up.seen().is_empty(), "{:?}", up.seen());
    assert_eq!(connection.get("/x").await.status(), 200, "the connection outlives what was refused on it");
}

#[tokio::test]
async fn many_requests_at_once_are_all_answered() {
    let (up, _rig, made, address) = start("").await;
    let connection = Arc::new(Connection::open(&made, address).await);
    // After one answer the client knows how many streams it may have open.
    assert_eq!(connection.get("/x").await.status(), 200);
    let mut asked = tokio::task::JoinSet::new();
    for index in 0..300 {
        let connection = connection.clone();
        asked.spawn(async move { connection.get(&format!("/{index}/slow")).await.status() });
    }
    assert!(asked.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(up.seen().len(), 301);
}

/// Streams that are opened and given up at once cost a client nothing; so it gets only so many.
#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_and_no_other() {
    let (_up, rig, made, address) = start("").await;
    let (good, bad) = (Connection::open(&made, address).await, Connection::open(&made, address).await);
    let requests = bad.requests.clone();
    for _ in 0..20_000 {
        let Ok(mut requests) = requests.clone().ready().await else { break };
        let Ok((_answer, mut stream)) = requests.send_request(request(Method::POST, "/silent"), false) else {
            break;
        };
        stream.send_reset(Reason::CANCEL);
    }
    drop(requests);
    let error = bad.end.await.expect("no panic").expect_err("the flood went on");
    assert!(error.reason() == Some(Reason::ENHANCE_YOUR_CALM) || error.is_io(), "{error}");
    assert_eq!(good.get("/x").await.status(), 200);
    assert_eq!(rig.get("/x").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed() {
    let (_up, _rig, made, address) = start("header_seconds = 1\nkeepalive_seconds = 1").await;
    let connection = Connection::open(&made, address).await;
    assert_eq!(connection.get("/x").await.status(), 200);
    // It ends while nothing is asked on it, in whatever manner.
    let _ = connection.end.await.expect("no panic");

    let client = Client { protocols: &["h2"], ..Client::new(&made, "seats.example") };
    let mut silent = client.connect(address).await.expect("handshake");
    let mut heard = Vec::new();
    // Settings at most: without a preface from us nothing was going to follow.
    let _ = silent.read_to_end(&mut heard).await;
    assert!(heard.len() < 200, "{heard:?}");
}

#[tokio::test]
async fn a_body_that_drips_is_408() {
    let (_up, rig, made, address) = start("body_grace_seconds = 1\nbody_bytes_per_second_min = 1000").await;
    let connection = Connection::open(&made, address).await;
    let mut requests = connection.requests.clone().ready().await.expect("ready");
    let (answer, mut body) = requests.send_request(request(Method::POST, "/echo"), false).expect("sent");
    let drip = async {
        while body.send_data(Bytes::from_static(b"x"), false).is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = answer => answer.expect("an answer"),
        () = drip => unreachable!(),
    };
    assert_eq!(answer.status(), 408);
    rig.until_metric("marquee_balancer_slow_clients_total{waited_for=\"body\"}", 1).await;
}

#[tokio::test]
async fn on_the_way_down_what_began_is_answered() {
    let (up, mut rig, made, address) = start("drain_seconds = 3600").await;
    let connection = Arc::new(Connection::open(&made, address).await);
    let slow = tokio::spawn({
        let connection = connection.clone();
        async move { connection.get("/slow").await }
    });
    rig.until("the request is there", || async { !up.seen().is_empty() }).await;
    rig.signal("TERM");
    let answer = slow.await.expect("no panic");
    assert_eq!((answer.status(), answer.body.as_str()), (200, "a /slow 1"));
    let connection = Arc::into_inner(connection).expect("the only one");
    drop(connection.requests);
    // It was told to go, and not cut. Both say goodbye at once, and the client's may find nobody there any more.
    if let Err(error) = connection.end.await.expect("no panic") {
        let kind = error.get_io().map(std::io::Error::kind);
        assert!(matches!(kind, Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)), "{error}");
    }
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let (_rig, address) =
        tls::start(&format!("{}[http2]\nenabled = false\n", config(&[&up])), &[&made]).await;
    let client = Client {
        protocols: &["h2", "http/1.1"],
        versions: &[&version::TLS13],
        ..Client::new(&made, "seats.example")
    };
    let stream = client.connect(address).await.expect("handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}
