//! The SQL of claims, and `domain::claim`.

use domain::claim::show::{Changes, Claims};
use domain::claim::{Claim as Fact, Kept, Onward, State, Taking};
use domain::id::{OwnerId, SeatId, ShowId};
use jiff::Timestamp;
use reservations::store::claims::{self, Claim, ClaimStatus, Owned, Passing};
use service::postgres::Connection;

use super::{Chance, SEATS, row};
use crate::world::World;

/// Calls, each on a show of its own.
const CASES: usize = 600;

/// What had passed long before the test, and what is far off.
const DEADLINES_SECONDS: [i64; 4] = [1_000, 2_000, 9_000_000_000, 9_000_000_500];

/// One show, and what somebody wants of its seats.
struct Case {
    show: ShowId,
    claims: Claims,
    queue_open: bool,
    seats: Vec<SeatId>,
    owner: OwnerId,
    taking: Taking,
}

/// What came of a call: the seats it changed, and whether its caller keeps that.
struct Outcome {
    changed: u64,
    kept: bool,
}

#[tokio::test]
async fn sql_does_what_the_rules_say() {
    let world = World::start(0).await;
    let mut database = world.database().await;
    let mut chance = Chance::new(2);
    let (mut changed, mut kept) = (0, 0);
    for at in 0..CASES {
        let case = Case::drawn(&mut chance, at);
        case.write(&database).await;
        let call = chance.below(5);
        let outcome = case.call(&mut database, call).await;
        let right = case.right(call);
        let told = format!("call {call} in {} by {}: {:?}", case.show, case.owner, case.claims);
        assert_eq!(outcome.changed, right.len() as u64, "{told}");
        let mut after = case.claims.clone();
        if outcome.kept {
            after.set(&right);
        }
        assert_eq!(read(&database, &case.show).await, after, "{told}");
        changed += right.len();
        kept += usize::from(outcome.kept && !right.is_empty());
    }
    assert!(changed > CASES / 3 && kept > CASES / 6, "{changed} seats changed, {kept} calls were kept");
}

impl Case {
    fn drawn(chance: &mut Chance, at: usize) -> Self {
        let mut claims = Claims::default();
        let owner = chance.owner();
        for seat in SEATS.map(|seat| SeatId::parse(seat).unwrap()) {
            if !chance.one_in(5) {
                claims.set(&[(seat, fact(chance, &owner))]);
            }
        }
        let expires_at = Timestamp::from_second(chance.of(&DEADLINES_SECONDS)).unwrap();
        Self {
            show: ShowId::parse(format!("rules_{at}")).unwrap(),
            claims,
            queue_open: chance.one_in(2),
            seats: chance.seats(),
            taking: Taking { owner: chance.owner(), token: 1 + chance.below(4), expires_at },
            owner,
        }
    }

    async fn write(&self, database: &Connection) {
        let queue = "INSERT INTO reservations.queues (show_id, open, revision) VALUES ($1, $2, 1)";
        database.execute(queue, &[&self.show.as_str(), &self.queue_open]).await.unwrap();
        let insert = "INSERT INTO reservations.claims (show_id, seat_id, status, owner, token, expires_at)
                      VALUES ($1, $2, $3, $4, $5, $6)";
        for (seat, fact) in self.claims.iter() {
            let row = row(&self.show, seat, fact);
            let status = word(row.status);
            database
                .execute(
                    insert,
                    &[&self.show.as_str(), &seat.as_str(), &status, &row.owner, &row.token, &row.expires_at],
                )
                .await
                .unwrap();
        }
    }

    /// What `reservations` does. A caller of `take` or `book` rolls back unless it got all.
    async fn call(&self, database: &mut Connection, call: i64) -> Outcome {
        let transaction = database.transaction().await.unwrap();
        let owned = [Owned { show: &self.show, owner: self.owner.as_str(), seats: &self.seats }];
        claims::lock(&transaction, &owned).await.unwrap();
        let Taking { owner: to, token, expires_at } = &self.taking;
        let wanted = |owner: &OwnerId, token| {
            let held = |seat| Claim::held(&self.show, seat, owner.as_str(), token, *expires_at);
            self.seats.iter().map(held).collect::<Vec<_>>()
        };
        let all = self.seats.len() as u64;
        let (changed, needed) = match call {
            0 => (claims::take(&transaction, &wanted(to, *token)).await.unwrap(), all),
            1 => (claims::book(&transaction, &wanted(&self.owner, *token)).await.unwrap(), all),
            2 => (claims::extend(&transaction, &owned, &[*expires_at]).await.unwrap().len() as u64, all),
            3 => (claims::free(&transaction, &owned).await.unwrap().len() as u64, 0),
            _ => {
                let (to, token, expires_at) = (to.as_str(), *token, *expires_at);
                let passing = Passing { from: owned[0], to, token, expires_at };
                (claims::pass(&transaction, "escrow", &[passing]).await.unwrap().len() as u64, 0)
            }
        };
        let kept = changed >= needed;
        if kept {
            transaction.commit().await.unwrap();
        }
        Outcome { changed, kept }
    }

    /// What the rules say, seat by seat.
    fn right(&self, call: i64) -> Changes {
        let (now, taking) = (Timestamp::now(), &self.taking);
        let rule = |seat: &SeatId| {
            let claim = self.claims.of(seat);
            let changed = match call {
                0 => claim.take(taking, now, self.queue_open),
                1 => claim.book(&self.owner, taking.token, now),
                // A hold has one token for all its claims: who owns a claim knows it.
                2 => claim.extend(&self.owner, claim.token, taking.expires_at, now),
                3 => claim.free(&self.owner),
                _ => claim.pass(&self.owner, Onward::Escrow, taking),
            };
            Some((seat.clone(), changed.ok()?))
        };
        self.seats.iter().filter_map(rule).collect()
    }
}

/// Often of the one who calls.
fn fact(chance: &mut Chance, caller: &OwnerId) -> Fact {
    let owner = if chance.one_in(3) { chance.owner() } else { caller.clone() };
    let expires_at = Timestamp::from_second(chance.of(&DEADLINES_SECONDS)).unwrap();
    let kept = Kept { owner: owner.clone(), expires_at };
    let states = [
        State::Free,
        State::Held(kept.clone()),
        State::Held(kept.clone()),
        State::Escrow(kept),
        State::Booked(owner),
    ];
    Fact { token: 1 + chance.below(3), state: chance.of(&states) }
}

fn word(status: ClaimStatus) -> &'static str {
    match status {
        ClaimStatus::Free => "free",
        ClaimStatus::Held => "held",
        ClaimStatus::Escrow => "escrow",
        ClaimStatus::Booked => "booked",
    }
}

async fn read(database: &Connection, show: &ShowId) -> Claims {
    let rows = claims::of_show(database, show).await.unwrap();
    let mut claims = Claims::default();
    claims.set(&rows.iter().map(|row| (row.seat.clone(), row.fact())).collect::<Vec<_>>());
    claims
}
