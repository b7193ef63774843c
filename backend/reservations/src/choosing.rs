//! Which seats a wish comes to: those it names, or the best that the gate finds free, and what to say when it is neither.
//!
//! All of it is about what is free right now, by the mirror or, without Redis, by Postgres. Nothing here is final: Postgres
//! decides (`placing`).

mod refusing;

use std::sync::Arc;

use domain::best;
use domain::hold::{Party, Seating, Selection};
use domain::id::{HoldId, SeatId};
use domain::orphans;
use domain::plan::{Block, Plan};

use crate::app::App;
use crate::error::Error;
use crate::gate::claim::{Asked, Candidates, Claimed};
use crate::gate::sight::Sight;
use crate::mirror;
use crate::placing::Wish;
use crate::store::holds;
use crate::store::shows::Show;

pub use refusing::unavailable;

/// How often the best seats are looked for anew: when all candidates went while they were chosen, or Postgres knows better.
pub const LOOKS_MAX: usize = 8;
/// How often a missing mirror is filled before we go on without the gate.
const FILL_ATTEMPTS_MAX: usize = 2;
/// Among how many more candidates those choose at each further look who have no gate to tell them apart.
const SPREAD: usize = 8;

/// Seats to go on to Postgres with.
#[derive(Debug)]
pub struct Chosen {
    /// Sorted.
    pub seats: Vec<SeatId>,
    /// What the gate said.
    pub passed: Passed,
}

/// How seats came past the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The gate has just claimed them: to be undone, should Postgres not place the hold.
    Claimed,
    /// The request is a repetition.
    Before,
    /// There is no gate.
    Around,
}

/// Chooses and passes the gate. `look` is how often Postgres refused before what was chosen here.
///
/// # Errors
/// [`Error::SeatsUnavailable`] with what is free instead, [`Error::LeavesSingleSeat`] where the theater has that rule.
pub async fn choose(app: &App, wish: &Wish, show: &Show, id: &HoldId, look: usize) -> Result<Chosen, Error> {
    match &wish.selection {
        Selection::Seats(seats) => named(app, wish, show, id, seats).await,
        Selection::Best(party, seating) => found(app, wish, show, id, (*party, *seating), look).await,
    }
}

async fn named(app: &App, wish: &Wish, show: &Show, id: &HoldId, seats: &[SeatId]) -> Result<Chosen, Error> {
    let numbers = known(show.plan(), seats)?;
    if show.orphan_rule {
        obey(app, show, &numbers).await?;
    }
    match pass(app, wish, show, id, &Candidates::named(seats)).await? {
        Claimed::Pending(_) => Ok(Chosen { seats: seats.to_vec(), passed: Passed::Claimed }),
        Claimed::Mine => Ok(Chosen { seats: seats.to_vec(), passed: Passed::Before }),
        Claimed::Missing => Ok(Chosen { seats: seats.to_vec(), passed: Passed::Around }),
        Claimed::Taken { lost, sight } => Err(refusing::among(show, &sight, lost, &wish.selection)),
    }
}

/// The numbers of seats, all of which must exist.
fn known(plan: &Plan, seats: &[SeatId]) -> Result<Vec<usize>, Error> {
    let numbers: Vec<_> = seats.iter().filter_map(|seat| plan.number(seat.as_str())).collect();
    if numbers.len() == seats.len() {
        return Ok(numbers);
    }
    let unknown = seats.iter().filter(|seat| plan.number(seat.as_str()).is_none());
    Err(Error::UnknownSeats(unknown.cloned().collect()))
}

/// The orphan rule, by what is free before the gate is asked. Two who choose in the same instant can still leave a seat alone
/// between them: the rule is a courtesy to the house, and no seat is sold wrongly where it fails.
async fn obey(app: &App, show: &Show, numbers: &[usize]) -> Result<(), Error> {
    let sight = sight(app, show).await?;
    match orphans::judge(show.plan(), &sight.taken, numbers) {
        Some(orphans) => Err(refusing::lonely(show, &sight, &orphans)),
        None => Ok(()),
    }
}

/// The best seats: candidates from one look, of which the gate gives the first that is free in one call. Only when all are
/// gone by then, the refusal's own picture is looked at.
async fn found(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    (party, seating): (Party, Seating),
    look: usize,
) -> Result<Chosen, Error> {
    let plan = show.plan();
    let mut sight = sight(app, show).await?;
    for _ in 0..LOOKS_MAX {
        let blocks = best::candidates(plan, &sight.taken, party, seating);
        let Some(ungated) = spread(plan, &sight, &blocks, id, look) else { break };
        match pass(app, wish, show, id, &Candidates::ranked(plan, &blocks, seating)).await? {
            Claimed::Pending(seats) => {
                return Ok(Chosen { seats: sorted(seats), passed: Passed::Claimed });
            }
            Claimed::Mine => {
                return Ok(Chosen { seats: sorted(plan.ids(ungated.seats())), passed: Passed::Before });
            }
            Claimed::Missing => {
                return Ok(Chosen { seats: sorted(plan.ids(ungated.seats())), passed: Passed::Around });
            }
            Claimed::Taken { sight: seen, .. } => sight = seen,
        }
    }
    Err(refusing::among(show, &sight, Vec::new(), &wish.selection))
}

/// The candidate of who has no gate: the best at first, then one of those that are as good but for their place, so that of a
/// crowd not all are refused by Postgres again and again.
fn spread(plan: &Plan, sight: &Sight, blocks: &[Block], id: &HoldId, look: usize) -> Option<Block> {
    let orphans = |block: &Block| orphans::count(plan, &sight.taken, *block);
    let least = orphans(blocks.first()?);
    let alike = blocks.iter().take(1 + look * SPREAD).take_while(|block| orphans(block) == least).count();
    let salt = id.as_str().bytes().fold(look, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
    blocks.get(salt % alike.max(1)).copied()
}

fn sorted(mut seats: Vec<SeatId>) -> Vec<SeatId> {
    seats.sort();
    seats
}

/// Asks the gate. `Missing` means: go on without it.
async fn pass(
    app: &App,
    wish: &Wish,
    show: &Show,
    id: &HoldId,
    candidates: &Candidates,
) -> Result<Claimed, Error> {
    let known = app.last_sight(&show.id);
    let asked = Asked { owner: id.as_str(), keyed: wish.key.is_some(), candidates, known: known.as_ref() };
    for _ in 0..FILL_ATTEMPTS_MAX {
        app.metrics.gate_claims.inc();
        match app.gate.claim(&show.id, show.plan(), &asked).await {
            Ok(Claimed::Missing) => mirror::fill(app, &show.id).await?,
            Ok(Claimed::Taken { lost, sight }) => {
                app.note_sight(&show.id, &sight);
                // What Redis forgot Postgres knows: a repetition is no loser.
                let repeated = wish.key.is_some() && sight.forgetful() && placed(app, id).await?;
                return Ok(if repeated { Claimed::Mine } else { Claimed::Taken { lost, sight } });
            }
            Ok(claimed) => return Ok(claimed),
            Err(_) => return Ok(Claimed::Missing),
        }
    }
    Ok(Claimed::Missing)
}

async fn placed(app: &App, id: &HoldId) -> Result<bool, Error> {
    Ok(holds::find(&app.connection().await?, id).await?.is_some())
}

/// What is taken right now. A mirror that is behind what was shown while Redis was away is not believed.
async fn sight(app: &App, show: &Show) -> Result<Arc<Sight>, Error> {
    if let Ok(Some(sight)) = app.gate.sight(&show.id, show.plan()).await
        && app.shown_without_redis(&show.id) <= sight.version
    {
        return Ok(sight.into());
    }
    let picture = mirror::picture(app, &show.id).await?;
    Ok(Sight::of_picture(show.plan(), &picture).into())
}
