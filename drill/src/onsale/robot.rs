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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Call, What};
    use crate::onsale::choices::Draw;
    use crate::onsale::plan::Plan;
    use crate::onsale::stand_in::{Does, StandIn, records, sale, show};

    const SEATS: Does = Does::Answers(200, "", r#"{"show_id":"show","version":1,"seats":{}}"#);
    const TAKEN: Does = Does::Answers(409, "", r#"{"code":"seats_unavailable"}"#);
    const ENOUGH: Does = Does::Answers(429, "retry-after: 10\r\n", r#"{"code":"too_many_holds"}"#);

    #[tokio::test]
    async fn a_robot_goes_on_whatever_it_is_told_until_its_steps_are_used_up() {
        let server = StandIn::start(vec![SEATS, TAKEN, SEATS, ENOUGH, SEATS, Does::Breaks, SEATS]).await;
        let sale = sale(&server.url, Plan { steps_max: 7, best: 0.0, ..Plan::default() });
        let visit = Visit::new(&sale, 1, Draw::new(&sale.plan, 1).of(1)).unwrap();
        assert_eq!(raid(visit).await, Err(Gone::OutOfSteps));
        let records = records(&sale);
        let holds = records.iter().filter_map(|what| match what {
            What::Invoke { call: Call::Hold { show, key, .. }, .. } => Some((show.clone(), key.clone())),
            _ => None,
        });
        let holds: Vec<_> = holds.collect();
        assert_eq!(holds.len(), 3);
        assert!(holds.iter().all(|(wanted, _)| *wanted == show()));
        assert!(holds.windows(2).all(|pair| pair[0].1 != pair[1].1), "each wish has a key of its own");
        assert_eq!(server.asked().len(), 7);
    }
}
