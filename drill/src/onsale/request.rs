//! The requests of a buyer, and what their answers come to.

use domain::id::{BookingId, EntryId, HoldId, SeatId, ShowId};
use domain::status::SeatStatus;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::buyer::Reply;
use crate::history::{Call, Effect, Step};

/// Where tickets go.
const EMAIL: &str = "buyer@marquee.example";

/// One request. Sent again it is the same, key included.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) key: Option<String>,
    pub(super) body: Option<Value>,
    /// As the history has it.
    pub(super) call: Call,
    /// Of which show it turns seats into what, when it is done. Nothing for a repetition: the first may have done it.
    pub(super) turns: Option<(ShowId, SeatStatus)>,
}

/// Which seats somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// These.
    Seats(Vec<SeatId>),
    /// The best for so many.
    Best(usize),
    /// The same with room for a wheelchair.
    Accessible(usize),
}

/// What somebody waits for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) party: usize,
    /// Beside each other.
    pub(super) together: bool,
    /// With room for a wheelchair.
    pub(super) wheelchair: bool,
    /// These only; any when there are none.
    pub(super) seats: Vec<SeatId>,
}

impl Request {
    /// One that changes nothing.
    pub(super) fn read(step: Step, path: String) -> Self {
        Self { method: Method::GET, path, key: None, body: None, call: Call::Read { step }, turns: None }
    }

    /// A hold.
    pub(super) fn hold(show: &ShowId, wish: Wish, key: String) -> Self {
        let body = match &wish {
            Wish::Seats(seats) => json!({ "seats": seats }),
            Wish::Best(party) => json!({ "best": party }),
            Wish::Accessible(party) => json!({ "best": party, "accessible": true }),
        };
        let (seats, party) = match wish {
            Wish::Seats(seats) => (seats.clone(), seats.len()),
            Wish::Best(party) | Wish::Accessible(party) => (Vec::new(), party),
        };
        let call = Call::Hold { show: show.clone(), seats, party, key: key.clone() };
        let turns = Some((show.clone(), SeatStatus::Held));
        Self { turns, ..Self::post(format!("/api/shows/{show}/holds"), key, body, call) }
    }

    /// More time for a hold. There is one extension, so the hold is the key.
    pub(super) fn extend(hold: &HoldId) -> Self {
        let (path, call) = (format!("/api/holds/{hold}/extend"), Call::Extend { hold: hold.clone() });
        Self {
            method: Method::POST,
            path,
            key: Some(format!("extend-{hold}")),
            body: None,
            call,
            turns: None,
        }
    }

    /// A confirmation.
    pub(super) fn confirm(show: &ShowId, hold: &HoldId, token: &str, key: String) -> Self {
        let body = json!({ "email": EMAIL, "payment": { "token": token } });
        let call = Call::Confirm { hold: hold.clone(), key: key.clone(), token: token.to_owned() };
        let turns = Some((show.clone(), SeatStatus::Booked));
        Self { turns, ..Self::post(format!("/api/holds/{hold}/confirm"), key, body, call) }
    }

    /// A place in line.
    pub(super) fn join(show: &ShowId, wanted: Wanted, key: String) -> Self {
        let Wanted { party, together, wheelchair, seats } = wanted;
        let mut body = json!({ "party": party });
        if together {
            body["together"] = json!(true);
        }
        if wheelchair {
            body["kind"] = json!("wheelchair");
        }
        if !seats.is_empty() {
            body["seats"] = json!(seats);
        }
        let call = Call::Join { show: show.clone(), party, seats, together, wheelchair, key: key.clone() };
        Self::post(format!("/api/shows/{show}/waitlist"), key, body, call)
    }

    /// A hold given back.
    pub(super) fn release(hold: &HoldId) -> Self {
        Self::delete(format!("/api/holds/{hold}"), Call::Release { hold: hold.clone() })
    }

    /// A booking taken back.
    pub(super) fn cancel(booking: &BookingId) -> Self {
        Self::delete(format!("/api/bookings/{booking}"), Call::Cancel { booking: booking.clone() })
    }

    /// A place in line given up.
    pub(super) fn leave(entry: &EntryId) -> Self {
        Self::delete(format!("/api/waitlist/{entry}"), Call::Leave { entry: entry.clone() })
    }

    /// The same once more.
    pub(super) fn again(&self) -> Self {
        Self { turns: None, ..self.clone() }
    }

    fn post(path: String, key: String, body: Value, call: Call) -> Self {
        Self { method: Method::POST, path, key: Some(key), body: Some(body), call, turns: None }
    }

    fn delete(path: String, call: Call) -> Self {
        Self { method: Method::DELETE, path, key: None, body: None, call, turns: None }
    }

    /// What a good answer to this came to; nothing when it does not say what it must.
    pub(super) fn effect(&self, reply: &Reply) -> Option<Effect> {
        match &self.call {
            Call::Hold { .. } | Call::Extend { .. } => parse::<HoldBody>(reply).map(HoldBody::effect),
            Call::Confirm { .. } => parse::<BookingBody>(reply).map(|body| body.effect(reply.text.clone())),
            Call::Join { .. } | Call::Read { step: Step::Entry } => {
                parse::<EntryBody>(reply).map(EntryBody::effect)
            }
            Call::Read { .. } | Call::Release { .. } | Call::Cancel { .. } | Call::Leave { .. } => {
                Some(Effect::Nothing)
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct HoldBody {
    id: HoldId,
    seats: Vec<SeatId>,
    expires_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct BookingBody {
    id: BookingId,
    hold_id: HoldId,
    seats: Vec<SeatId>,
}

/// A place in line.
#[derive(Debug, Deserialize)]
pub(super) struct EntryBody {
    pub(super) id: EntryId,
    pub(super) status: String,
    position: Option<u64>,
    /// What is offered, while it is.
    pub(super) offer: Option<OfferBody>,
}

/// A hold in somebody's name.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OfferBody {
    pub(super) hold_id: HoldId,
    pub(super) expires_at: Timestamp,
}

impl HoldBody {
    fn effect(self) -> Effect {
        Effect::Hold { hold: self.id, seats: self.seats, expires_at_ns: epoch_ns(self.expires_at) }
    }
}

impl BookingBody {
    fn effect(self, body: String) -> Effect {
        Effect::Booking { booking: self.id, hold: self.hold_id, seats: self.seats, body }
    }
}

impl EntryBody {
    fn effect(self) -> Effect {
        Effect::Entry { entry: self.id, status: self.status, position: self.position }
    }
}

/// A body of a known form.
pub(super) fn parse<'text, T: Deserialize<'text>>(reply: &'text Reply) -> Option<T> {
    serde_json::from_str(&reply.text).ok()
}

/// Nanoseconds since the epoch.
pub(super) fn epoch_ns(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}

/// What a problem says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    /// The stable word.
    #[serde(default)]
    pub(super) code: String,
    /// The seats that are gone.
    #[serde(default)]
    pub(super) unavailable: Vec<SeatId>,
    /// As many seats elsewhere.
    #[serde(default)]
    pub(super) alternatives: Vec<Vec<SeatId>>,
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn show() -> ShowId {
        ShowId::parse("show").unwrap()
    }

    fn seat(name: &str) -> SeatId {
        SeatId::parse(name).unwrap()
    }

    fn key() -> String {
        "key".to_owned()
    }

    fn effect(request: &Request, body: &Value) -> Option<Effect> {
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), text: body.to_string() };
        request.effect(&reply)
    }

    #[test]
    fn what_is_sent_is_what_is_written_down() {
        let named = Request::hold(&show(), Wish::Seats(vec![seat("A1"), seat("A2")]), key());
        assert_eq!(named.body, Some(json!({ "seats": ["A1", "A2"] })));
        let seats = vec![seat("A1"), seat("A2")];
        assert_eq!(named.call, Call::Hold { show: show(), seats, party: 2, key: key() });
        let best = Request::hold(&show(), Wish::Best(3), key());
        assert_eq!(best.body, Some(json!({ "best": 3 })));
        assert_eq!(best.call, Call::Hold { show: show(), seats: vec![], party: 3, key: key() });
        assert_eq!(named.again().body, named.body);
        assert_eq!((named.again().key, named.again().turns), (Some(key()), None));
        let more = Request::extend(&HoldId::parse("hold").unwrap());
        assert_eq!(
            (more.path.as_str(), more.key.as_deref()),
            ("/api/holds/hold/extend", Some("extend-hold"))
        );
        for request in [named, best] {
            assert_eq!((request.path.as_str(), request.key), ("/api/shows/show/holds", Some(key())));
        }
        let accessible = Request::hold(&show(), Wish::Accessible(2), key());
        assert_eq!(accessible.body, Some(json!({ "best": 2, "accessible": true })));
        let join = |wanted| Request::join(&show(), Wanted { party: 2, ..wanted }, key()).body;
        assert_eq!(join(Wanted::default()), Some(json!({ "party": 2 })));
        let beside = Wanted { together: true, ..Wanted::default() };
        assert_eq!(join(beside), Some(json!({ "party": 2, "together": true })));
        let wheelchair = Wanted { wheelchair: true, ..Wanted::default() };
        assert_eq!(join(wheelchair), Some(json!({ "party": 2, "kind": "wheelchair" })));
        let picky = Wanted { seats: vec![seat("A1"), seat("A2")], ..Wanted::default() };
        assert_eq!(join(picky), Some(json!({ "party": 2, "seats": ["A1", "A2"] })));
        let hold = HoldId::parse("hold").unwrap();
        let confirm = Request::confirm(&show(), &hold, "declined", key());
        assert_eq!(confirm.path, "/api/holds/hold/confirm");
        assert_eq!(confirm.body.unwrap()["payment"], json!({ "token": "declined" }));
    }

    #[test]
    fn an_answer_comes_to_what_it_says() {
        let wanted = Request::hold(&show(), Wish::Best(1), key());
        let body = json!({ "id": "hold", "seats": ["A1"], "expires_at": "1970-01-01T00:00:01.5Z" });
        let held = Effect::Hold {
            hold: HoldId::parse("hold").unwrap(),
            seats: vec![seat("A1")],
            expires_at_ns: 1_500_000_000,
        };
        assert_eq!(effect(&wanted, &body), Some(held.clone()));
        assert_eq!(effect(&Request::extend(&HoldId::parse("hold").unwrap()), &body), Some(held));
        assert_eq!(effect(&wanted, &json!({ "id": "hold" })), None, "a hold without seats is none");
        let read = Request::read(Step::Page, "/".to_owned());
        assert_eq!(effect(&read, &json!("a page")), Some(Effect::Nothing));
        let look = Request::read(Step::Entry, "/api/waitlist/entry".to_owned());
        let body = json!({ "id": "entry", "status": "waiting", "position": 7, "offer": null });
        let entry = EntryId::parse("entry").unwrap();
        let waiting = Effect::Entry { entry, status: "waiting".to_owned(), position: Some(7) };
        assert_eq!(effect(&look, &body), Some(waiting));
    }
}
