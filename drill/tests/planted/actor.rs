//! A buyer who writes down everything: what they ask for, what they are told, what their socket shows.

mod socket;

use domain::id::{BookingId, EntryId, HoldId, SeatId, ShowId};
use drill::buyer::{Buyer, Reply};
use drill::history::{Call, Effect, OpId, Recorder, Sight, What};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use socket::Socket;

/// One buyer.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    number: u32,
    buyer: Buyer,
    recorder: Recorder,
    show: ShowId,
}

#[derive(Deserialize)]
struct HoldBody {
    id: HoldId,
    seats: Vec<SeatId>,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct BookingBody {
    id: BookingId,
    hold_id: HoldId,
    seats: Vec<SeatId>,
}

#[derive(Deserialize)]
struct EntryBody {
    id: EntryId,
    status: String,
    position: Option<u64>,
}

#[derive(Default, Deserialize)]
struct ProblemBody {
    #[serde(default)]
    code: String,
    #[serde(default)]
    unavailable: Vec<SeatId>,
}

impl Actor {
    pub(crate) fn new(number: u32, url: &str, recorder: &Recorder, show: &ShowId) -> Self {
        let buyer = Buyer::new(url).expect("the fleet's address is one");
        Self { number, buyer, recorder: recorder.clone(), show: show.clone() }
    }

    /// Holds seats under a key.
    pub(crate) async fn hold(&self, seats: &[SeatId], key: &str) -> Option<HoldId> {
        let (show, party) = (self.show.clone(), seats.len());
        let call = Call::Hold { show, seats: seats.to_vec(), party, key: key.to_owned() };
        let path = format!("/api/shows/{}/holds", self.show);
        let body = json!({ "seats": seats });
        let effect = self.ask(call, Method::POST, &path, Some((key, &body)), hold_effect).await?;
        if let Effect::Hold { hold, .. } = effect { Some(hold) } else { None }
    }

    /// Asks for more time for a hold.
    pub(crate) async fn extend(&self, hold: &HoldId) {
        let path = format!("/api/holds/{hold}/extend");
        self.ask(Call::Extend { hold: hold.clone() }, Method::POST, &path, None, hold_effect).await;
    }

    /// Confirms a hold under a key.
    pub(crate) async fn confirm(&self, hold: &HoldId, key: &str, token: &str) -> Option<BookingId> {
        let call = Call::Confirm { hold: hold.clone(), key: key.to_owned(), token: token.to_owned() };
        let path = format!("/api/holds/{hold}/confirm");
        let body = json!({ "email": "buyer@marquee.example", "payment": { "token": token } });
        let effect = self.ask(call, Method::POST, &path, Some((key, &body)), booking_effect).await?;
        if let Effect::Booking { booking, .. } = effect { Some(booking) } else { None }
    }

    /// Gives a hold back.
    pub(crate) async fn release(&self, hold: &HoldId) {
        let call = Call::Release { hold: hold.clone() };
        self.ask(call, Method::DELETE, &format!("/api/holds/{hold}"), None, |_| Some(Effect::Nothing)).await;
    }

    /// Takes a booking back.
    pub(crate) async fn cancel(&self, booking: &BookingId) {
        let call = Call::Cancel { booking: booking.clone() };
        self.ask(call, Method::DELETE, &format!("/api/bookings/{booking}"), None, |_| Some(Effect::Nothing))
            .await;
    }

    /// Stands in line for one of these seats.
    pub(crate) async fn join(&self, seats: &[SeatId], key: &str) -> Option<EntryId> {
        let call = Call::Join {
            show: self.show.clone(),
            party: 1,
            seats: seats.to_vec(),
            together: false,
            wheelchair: false,
            key: key.to_owned(),
        };
        let path = format!("/api/shows/{}/waitlist", self.show);
        let body = json!({ "party": 1, "seats": seats });
        let effect = self.ask(call, Method::POST, &path, Some((key, &body)), entry_effect).await?;
        if let Effect::Entry { entry, .. } = effect { Some(entry) } else { None }
    }

    /// Leaves the line.
    pub(crate) async fn leave(&self, entry: &EntryId) {
        let call = Call::Leave { entry: entry.clone() };
        self.ask(call, Method::DELETE, &format!("/api/waitlist/{entry}"), None, |_| Some(Effect::Nothing))
            .await;
    }

    /// Looks at all seats.
    pub(crate) async fn look(&self) {
        #[derive(Deserialize)]
        struct Shown {
            version: u64,
            seats: domain::live::Seats,
        }
        let path = format!("/api/shows/{}/seats", self.show);
        let reply = self.buyer.fetch(Method::GET, &path, &[], None).await;
        if let Some(Shown { version, seats }) = reply.ok().as_ref().and_then(read) {
            let sight = Sight::Picture { show: self.show.clone(), version, seats };
            self.recorder.record(What::Saw { buyer: self.number, socket: self.recorder.socket(), sight });
        }
    }

    /// Opens a socket that writes down what it shows until it is dropped.
    pub(crate) async fn watch(&self) -> Socket {
        // The session's cookie comes with the first answer.
        self.look().await;
        let live = self.buyer.live(Some(self.show.as_str())).await.expect("a live socket");
        Socket::follow(live, self).await
    }

    async fn ask(
        &self,
        call: Call,
        method: Method,
        path: &str,
        keyed: Option<(&str, &Value)>,
        effect: impl Fn(&Reply) -> Option<Effect>,
    ) -> Option<Effect> {
        let op = self.recorder.invoke(self.number, call);
        let headers: Vec<_> = keyed.iter().map(|(key, _)| ("idempotency-key", *key)).collect();
        let reply = self.buyer.fetch(method, path, &headers, keyed.map(|(_, body)| body)).await;
        let end = match &reply {
            Ok(reply) => answered(op, reply, effect(reply)),
            Err(error) => {
                What::Info { op, status: None, retry_after: false, why: error.root_cause().to_string() }
            }
        };
        self.recorder.record(end.clone());
        if let What::Ok { effect, .. } = end { Some(effect) } else { None }
    }
}

fn answered(op: OpId, reply: &Reply, effect: Option<Effect>) -> What {
    let status = reply.status.as_u16();
    let retry_after = reply.headers.contains_key("retry-after");
    let ProblemBody { code, unavailable } = read(reply).unwrap_or_default();
    match (status, effect) {
        (200..300, Some(effect)) => What::Ok { op, status, effect },
        (400..500, _) => What::Fail { op, status, code, retry_after, lost: unavailable },
        _ => What::Info { op, status: Some(status), retry_after, why: code },
    }
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    serde_json::from_str(&reply.text).ok()
}

fn hold_effect(reply: &Reply) -> Option<Effect> {
    let HoldBody { id: hold, seats, expires_at } = read(reply)?;
    Some(Effect::Hold { hold, seats, expires_at_ns: epoch_ns(expires_at) })
}

fn booking_effect(reply: &Reply) -> Option<Effect> {
    let BookingBody { id: booking, hold_id: hold, seats } = read(reply)?;
    Some(Effect::Booking { booking, hold, seats, body: reply.text.clone() })
}

fn entry_effect(reply: &Reply) -> Option<Effect> {
    let EntryBody { id: entry, status, position } = read(reply)?;
    Some(Effect::Entry { entry, status, position })
}

fn epoch_ns(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).expect("no deadline is before the epoch")
}
