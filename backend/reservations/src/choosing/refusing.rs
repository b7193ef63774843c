//! What a buyer is told who cannot have what they asked for: what is wrong, and what is free instead.

use domain::alternatives::{ALTERNATIVES_MAX, Wanted, alternatives};
use domain::hold::Selection;
use domain::id::SeatId;
use domain::orphans::Orphans;
use domain::plan::Plan;

use super::sight;
use crate::app::App;
use crate::error::Error;
use crate::gate::sight::Sight;
use crate::store::shows::Show;

/// After Postgres refused: names what is lost, and as many seats elsewhere, from a look of its own.
pub async fn unavailable(app: &App, show: &Show, lost: Vec<SeatId>, selection: &Selection) -> Error {
    match sight(app, show).await {
        Ok(sight) => among(show, &sight, lost, selection),
        Err(_) => Error::SeatsUnavailable { unavailable: lost, alternatives: Vec::new() },
    }
}

/// Names what is lost, and as many seats elsewhere, from what is free.
pub(super) fn among(show: &Show, sight: &Sight, lost: Vec<SeatId>, selection: &Selection) -> Error {
    let plan = show.plan();
    let wanted = match selection {
        Selection::Seats(seats) => Wanted::seats(plan, &numbers(plan, seats)),
        Selection::Best(party, seating) => Wanted::best(plan, *party, *seating),
    };
    let found = alternatives(plan, &sight.taken, wanted, show.orphan_rule);
    let alternatives = found.into_iter().map(|seats| plan.ids(seats)).collect();
    Error::SeatsUnavailable { unavailable: lost, alternatives }
}

/// Names what would be left alone, the fix first, and then what is as good.
pub(super) fn lonely(show: &Show, sight: &Sight, orphans: &Orphans) -> Error {
    let (plan, fix) = (show.plan(), &orphans.instead);
    let others = alternatives(plan, &sight.taken, Wanted::seats(plan, fix), true);
    let apart = others.into_iter().filter(|seats| !seats.iter().any(|seat| fix.contains(seat)));
    let offered = std::iter::once(fix.clone()).chain(apart).take(ALTERNATIVES_MAX);
    Error::LeavesSingleSeat {
        seats: plan.ids(orphans.left.iter().copied()),
        alternatives: offered.map(|seats| plan.ids(seats)).collect(),
    }
}

fn numbers(plan: &Plan, seats: &[SeatId]) -> Vec<usize> {
    seats.iter().filter_map(|seat| plan.number(seat.as_str())).collect()
}
