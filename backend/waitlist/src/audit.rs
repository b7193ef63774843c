//! `/internal/entries/{id}/audit`: why somebody was, or was not, offered seats. For operators; the balancer never routes it.
//!
//! What is remembered is what each round decided ([`decisions`]). What it meant for one entry is worked out when somebody asks.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use domain::id::{EntryId, HoldId, SeatId};
use domain::plan::Plan;
use domain::queue::Waiter;
use domain::queue::audit::{Asker, Decision, PastOffer, Went, Why};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service::json::{Path, Query};

use crate::Waitlist;
use crate::entries::{self, EntryBody};
use crate::error::Error;
use crate::store::decisions::{self, Span};
use crate::store::entries::Audited;
use crate::store::{self, offers};
use crate::wish::InvalidWish;

/// Decisions in one answer, when nobody says how many.
const DECISIONS_DEFAULT: i64 = 50;
/// Decisions in one answer, at most.
const DECISIONS_MAX: i64 = 500;

pub(crate) fn routes() -> Router<Arc<Waitlist>> {
    Router::new().route("/internal/entries/{id}/audit", get(read))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only what was decided about this seat.
    seat: Option<String>,
    /// So many decisions, the last of them.
    limit: Option<i64>,
}

#[derive(Debug, Serialize)]
struct AuditBody {
    entry: EntryBody,
    ended_at: Option<Timestamp>,
    /// What was decided to be offered to them, the first first.
    offers: Vec<OfferBody>,
    /// What was decided about their line while they stood in it, the last first.
    decisions: Vec<DecisionBody>,
    /// There are older ones.
    more: bool,
    /// Older decisions are forgotten.
    audit_days: u32,
}

#[derive(Debug, Serialize)]
struct OfferBody {
    decided_at: Timestamp,
    seats: Vec<SeatId>,
    /// `decided`, `asked`: under way; `made`; `settled`: bought, given back or lapsed, as the entry says; `gone`: reservations no
    /// longer had the seats; `withdrawn`, `returning`, `returned`: its owner had left.
    status: String,
    hold_id: Option<HoldId>,
}

#[derive(Debug, Serialize)]
struct DecisionBody {
    at: Timestamp,
    /// What was free for the line.
    freed: Vec<SeatId>,
    given: Vec<GivenBody>,
    kept: Option<KeptBody>,
    /// What nobody could have.
    on_sale: Vec<SeatId>,
    /// What became of the seat that was asked for.
    seat: Option<SeatBody>,
    /// What it meant for this entry; null when the house is not known any more.
    why: Option<Why>,
    /// The same as a sentence.
    because: Option<String>,
}

#[derive(Debug, Serialize)]
struct GivenBody {
    entry_id: EntryId,
    came: Came,
    seats: Vec<SeatId>,
}

#[derive(Debug, Serialize)]
struct KeptBody {
    entry_id: EntryId,
    came: Came,
    seats: Vec<SeatId>,
    until: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(tag = "went", rename_all = "snake_case")]
enum SeatBody {
    Given { to: EntryId, came: Came },
    Kept { r#for: EntryId, came: Came },
    OnSale,
}

/// When somebody joined the line, compared with whom the audit is about.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Earlier,
    Themselves,
    Later,
}

impl Came {
    fn of(place: i64, mine: i64) -> Self {
        match place.cmp(&mine) {
            Ordering::Less => Self::Earlier,
            Ordering::Equal => Self::Themselves,
            Ordering::Greater => Self::Later,
        }
    }
}

async fn read(
    State(waitlist): State<Arc<Waitlist>>,
    Path(id): Path<String>,
    Query(query): Query<AuditQuery>,
) -> Result<axum::Json<AuditBody>, Error> {
    let id = EntryId::parse(id).map_err(|_| Error::EntryNotFound)?;
    let connection = waitlist.connection().await?;
    let audited = store::entries::audited(&connection, &id).await?.ok_or(Error::EntryNotFound)?;
    let plan = waitlist.houses.of(&connection, &audited.entry.show_id).await?;
    let seat = query.seat.map(|name| seat_of(plan.as_deref(), name)).transpose()?;
    let limit = query.limit.unwrap_or(DECISIONS_DEFAULT).clamp(1, DECISIONS_MAX);
    let span = Span { from: audited.entry.joined_at, until: audited.ended_at, seat: seat.as_ref(), limit };
    let decisions = decisions::of_show(&connection, &audited.entry.show_id, span).await?;
    let offers = offers::of_entry(&connection, &id).await?;
    let rest = Duration::from_secs(waitlist.config.gather_rest_seconds);
    let told = tell(&audited, &offers, &decisions, plan.as_deref(), rest);
    let body = |(decision, why): (&Decision, Option<Why>)| {
        decision_body(decision, audited.place, seat.as_ref(), why)
    };
    Ok(axum::Json(AuditBody {
        more: i64::try_from(decisions.len()).is_ok_and(|count| count == limit),
        decisions: std::iter::zip(&decisions, told).map(body).collect(),
        offers: offers.into_iter().map(OfferBody::from).collect(),
        ended_at: audited.ended_at,
        audit_days: waitlist.config.audit_days,
        entry: entries::as_now(&waitlist, &connection, audited.entry).await?,
    }))
}

/// A seat of the house, or of one that is not known any more.
fn seat_of(plan: Option<&Plan>, name: String) -> Result<SeatId, Error> {
    let unknown = |name: String| Error::Wish(InvalidWish::UnknownSeat(name));
    if plan.is_some_and(|plan| plan.number(&name).is_none()) {
        return Err(unknown(name));
    }
    SeatId::parse(name.clone()).map_err(|_| unknown(name))
}

/// What each decision meant for an entry, in the same order, the last first. How long it had gathered before is read from the
/// earlier ones.
fn tell(
    audited: &Audited,
    offers: &[offers::Audited],
    decisions: &[Decision],
    plan: Option<&Plan>,
    rest: Duration,
) -> Vec<Option<Why>> {
    let Some(plan) = plan else { return decisions.iter().map(|_| None).collect() };
    let past = offers.iter().filter_map(offers::Audited::past).collect::<Vec<PastOffer>>();
    let mut waiter = Waiter {
        entry_id: audited.entry.id.clone(),
        session_id: audited.session_id.clone(),
        wish: audited.entry.wish.clone(),
        gathers_until: None,
    };
    let mut told = Vec::with_capacity(decisions.len());
    for decision in decisions.iter().rev() {
        let asker = Asker { place: audited.place, waiter: waiter.clone(), offers: &past };
        told.push(Some(decision.why(plan, &asker, rest)));
        if let Some(kept) = decision.kept.as_ref().filter(|kept| kept.entry_id == waiter.entry_id) {
            waiter.gathers_until = Some(kept.until);
        }
    }
    told.reverse();
    told
}

fn decision_body(decision: &Decision, mine: i64, seat: Option<&SeatId>, why: Option<Why>) -> DecisionBody {
    let given = decision.given.iter().map(|given| GivenBody {
        entry_id: given.entry_id.clone(),
        came: Came::of(given.place, mine),
        seats: given.seats.clone(),
    });
    let kept = decision.kept.as_ref().map(|kept| KeptBody {
        entry_id: kept.entry_id.clone(),
        came: Came::of(kept.place, mine),
        seats: kept.seats.clone(),
        until: kept.until,
    });
    let went = |went| match went {
        Went::Given(given) => {
            SeatBody::Given { to: given.entry_id.clone(), came: Came::of(given.place, mine) }
        }
        Went::Kept(kept) => SeatBody::Kept { r#for: kept.entry_id.clone(), came: Came::of(kept.place, mine) },
        Went::OnSale => SeatBody::OnSale,
    };
    DecisionBody {
        at: decision.at,
        freed: decision.freed.clone(),
        given: given.collect(),
        kept,
        on_sale: decision.on_sale.clone(),
        seat: seat.and_then(|seat| decision.went(seat)).map(went),
        because: why.as_ref().map(ToString::to_string),
        why,
    }
}

impl From<offers::Audited> for OfferBody {
    fn from(offer: offers::Audited) -> Self {
        let offers::Audited { decided_at, seats, status, hold_id, .. } = offer;
        Self { decided_at, seats, status, hold_id }
    }
}
