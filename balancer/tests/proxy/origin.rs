//! An origin that says at each path what a test tells it to, answers validators, and can be held back in the middle of a body.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::rig::{self, Answer, Rig};
use crate::upstream::Seen;

/// What is answered at one path.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
    /// Waits to be released before its header.
    held: bool,
    /// Waits to be released after so many bytes of its body.
    held_after: Option<usize>,
}

impl Reply {
    pub(crate) fn new(body: &str) -> Self {
        Self { status: 200, fields: Vec::new(), body: body.to_owned(), held: false, held_after: None }
    }

    /// With a `Cache-Control`.
    pub(crate) fn cached(body: &str, control: &str) -> Self {
        Self::new(body).with("cache-control", control)
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    pub(crate) fn held(mut self) -> Self {
        self.held = true;
        self
    }

    pub(crate) fn held_after(mut self, bytes: usize) -> Self {
        self.held_after = Some(bytes);
        self
    }

    fn confirms(&self, seen: &Seen) -> bool {
        let field =
            |name| self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
        let same = |condition, name| field(name).is_some_and(|value| seen.header(condition) == value);
        same("if-none-match", "etag")
            || (seen.header("if-none-match").is_empty() && same("if-modified-since", "last-modified"))
    }
}

/// A running origin.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinSet<()>,
}

struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    seen: Mutex<Vec<Seen>>,
    released: Semaphore,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            replies: Mutex::default(),
            seen: Mutex::default(),
            released: Semaphore::new(0),
        });
        let mut running = JoinSet::new();
        running.spawn(accept(listener, shared.clone()));
        Self { address, shared, running }
    }

    /// From now on, this is answered at this path, whatever the query.
    pub(crate) fn put(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().expect("lock").insert(path.to_owned(), reply);
    }

    /// Requests so far, probes apart.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("lock").clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.shared.seen.lock().expect("lock").len()
    }

    pub(crate) fn release(&self, replies: usize) {
        self.shared.released.add_permits(replies);
    }

    /// Every connection is reset, the port refuses.
    pub(crate) async fn kill(&mut self) {
        self.running.shutdown().await;
    }
}

/// An origin and a balancer in front of it that caches what is below `/cached`.
pub(crate) async fn start() -> (Origin, Rig) {
    start_with("").await
}

/// With this in its configuration besides.
pub(crate) async fn start_with(more: &str) -> (Origin, Rig) {
    let origin = Origin::start().await;
    // Long enough for what is held back.
    let config = rig::config_at(&[origin.address]).replace("first_byte_ms = 2000", "first_byte_ms = 20000");
    let rig = Rig::start(&format!("{config}{more}")).await;
    (origin, rig)
}

/// Whether an answer came from the store.
pub(crate) fn hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("marquee; hit")
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_zero_linger().expect("linger");
        connections.spawn(serve(stream, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    // An error is how a connection ends here as often as not.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if parts.uri.path() == "/readyz" {
        return Ok(respond(&Reply::new("ready"), &shared, false));
    }
    let seen =
        Seen { method: parts.method.to_string(), path: parts.uri.to_string(), headers: parts.headers, body };
    let reply = shared.replies.lock().expect("lock").get(parts.uri.path()).cloned();
    let reply = reply.unwrap_or_else(|| Reply::new("nothing here").status(404));
    let confirms = reply.confirms(&seen);
    shared.seen.lock().expect("lock").push(seen);
    if reply.held {
        shared.released.acquire().await.expect("never closed").forget();
    }
    Ok(respond(&reply, &shared, confirms))
}

fn respond(
    reply: &Reply,
    shared: &Arc<Shared>,
    confirms: bool,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = Response::builder().status(if confirms { 304 } else { reply.status });
    for (name, value) in &reply.fields {
        response = response.header(*name, value);
    }
    let body = if confirms { Bytes::new() } else { Bytes::from(reply.body.clone()) };
    if !confirms && reply.status != 204 {
        response = response.header("content-length", body.len());
    }
    let first = reply.held_after.unwrap_or(body.len()).min(body.len());
    let (shared, waits) = (shared.clone(), reply.held_after.is_some() && !confirms);
    let pieces = stream::unfold(vec![body.slice(first..), body.slice(..first)], move |mut left| {
        let shared = shared.clone();
        async move {
            let piece = left.pop()?;
            if waits && left.is_empty() {
                shared.released.acquire().await.expect("never closed").forget();
            }
            Some((Ok(Frame::data(piece)), left))
        }
    });
    response.body(StreamBody::new(pieces).boxed_unsync()).expect("a response")
}
