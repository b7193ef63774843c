//! For tests: a server that answers as it is told, and a sale of one show on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::id::{SeatId, ShowId};
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::plan::Plan;
use super::program::{Program, Show};
use super::sale::Sale;
use crate::history::{Recorder, What};

/// Long enough for whatever must come, never waited for when it does.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Does {
    /// Answers with a status, more header lines and a body.
    Answers(u16, &'static str, &'static str),
    /// Closes the connection.
    Breaks,
    /// Never answers.
    Waits,
}

/// A server with a script.
pub(super) struct StandIn {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    /// Follows its script, one request after the other.
    pub(super) async fn start(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        tokio::spawn(follow(listener, script, Arc::clone(&asked)));
        Self { url, asked }
    }

    /// The heads of all requests so far, in lower case.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Each request has a connection of its own.
async fn follow(listener: TcpListener, script: Vec<Does>, asked: Arc<Mutex<Vec<String>>>) {
    let mut waiting = Vec::new();
    for does in script {
        let (mut connection, _) = listener.accept().await.unwrap();
        let head = read_request(&mut connection).await;
        asked.lock().unwrap().push(head);
        match does {
            Does::Answers(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
                );
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
            Does::Breaks => {}
            Does::Waits => waiting.push(connection),
        }
    }
    std::future::pending::<()>().await;
}

/// The head; the body is read, so that closing does not reset the connection.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let count = connection.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the client went away in the middle of {read:?}");
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return head.to_owned();
            }
        }
    }
}

/// Asks until it is true.
pub(super) async fn until(what: &str, mut true_now: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !true_now().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The one show.
pub(super) fn show() -> ShowId {
    ShowId::parse("show").unwrap()
}

/// A seat.
pub(super) fn seat(name: &str) -> SeatId {
    SeatId::parse(name).unwrap()
}

/// A sale of one show with one row of ten seats.
pub(super) fn sale(url: &str, plan: Plan) -> Arc<Sale> {
    let place = |x: u16| Seat { id: seat(&format!("A{}", x + 1)), x, y: 0, kind: SeatKind::Standard };
    let row = Row { label: "A".to_owned(), seats: (0..10).map(place).collect() };
    let show = Show { id: show(), movie: "movie".to_owned(), map: SeatMap { rows: vec![row] } };
    Arc::new(Sale::of(url, &plan, &Recorder::new(), Program { shows: vec![show] }))
}

/// Everything that was written down.
pub(super) fn records(sale: &Sale) -> Vec<What> {
    sale.recorder.history().records.into_iter().map(|record| record.what).collect()
}
