//! Whether a show still has what somebody would wait for.

use domain::alternatives::ALTERNATIVES_MAX;
use domain::id::SeatId;
use domain::plan::Plan;
use domain::plan::taken::Taken;
use domain::queue::{Wish, fitting};

/// Seats that are not taken and fit a wish, the best first: up to [`ALTERNATIVES_MAX`] choices, none sharing a seat with another.
pub(crate) fn choices(plan: &Plan, wish: &Wish, mut taken: Taken) -> Vec<Vec<SeatId>> {
    let mut choices = Vec::new();
    while choices.len() < ALTERNATIVES_MAX
        && let Some(seats) = fitting::fit(plan, wish, &taken)
    {
        for seat in &seats {
            taken.take(*seat);
        }
        choices.push(plan.ids(seats));
    }
    choices
}
