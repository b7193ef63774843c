//! The one place that calls reservations. Every call is idempotent, so each instance is tried until one answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::id::{EscrowId, HoldId, SeatId, ShowId};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{request_id, traceparent, traces};

use crate::config::Config;
use crate::store::offers::{Part, Pending};
use crate::store::shows::Flag;

/// Idle connections kept to each instance.
const IDLE_MAX: usize = 16;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No instance answered.
    #[error("reservations is away: {0}")]
    Away(String),
    /// An instance answered something that was not agreed.
    #[error("reservations answered {status} `{code}`")]
    Unexpected {
        /// The HTTP status.
        status: StatusCode,
        /// The problem's stable word.
        code: String,
    },
}

/// What became of an offer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Placed {
    /// The hold in the waiter's name.
    pub(crate) hold_id: HoldId,
    /// Its deadline.
    pub(crate) expires_at: Timestamp,
}

/// What became of a hold that was to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// It is over.
    Released,
    /// Its owner was faster.
    AlreadyBooked,
}

#[derive(Serialize)]
struct OfferBody<'a> {
    entry_id: &'a str,
    session_id: &'a str,
    seats: &'a [SeatId],
    seconds: u32,
}

#[derive(Serialize)]
struct GatheredBody<'a> {
    entry_id: &'a str,
    session_id: &'a str,
    from: Vec<PartBody<'a>>,
    seconds: u32,
}

#[derive(Serialize)]
struct PartBody<'a> {
    escrow_id: &'a EscrowId,
    seats: &'a [SeatId],
}

fn bodies(parts: &[Part]) -> Vec<PartBody<'_>> {
    parts.iter().map(|part| PartBody { escrow_id: &part.escrow_id, seats: &part.seats }).collect()
}

/// A client of all instances.
#[derive(Debug)]
pub(crate) struct ReservationsClient {
    http: reqwest::Client,
    endpoints: Vec<String>,
    /// The one that answered last.
    preferred: AtomicUsize,
}

impl ReservationsClient {
    /// Prepares the client; it connects when first used.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_millis(config.reservations_connect_timeout_ms))
            .timeout(Duration::from_millis(config.reservations_timeout_ms))
            .pool_max_idle_per_host(IDLE_MAX)
            .build()?;
        let endpoints =
            config.reservations.iter().map(|base| base.trim_end_matches('/').to_owned()).collect();
        Ok(Self { http, endpoints, preferred: AtomicUsize::new(0) })
    }

    /// Says whether seats that come free shall be kept for the line.
    pub(crate) async fn set_queue(&self, flag: &Flag) -> Result<(), Error> {
        let path = format!("/internal/shows/{}/queue", flag.show_id);
        let body = json!({ "open": flag.open, "revision": flag.revision });
        let answer = self.call(Method::PUT, &path, Some(&body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.unexpected()) }
    }

    /// Places a hold for somebody out of escrow. Nothing when the seats are not there.
    pub(crate) async fn offer(
        &self,
        show_id: &ShowId,
        offer: &Pending,
        seconds: u32,
    ) -> Result<Option<Placed>, Error> {
        let (entry_id, session_id) = (offer.entry_id.as_str(), offer.session_id.as_str());
        let escrow_id = offer.escrow_id();
        let answer = if let [Part { escrow_id, seats }] = offer.parts.as_slice() {
            // The call that older instances know, too; the same offer is the same hold by either.
            let body = json!(OfferBody { entry_id, session_id, seats, seconds });
            self.call(Method::POST, &format!("/internal/escrows/{escrow_id}/offers"), Some(&body)).await?
        } else {
            let body = json!(GatheredBody { entry_id, session_id, from: bodies(&offer.parts), seconds });
            self.call(Method::POST, &format!("/internal/shows/{show_id}/offers"), Some(&body)).await?
        };
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => {
                let unreadable = |_| answer.unexpected();
                serde_json::from_value(answer.body.clone()).map(Some).map_err(unreadable)
            }
            StatusCode::GONE => Ok(None),
            // Refused for good: whoever kept asking would keep the waiter from every other seat.
            status if status.is_client_error() => {
                let error = answer.unexpected();
                tracing::error!(%escrow_id, entry_id, %error, "an offer is refused");
                Ok(None)
            }
            _ => Err(answer.unexpected()),
        }
    }

    /// Puts seats in escrow on open sale.
    pub(crate) async fn release(&self, show_id: &ShowId, parts: &[Part]) -> Result<(), Error> {
        let body = json!({ "from": bodies(parts) });
        let path = format!("/internal/shows/{show_id}/escrows/release");
        let answer = self.call(Method::POST, &path, Some(&body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.unexpected()) }
    }

    /// Has escrows kept for so many seconds from now on, as far as reservations keeps any.
    pub(crate) async fn keep(
        &self,
        show_id: &ShowId,
        escrow_ids: &[EscrowId],
        seconds: u64,
    ) -> Result<(), Error> {
        let body = json!({ "escrow_ids": escrow_ids, "seconds": seconds });
        let path = format!("/internal/shows/{show_id}/escrows/keep");
        let answer = self.call(Method::POST, &path, Some(&body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(answer.unexpected()) }
    }

    /// Gives a hold back that its owner does not want.
    pub(crate) async fn give_back(&self, hold_id: &HoldId) -> Result<GivenBack, Error> {
        let answer = self.call(Method::DELETE, &format!("/internal/holds/{hold_id}"), None).await?;
        match answer.status {
            StatusCode::CONFLICT if answer.code() == "already_booked" => Ok(GivenBack::AlreadyBooked),
            // Unknown or lapsed: nobody has it any more.
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(GivenBack::Released),
            status if status.is_success() => Ok(GivenBack::Released),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks each instance in turn, the one that answered last first.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Error> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut trouble = String::new();
        for step in 0..self.endpoints.len() {
            let at = (first + step) % self.endpoints.len();
            let url = format!("{}{path}", self.endpoints[at]);
            match self.ask(method.clone(), &url, body).await {
                Ok(answer) if !answer.passing() => {
                    self.preferred.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(answer) => trouble = format!("{url} answered {}", answer.status),
                Err(error) => trouble = format!("{:#}", anyhow::Error::from(error)),
            }
        }
        Err(Error::Away(trouble))
    }

    async fn ask(&self, method: Method, url: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        let mut asking = self.http.request(method, url);
        let id = request_id::id();
        if !id.is_empty() {
            asking = asking.header(request_id::HEADER, id);
        }
        if let Some(trace) = traces::current() {
            asking = asking.header(traceparent::HEADER, trace);
        }
        if let Some(body) = body {
            asking = asking.json(body);
        }
        let response = asking.send().await?;
        let status = response.status();
        let text = response.bytes().await?;
        Ok(Answer { status, body: serde_json::from_slice(&text).unwrap_or_default() })
    }
}

struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    /// Another instance, or the same one later, may answer better: it may be an older one, which does not know the call.
    fn passing(&self) -> bool {
        let unknown_call = self.status == StatusCode::NOT_FOUND && self.code() == "not_found";
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS || unknown_call
    }

    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn unexpected(&self) -> Error {
        Error::Unexpected { status: self.status, code: self.code().to_owned() }
    }
}
