//! A service to stand behind the balancer: answers by path, remembers what it was asked, dies on request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// More than the system keeps of an answer for a client that does not read.
static LARGE: [u8; LARGE_BYTES] = [0; LARGE_BYTES];
/// So many bytes are at `/large`.
pub(crate) const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// A running service.
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinSet<()>,
}

struct Shared {
    name: String,
    unready: AtomicBool,
    /// Whether probes wait for their answers.
    slow: watch::Sender<bool>,
    probes: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    closes: Mutex<Vec<u16>>,
    /// What is read at `/version`.
    version: AtomicU64,
    /// One permit for each answer that may be given at `/held`.
    released: Semaphore,
}

impl Upstream {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_on(name, "127.0.0.1:0".parse().expect("address")).await
    }

    pub(crate) async fn start_on(name: &str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("bind");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            unready: AtomicBool::default(),
            slow: watch::Sender::default(),
            probes: AtomicUsize::default(),
            seen: Mutex::default(),
            closes: Mutex::default(),
            version: AtomicU64::new(1),
            released: Semaphore::new(0),
        });
        let mut running = JoinSet::new();
        running.spawn(accept(listener, shared.clone()));
        Self { name: name.to_owned(), address, shared, running }
    }

    /// Dies as a process does under `kill -9`: every socket is reset, the port refuses.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        self.running.shutdown().await;
        self.address
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.shared.unready.store(!ready, Ordering::Relaxed);
    }

    /// Lets its checks wait for an answer until this is over.
    pub(crate) fn set_slow(&self, slow: bool) {
        self.shared.slow.send_replace(slow);
    }

    /// Lets so many requests at paths that end in `held` have their answers.
    pub(crate) fn release(&self, requests: usize) {
        self.shared.released.add_permits(requests);
    }

    /// What was true at `/version` is not any more. Returns what is.
    pub(crate) fn change(&self) -> u64 {
        self.shared.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn probes(&self) -> usize {
        self.shared.probes.load(Ordering::Relaxed)
    }

    /// The codes with which its sockets were closed by their clients, in good order.
    pub(crate) fn closes(&self) -> Vec<u16> {
        self.shared.closes.lock().expect("lock").clone()
    }

    /// What it was asked, probes apart.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("lock").clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // So that dropping the connection is a reset, as when its process dies.
        stream.set_zero_linger().expect("linger");
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    // An error is how a connection ends here as often as not.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let path = request.uri().path().to_owned();
    if path == "/readyz" {
        shared.probes.fetch_add(1, Ordering::Relaxed);
        // The sender lives as long as the service.
        let _ = shared.slow.subscribe().wait_for(|slow| !slow).await;
        let ready = !shared.unready.load(Ordering::Relaxed);
        return Ok(plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, ""));
    }
    if path.ends_with("/socket") {
        remember(&shared, &request, Bytes::new());
        return Ok(upgrade(request, shared));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "body")?.to_bytes();
    let request = Request::from_parts(parts, ());
    remember(&shared, &request, body.clone());
    if path.contains("/version") {
        return version(&request, &shared).await;
    }
    by_path(&path, &shared, body).await
}

/// `/version…?tags=…`: what was true when it was asked, tagged with what the query names, for an hour. `/version-held` waits for its
/// release when it has looked, `/version-slow` for a moment; `/version-stale` may be used when it is stale.
async fn version(request: &Request<()>, shared: &Shared) -> Result<Response<Full<Bytes>>, &'static str> {
    let version = shared.version.load(Ordering::SeqCst);
    if request.uri().path().ends_with("slow") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if request.uri().path().ends_with("held") {
        shared.released.acquire().await.map_err(|_| "never closed")?.forget();
    }
    let etag = format!("\"{version}\"");
    let known =
        request.headers().get("if-none-match").is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = plain(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, "");
    if !known {
        *response.body_mut() = Full::new(version.to_string().into());
    }
    let stale = if request.uri().path().ends_with("stale") { ", stale-if-error=60" } else { "" };
    let control = format!("public, max-age=3600{stale}");
    let tags = request.uri().query().and_then(|query| query.strip_prefix("tags=")).unwrap_or_default();
    for (name, value) in [("etag", etag.as_str()), ("cache-control", &control), ("cache-tag", tags)] {
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("value"));
    }
    Ok(response)
}

async fn by_path(path: &str, shared: &Shared, body: Bytes) -> Result<Response<Full<Bytes>>, &'static str> {
    let count = shared.seen.lock().expect("lock").len();
    let text = format!("{} {path} {count}", shared.name);
    let last = path.rsplit('/').next().unwrap_or_default();
    let with = |headers: &[(&str, &str)]| {
        let mut response = plain(StatusCode::OK, &text);
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("name");
            response.headers_mut().append(name, HeaderValue::from_str(value).expect("value"));
        }
        response
    };
    let public = ("cache-control", "public, max-age=60");
    Ok(match last {
        "public" => with(&[public, ("etag", "\"v1\""), ("x-request-id", "the upstream's own")]),
        "brief" => with(&[("cache-control", "public, max-age=1"), ("etag", "\"v1\"")]),
        "private" => with(&[("cache-control", "private, max-age=60")]),
        "cookie" => with(&[public, ("set-cookie", "session=secret")]),
        "vary" => with(&[public, ("vary", "Cookie")]),
        "slow-public" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            with(&[public])
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            plain(StatusCode::OK, &text)
        }
        "silent" => std::future::pending().await,
        "held" => {
            shared.released.acquire().await.map_err(|_| "never closed")?.forget();
            plain(StatusCode::OK, &text)
        }
        "long" => plain(StatusCode::OK, &format!("{}end", ".".repeat(100_000))),
        "broken" => return Err("breaks off on purpose"),
        "echo" => Response::new(Full::new(body)),
        "large" => Response::new(Full::new(Bytes::from_static(&LARGE))),
        "hop" => with(&[
            ("connection", "x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("trailer", "x-sum"),
            ("x-public", "1"),
        ]),
        "careful" => with(&[
            ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ]),
        "unable" => plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{} is unable", shared.name)),
        "unable-a" if shared.name == "a" => plain(StatusCode::SERVICE_UNAVAILABLE, "a is unable"),
        "unpaid-a" if shared.name == "a" => {
            let behind = "shop; error=http_response_timeout; next-hop=\"bank\"";
            let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "the bank is away");
            answer.headers_mut().insert("proxy-status", HeaderValue::from_static(behind));
            answer
        }
        "broken-a" if shared.name == "a" => return Err("breaks off on purpose"),
        "failing-a" if shared.name == "a" => plain(StatusCode::INTERNAL_SERVER_ERROR, "a fails"),
        "failing" => plain(StatusCode::INTERNAL_SERVER_ERROR, "the service's own error"),
        _ => plain(StatusCode::OK, &text),
    })
}

fn remember<T>(shared: &Shared, request: &Request<T>, body: Bytes) {
    shared.seen.lock().expect("lock").push(Seen {
        method: request.method().to_string(),
        path: request.uri().to_string(),
        headers: request.headers().clone(),
        body,
    });
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

fn upgrade(mut request: Request<Incoming>, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key else { return plain(StatusCode::BAD_REQUEST, "no key") };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(stream) = upgraded.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None).await;
        if let Some(code) = talk(socket, &shared.name).await {
            shared.closes.lock().expect("lock").push(code);
        }
    });
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", &accept)]
    {
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("value"));
    }
    response
}

/// Greets with its name and then echoes; asked to flood, it sends messages in fragments for as long as it is open. Returns the
/// code with which the client closed.
async fn talk(socket: Socket, name: &str) -> Option<u16> {
    let (mut to, mut from) = socket.split();
    to.send(name.into()).await.ok()?;
    let mut flood = false;
    loop {
        let message = if flood { from.next().now_or_never() } else { Some(from.next().await) };
        match message {
            None => fragments(&mut to).await?,
            Some(message) => match message?.ok()? {
                Message::Close(frame) => {
                    // The answer to it is sent by asking for more.
                    while from.next().await.is_some() {}
                    return frame.map(|frame| frame.code.into());
                }
                Message::Text(text) if text == "flood" => flood = true,
                message => to.send(message).await.ok()?,
            },
        }
    }
}

/// Bytes of a fragment, more than the balancer reads at once, and fragments of a message.
pub(crate) const FRAGMENT_BYTES: usize = 20_001;
pub(crate) const FRAGMENTS: usize = 3;

/// One message.
async fn fragments(to: &mut SplitSink<Socket, Message>) -> Option<()> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    for number in 0..FRAGMENTS {
        let kind = if number == 0 { Data::Binary } else { Data::Continue };
        let payload = vec![number as u8; FRAGMENT_BYTES];
        let frame = Frame::message(payload, OpCode::Data(kind), number + 1 == FRAGMENTS);
        to.send(Message::Frame(frame)).await.ok()?;
    }
    Some(())
}
