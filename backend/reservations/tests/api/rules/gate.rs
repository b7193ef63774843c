//! The gate's Lua, and `domain::mirror`.

use domain::claim::{Claim as Fact, Kept, State};
use domain::id::{SeatId, ShowId};
use domain::live::{Seats, ServerFrame};
use domain::mirror::gate::{Gate as Rules, Request};
use domain::mirror::{Claimed, Drift, Kind, Mirror, MirrorSeat};
use domain::plan::Plan;
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};
use futures_util::StreamExt;
use jiff::Timestamp;
use reservations::gate::claim::{Asked, Candidates, Claimed as Said};
use reservations::gate::{Gate, Reading};
use reservations::keys::REMEMBERED_MAX;
use reservations::store::claims::Claim;
use testkit::stores::Stores;

use super::{Chance, SEATS, row};

/// Calls in one walk.
const CALLS: usize = 1_200;

/// What had passed long before the test, and what is far off: the clock's reading makes no difference between.
const DEADLINES_SECONDS: [i64; 4] = [1_000, 2_000, 9_000_000_000, 9_000_000_500];

/// A deadline below was past before the test began.
const LONG_PAST_MS: i64 = 3_000_000;
/// No call takes longer than this.
const CALL_MS_MAX: i64 = 1_500;

/// The gate, and the rules that say what it should do.
struct Walk {
    chance: Chance,
    gate: Gate,
    plan: Plan,
    show: ShowId,
    rules: Rules,
    frames: Vec<(u64, Seats)>,
}

#[tokio::test]
async fn lua_does_what_the_rules_say() {
    let stores = Stores::fresh().await;
    let redis =
        service::redis::Redis::start(&stores.redis(), &service::drain::Drain::default()).await.unwrap();
    let gate = Gate::new(redis.clone());
    let show = ShowId::parse("show").unwrap();
    let mut subscriber = redis.subscriber().await.unwrap();
    subscriber.subscribe(gate.keys().live(&show)).await.unwrap();
    let mut walk = Walk {
        chance: Chance::new(1),
        gate,
        plan: plan(),
        show,
        rules: Rules::default(),
        frames: Vec::new(),
    };
    for call in 0..CALLS {
        let said = walk.step().await;
        let read = walk.gate.read(&walk.show).await.unwrap();
        assert_eq!(read.map(|read| read.mirror), walk.rules.mirror, "after call {call}, {said}");
    }
    let frames = subscriber.on_message().map(|message| message.get_payload::<String>().unwrap());
    let steps = frames.filter_map(async |text| match serde_json::from_str(&text).unwrap() {
        ServerFrame::Seats { version, changes, .. } => Some((version, changes)),
        _ => None,
    });
    let published: Vec<_> = steps.take(walk.frames.len()).collect().await;
    assert_eq!(published, walk.frames);
    assert!(walk.frames.len() > CALLS / 4, "{} frames", walk.frames.len());
}

impl Walk {
    async fn step(&mut self) -> &'static str {
        if self.lapses_soon() {
            return self.load(1).await;
        }
        let ahead = self.chance.below(5) - 2;
        match self.chance.below(20) {
            0 => self.load(ahead).await,
            1 => self.queue().await,
            2..=4 => self.mend().await,
            5..=7 => self.undo().await,
            8..=13 => self.apply().await,
            _ => self.claim().await,
        }
    }

    async fn claim(&mut self) -> &'static str {
        let (owner, seats, keyed) = (self.chance.owner(), self.chance.seats(), self.chance.one_in(3));
        let claimed = self.ask(owner.as_str(), keyed, &seats).await;
        let read = self.gate.read(&self.show).await.unwrap();
        let now_ms = Timestamp::now().as_millisecond().unsigned_abs();
        // How late it was to the millisecond only Redis knows.
        let deadline_ms = read.as_ref().and_then(|read| pending_until(read, &seats)).unwrap_or(now_ms);
        let request = Request { owner: &owner, keyed, seats: &seats, deadline_ms };
        let (right, step) = self.rules.claim(request, REMEMBERED_MAX as usize, now_ms);
        assert_eq!(claimed, right, "{owner} {seats:?} at {:?}", self.rules);
        if right == Claimed::Pending {
            let waits = deadline_ms.abs_diff(read.unwrap().now_ms);
            assert!(waits <= 2_000, "a claim waits for {waits} ms");
        }
        self.note(step);
        "claim"
    }

    /// What the gate says, in the rules' words. Of a refusal it also says what is taken; the rules must see the same.
    async fn ask(&self, owner: &str, keyed: bool, seats: &[SeatId]) -> Claimed {
        let candidates = Candidates::named(seats);
        let asked = Asked { owner, keyed, candidates: &candidates, known: None };
        match self.gate.claim(&self.show, &self.plan, &asked).await.unwrap() {
            Said::Pending(got) => {
                assert_eq!(got, seats);
                Claimed::Pending
            }
            Said::Mine => Claimed::Mine,
            Said::Missing => Claimed::Missing,
            Said::Taken { lost, sight } => {
                let mirror = self.rules.mirror.as_ref().unwrap();
                let now_ms = Timestamp::now().as_millisecond().unsigned_abs();
                for (seat, known) in &mirror.seats {
                    let free = sight.taken.free(self.plan.number(seat.as_str()).unwrap());
                    assert_eq!(free, known.free_for_claim(now_ms, mirror.queue_open), "{seat} in {mirror:?}");
                }
                Claimed::Taken(lost)
            }
        }
    }

    async fn undo(&mut self) -> &'static str {
        let (owner, seats) = (self.chance.owner(), self.chance.seats());
        self.gate.undo(&self.show, owner.as_str(), &seats, true).await.unwrap();
        let step = self.rules.undo(&owner, &seats);
        self.note(step);
        "undo"
    }

    async fn apply(&mut self) -> &'static str {
        let claims: Vec<_> = self.chance.seats().iter().map(|seat| self.fact(seat)).collect();
        self.gate.apply(&self.show, &claims).await.unwrap();
        let facts: Vec<_> =
            claims.iter().map(|claim| (claim.seat.clone(), MirrorSeat::of(&claim.fact()))).collect();
        let now_ms = Timestamp::now().as_millisecond().unsigned_abs();
        let step = self.rules.mirror.as_mut().and_then(|mirror| mirror.apply(&facts, now_ms).1);
        self.note(step);
        "apply"
    }

    /// Whether a claim that waits for Postgres may lapse in the next call: before or after Redis looks, nobody knows.
    fn lapses_soon(&self) -> bool {
        let soon = Timestamp::now().as_millisecond() + CALL_MS_MAX;
        let seats = self.rules.mirror.iter().flat_map(|mirror| mirror.seats.values());
        seats
            .filter(|seat| seat.kind == Kind::Pending)
            .any(|seat| (LONG_PAST_MS..soon).contains(&seat.deadline_ms))
    }

    async fn load(&mut self, ahead: i64) -> &'static str {
        let old = self.rules.mirror.as_ref().map_or(5, |mirror| mirror.version);
        let version = old.saturating_add_signed(ahead);
        let queue_open = self.chance.one_in(3);
        let claims: Vec<_> = self.chance.seats().iter().map(|seat| self.fact(seat)).collect();
        let taken = self.gate.load(&self.show, version, queue_open, &claims).await.unwrap();
        let seats = claims.iter().map(|claim| (claim.seat.clone(), MirrorSeat::of(&claim.fact()))).collect();
        let right = Mirror::load(&mut self.rules.mirror, Mirror { version, queue_open, seats });
        assert_eq!(taken, right);
        "load"
    }

    async fn queue(&mut self) -> &'static str {
        let open = self.chance.one_in(2);
        self.gate.set_queue(&self.show, open).await.unwrap();
        if let Some(mirror) = &mut self.rules.mirror {
            mirror.queue_open = open;
        }
        "queue"
    }

    async fn mend(&mut self) -> &'static str {
        let drifts: Vec<_> = self.chance.seats().into_iter().map(|seat| self.drift(seat)).collect();
        let mended = self.gate.mend(&self.show, &drifts).await.unwrap();
        let right = self.rules.mirror.as_mut().map(|mirror| mirror.mend(&drifts));
        let (count, step) = right.unwrap_or_default();
        assert_eq!(mended, count as u64);
        self.note(step);
        "mend"
    }

    /// Often as it is, so that it is mended.
    fn drift(&mut self, seat: SeatId) -> Drift {
        let known = self.rules.mirror.as_ref().and_then(|mirror| mirror.seats.get(&seat)).cloned();
        let seen = if self.chance.one_in(3) { Some(MirrorSeat::of(&self.fact(&seat).fact())) } else { known };
        let mut right = MirrorSeat::of(&self.fact(&seat).fact());
        if right.kind == Kind::Held && self.chance.one_in(3) {
            right.kind = Kind::Pending;
        }
        Drift { seat, seen, right }
    }

    /// About as new as what is known.
    fn fact(&mut self, seat: &SeatId) -> Claim {
        let known = self.rules.mirror.as_ref().and_then(|mirror| mirror.seats.get(seat));
        let token = (known.map_or(3, |known| known.token) + self.chance.below(4) - 1).max(0);
        let owner = self.chance.owner();
        let expires_at = Timestamp::from_second(self.chance.of(&DEADLINES_SECONDS)).unwrap();
        let kept = Kept { owner: owner.clone(), expires_at };
        let state = self.chance.of(&[
            State::Free,
            State::Held(kept.clone()),
            State::Escrow(kept),
            State::Booked(owner),
        ]);
        row(&self.show, seat, &Fact { token, state })
    }

    fn note(&mut self, step: Option<domain::mirror::Step>) {
        self.frames.extend(step.map(|step| (step.version, step.changes)));
    }
}

fn pending_until(read: &Reading, seats: &[SeatId]) -> Option<u64> {
    let pending = |seat: &MirrorSeat| seat.kind == Kind::Pending;
    let seat = seats.iter().filter_map(|seat| read.mirror.seats.get(seat)).find(|seat| pending(seat))?;
    Some(seat.deadline_ms.unsigned_abs())
}

fn plan() -> Plan {
    let seat =
        |(x, id): (u16, &str)| Seat { id: SeatId::parse(id).unwrap(), x, y: 0, kind: SeatKind::Standard };
    let seats = (0..).zip(SEATS).map(seat).collect();
    Plan::of(&SeatMap { rows: vec![Row { label: "A".to_owned(), seats }] })
}
