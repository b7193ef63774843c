//! One active check: what is asked of an endpoint, and which answer passes.
//! It must not judge: what a check means is the endpoint's state machine.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::config::{Check, HttpCheck};

/// How much of an answer is searched for the expected text.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether the endpoint passes before the deadline, on a connection of its own.
pub(super) async fn passes(address: SocketAddr, check: &Check, deadline: Duration) -> bool {
    matches!(tokio::time::timeout(deadline, ask(address, check)).await, Ok(Some(true)))
}

async fn ask(address: SocketAddr, check: &Check) -> Option<bool> {
    let stream = TcpStream::connect(address).await.ok()?;
    match check {
        Check::Tcp => Some(true),
        Check::Http(check) => ask_http(stream, address, check).await,
    }
}

async fn ask_http(stream: TcpStream, address: SocketAddr, check: &HttpCheck) -> Option<bool> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(check.path.clone())
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    // Dropping the set ends the connection, also when the deadline drops this future.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    if !check.statuses.iter().any(|range| range.contains(&status)) {
        return Some(false);
    }
    match &check.body {
        None => Some(true),
        Some(expected) => says(response, expected.as_bytes()).await,
    }
}

/// Whether the expected text is in the answer's beginning.
async fn says(response: Response<Incoming>, expected: &[u8]) -> Option<bool> {
    let (mut body, mut read) = (response.into_body(), Vec::new());
    while read.len() < BODY_BYTES_MAX
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame.ok()?.into_data() {
            read.extend_from_slice(&data);
        }
    }
    read.truncate(BODY_BYTES_MAX);
    Some(read.windows(expected.len()).any(|part| part == expected))
}
