//! What is decided about the seats that are free for a line: under its lock, and written down before anybody hears of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use deadpool_postgres::Transaction;
use domain::id::{EscrowId, SeatId, ShowId};
use domain::money::Money;
use domain::plan::Plan as Places;
use domain::queue::audit::{Decision, Given, Kept};
use domain::queue::{Assignment, Freed, Gathering, House, Round, Terms};
use domain::seat_map::SeatKind;
use jiff::Timestamp;
use service::postgres;

use crate::Waitlist;
use crate::store::decisions;
use crate::store::entries;
use crate::store::escrows::{self, Noted};
use crate::store::lines::{self, Reach};
use crate::store::offers::{self, Part, Pending};
use crate::store::published::{self, Escrow};
use crate::store::shows;

/// Waiters looked at in the first read of a line, which is mostly enough, and in each further one.
const FIRST_PAGE: usize = 32;
const PAGE: usize = 500;
/// What is not given away so long before the end of its escrow is kept for nobody.
const SLACK: Duration = Duration::from_secs(3);
/// When somebody looks again at what could not be said to reservations.
const RETRY: Duration = Duration::from_secs(1);

/// What to do next about a show's seats.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ask reservations for these.
    pub(super) offers: Vec<Pending>,
    /// So many escrows were not known before.
    pub(super) fresh: u64,
    /// Put these on open sale.
    pub(super) releases: Vec<Part>,
    /// Keep these escrows for so many seconds.
    pub(super) keeps: Option<(Vec<EscrowId>, u64)>,
    /// When somebody looks again should none of it succeed, and when it has.
    pub(super) retry_at: Option<Timestamp>,
    /// See `retry_at`.
    pub(super) look_at: Option<Timestamp>,
}

/// Decides, in a transaction of its own.
pub(super) async fn decide(waitlist: &Waitlist, show_id: &ShowId) -> Result<Plan, postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let places = waitlist.houses.of(&connection, show_id).await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, show_id).await?;
    let mut plan = look(waitlist, &transaction, show_id, places.as_deref()).await?;
    let busy = !(plan.offers.is_empty() && plan.releases.is_empty() && plan.keeps.is_none());
    plan.retry_at = if busy { plan.retry_at } else { None };
    shows::look_at(&transaction, show_id, plan.retry_at.or(plan.look_at)).await?;
    transaction.commit().await?;
    Ok(plan)
}

async fn look(
    waitlist: &Waitlist,
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    places: Option<&Places>,
) -> Result<Plan, postgres::Error> {
    let asker = super::asker(waitlist);
    let mut pool = SeatPool::of(transaction, show_id, terms(waitlist)).await?;
    let retry_at = Some(pool.now + RETRY);
    // Who was chosen for seats that have lapsed meanwhile stands in line again as soon as reservations has said so. Until then
    // nobody behind them is chosen.
    if offers::any_overdue(transaction, show_id).await? {
        let offers = offers::pending(transaction, show_id, asker).await?;
        return Ok(Plan { offers, fresh: pool.fresh, retry_at, look_at: retry_at, ..Plan::default() });
    }
    let freed: Vec<_> = pool.free.keys().cloned().collect();
    let dealt = match (places, published::show(transaction, show_id).await?) {
        (Some(places), Some(show)) => {
            let house = House { plan: places, price: &show.price };
            pool.give_away(transaction, show_id, house, terms(waitlist)).await?
        }
        // Off the program: there is nothing to wait for.
        _ => Dealt::default(),
    };
    let kept = dealt.gathering.as_ref().map_or(&[][..], |(_, gathering)| &gathering.seats);
    let on_sale = pool.release_all_but(transaction, kept).await?;
    let gathering = dealt.gathering.as_ref().map(|(_, gathering)| gathering.clone());
    if !freed.is_empty() {
        decisions::record(transaction, show_id, &pool.remembered(freed, dealt, on_sale)).await?;
    }
    Ok(Plan {
        offers: offers::pending(transaction, show_id, asker).await?,
        fresh: pool.fresh,
        releases: pool.releases(),
        keeps: gathering.as_ref().and_then(|gathering| pool.keeps(gathering)),
        retry_at,
        look_at: gathering.map(|gathering| gathering.look_at),
    })
}

fn terms(waitlist: &Waitlist) -> Terms {
    Terms {
        gather: Duration::from_secs(waitlist.config.gather_seconds),
        rest: Duration::from_secs(waitlist.config.gather_rest_seconds),
    }
}

/// Who is given what, and for whom what is kept; the latter's place in line.
#[derive(Default)]
struct Dealt {
    /// None when nobody was asked.
    price: Option<Money>,
    given: Vec<Given>,
    gathering: Option<(i64, Gathering)>,
}

/// The seats of a show that are in escrow, and what is decided about them.
struct SeatPool {
    now: Timestamp,
    open: Vec<Escrow>,
    /// So many of them were not known before.
    fresh: u64,
    /// Given to nobody, and not to go on sale.
    free: BTreeMap<SeatId, (EscrowId, Freed)>,
    /// To go on sale, by escrow.
    released: HashMap<EscrowId, Vec<SeatId>>,
}

impl SeatPool {
    async fn of(
        transaction: &Transaction<'_>,
        show_id: &ShowId,
        terms: Terms,
    ) -> Result<Self, postgres::Error> {
        let (open, now) = published::open_escrows(transaction, show_id).await?;
        if open.is_empty() {
            return Ok(Self { now, open, fresh: 0, free: BTreeMap::new(), released: HashMap::new() });
        }
        let Noted { mut released, fresh } = escrows::note(transaction, show_id, &open).await?;
        let ids: Vec<_> = open.iter().map(|escrow| escrow.id.as_str()).collect();
        let used = offers::used_seats(transaction, &ids).await?;
        let mut free = BTreeMap::new();
        for escrow in &open {
            let keep_until = (escrow.created_at + terms.gather).min(escrow.bound_at - SLACK);
            for seat in &escrow.seats {
                let gone = |seat: &SeatId| released.get(&escrow.id).is_some_and(|gone| gone.contains(seat));
                let taken = used.iter().any(|used| used.escrow_id == escrow.id && used.seat == *seat);
                if !taken && !gone(seat) {
                    free.insert(seat.clone(), (escrow.id.clone(), Freed { seat: seat.clone(), keep_until }));
                }
            }
        }
        // What reservations would not give to somebody is given to nobody.
        for used in used.into_iter().filter(|used| used.gone) {
            released.entry(used.escrow_id).or_default().push(used.seat);
        }
        Ok(Self { now, open, fresh, free, released })
    }

    /// Through the line, and writes down who is offered what. Page by page gives the same as all at once, because the rule goes
    /// through the line from its front.
    async fn give_away(
        &mut self,
        transaction: &Transaction<'_>,
        show_id: &ShowId,
        house: House<'_>,
        terms: Terms,
    ) -> Result<Dealt, postgres::Error> {
        let freed: Vec<_> = self.free.values().map(|(_, freed)| freed.clone()).collect();
        let mut round = Round::new(house, &freed, self.now, terms);
        let (mut behind, mut size) = (i64::MIN, FIRST_PAGE);
        let (mut given, mut gatherer) = (Vec::new(), None);
        while round.room() > 0 {
            let page = self.page(transaction, show_id, house, (&round, behind, size)).await?;
            for (seq, waiter) in &page {
                behind = *seq;
                if let Some(assignment) = round.ask(waiter) {
                    self.write(transaction, &assignment).await?;
                    let Assignment { entry_id, seats } = assignment;
                    given.push(Given { place: *seq, entry_id, seats });
                } else if gatherer.is_none() && round.gathers() {
                    gatherer = Some(*seq);
                }
            }
            if page.len() < size {
                break;
            }
            size = PAGE;
        }
        let gathering = round.finish().gathering;
        if let Some(gathering) = &gathering {
            entries::gather(transaction, &gathering.entry_id, gathering.until).await?;
        }
        Ok(Dealt { price: Some(house.price.clone()), given, gathering: gatherer.zip(gathering) })
    }

    /// What is remembered of it all.
    fn remembered(&self, freed: Vec<SeatId>, dealt: Dealt, on_sale: Vec<SeatId>) -> Decision {
        let kept = |(place, gathering): (i64, Gathering)| {
            let Gathering { entry_id, until, seats, .. } = gathering;
            Kept { place, entry_id, seats, until }
        };
        Decision {
            at: self.now,
            freed,
            escrow_ids: self.open.iter().map(|escrow| escrow.id.clone()).collect(),
            price: dealt.price,
            given: dealt.given,
            kept: dealt.gathering.map(kept),
            on_sale,
        }
    }

    async fn page(
        &self,
        transaction: &Transaction<'_>,
        show_id: &ShowId,
        house: House<'_>,
        (round, behind, size): (&Round<'_>, i64, usize),
    ) -> Result<Vec<(i64, domain::queue::Waiter)>, postgres::Error> {
        let escrow_ids: Vec<_> = self.open.iter().map(|escrow| escrow.id.as_str()).collect();
        let seats: Vec<_> = self.free.keys().map(SeatId::as_str).collect();
        let kinds =
            || seats.iter().filter_map(|seat| house.plan.number(seat)).map(|seat| house.plan.kind(seat));
        // Once somebody gathers, only those matter whom the rest may fit.
        let party_max = if round.gathers() { round.room() } else { domain::hold::PARTY_MAX };
        let reach = Reach {
            escrow_ids: &escrow_ids,
            seats: &seats,
            standard: kinds().any(|kind| kind == SeatKind::Standard),
            accessible: !seats.is_empty(),
            party_max: i16::try_from(party_max).unwrap_or(i16::MAX),
        };
        lines::page(transaction, show_id, reach, behind, i64::try_from(size).unwrap_or(i64::MAX)).await
    }

    async fn write(
        &mut self,
        transaction: &Transaction<'_>,
        assignment: &Assignment,
    ) -> Result<(), postgres::Error> {
        let taken = assignment.seats.iter().filter_map(|seat| self.free.remove(seat));
        let parts = offers::parts(taken.map(|(escrow_id, freed)| (escrow_id, freed.seat)));
        offers::decide(transaction, &assignment.entry_id, &parts).await?;
        entries::choose(transaction, &assignment.entry_id, &parts[0].escrow_id).await
    }

    /// What nobody gets and nobody gathers is to go on open sale.
    async fn release_all_but(
        &mut self,
        transaction: &Transaction<'_>,
        kept: &[SeatId],
    ) -> Result<Vec<SeatId>, postgres::Error> {
        let rest = self.free.extract_if(.., |seat, _| !kept.contains(seat));
        let rest = offers::parts(rest.map(|(seat, (escrow_id, _))| (escrow_id, seat)));
        let mut on_sale = Vec::new();
        for Part { escrow_id, seats } in rest {
            escrows::release(transaction, &escrow_id, &seats).await?;
            on_sale.extend(seats.iter().cloned());
            self.released.entry(escrow_id).or_default().extend(seats);
        }
        Ok(on_sale)
    }

    /// What is to go on open sale and is still in escrow, now or since before.
    fn releases(&self) -> Vec<Part> {
        let left = self.open.iter().map(|escrow| {
            let released = self.released.get(&escrow.id);
            let seats = escrow.seats.iter().filter(|seat| released.is_some_and(|seats| seats.contains(seat)));
            Part { escrow_id: escrow.id.clone(), seats: seats.cloned().collect() }
        });
        left.filter(|part| !part.seats.is_empty()).collect()
    }

    /// The escrows of what is gathered that would be over before the gathering is.
    fn keeps(&self, gathering: &Gathering) -> Option<(Vec<EscrowId>, u64)> {
        let until = gathering.look_at + SLACK;
        let kept = |escrow: &&Escrow| {
            escrow.expires_at < until.min(escrow.bound_at)
                && escrow.seats.iter().any(|seat| gathering.seats.contains(seat))
        };
        let ids: Vec<_> = self.open.iter().filter(kept).map(|escrow| escrow.id.clone()).collect();
        let seconds = until.duration_since(self.now).as_secs_f64().ceil();
        (!ids.is_empty()).then_some((ids, seconds as u64))
    }
}
