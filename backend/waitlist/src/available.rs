//! Whether a show still has what somebody would wait for.

use deadpool_postgres::GenericClient;
use domain::alternatives::ALTERNATIVES_MAX;
use domain::id::{SeatId, ShowId};
use domain::plan::Plan;
use domain::plan::taken::Taken;
use domain::queue::{Wish, fitting};
use service::postgres;

use crate::store::published;

/// Seats that the street can have and that fit a wish, the best first; none when one has to wait.
pub(crate) async fn fitting(
    client: &impl GenericClient,
    show_id: &ShowId,
    plan: &Plan,
    wish: &Wish,
) -> Result<Vec<Vec<SeatId>>, postgres::Error> {
    let taken = published::taken(client, show_id).await?;
    Ok(choices(plan, wish, plan.taken(taken.iter().map(String::as_str))))
}

/// Up to [`ALTERNATIVES_MAX`] choices, none sharing a seat with another.
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
