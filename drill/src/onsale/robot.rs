//! A program that takes seats: no pages, no thinking, the most wanted shows in turn, and nothing is ever paid or given back.

use super::holding;
use super::picking;
use super::request::{Request, Wish};
use super::visit::{Gone, Visit};

/// The shows it goes for.
const SHOWS_MAX: usize = 3;

/// Holds whatever it can get until its steps are used up. It does not care what it is told.
pub(super) async fn raid(mut visit: Visit) -> Result<(), Gone> {
    let shows = visit.sale.program.shows.len().min(SHOWS_MAX);
    loop {
        visit.choices.show = (visit.choices.show + 1) % shows;
        let show = visit.show_id();
        let wish = wish(&mut visit).await?;
        let key = visit.key();
        visit.ask_once(&Request::hold(&show, wish, key)).await?;
    }
}

async fn wish(visit: &mut Visit) -> Result<Wish, Gone> {
    let party = visit.choices.party;
    if visit.choices.best {
        return Ok(Wish::Best(party));
    }
    let taken = holding::seats(visit).await?;
    let map = &visit.sale.program.shows[visit.choices.show].map;
    Ok(picking::pick(map, &taken, party, &mut visit.chance).map_or(Wish::Best(party), Wish::Seats))
}
