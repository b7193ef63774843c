//! What `claim.lua` is asked, and what it says.

use std::ops::Range;
use std::sync::Arc;

use domain::hold::Seating;
use domain::id::{SeatId, ShowId};
use domain::plan::{Block, Plan};
use service::redis::Error;

use super::sight::Sight;
use super::{Gate, PENDING};
use crate::keys::{MIRROR_TTL_SECONDS, REMEMBERED_MAX, REMEMBERED_SECONDS};

/// A buyer at the gate.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The hold that is to be.
    pub owner: &'a str,
    /// Whether it may come again: then it is remembered.
    pub keyed: bool,
    /// What it wants.
    pub candidates: &'a Candidates,
    /// How the mirror was seen last, so that a refusal need not bring it along.
    pub known: Option<&'a Arc<Sight>>,
}

/// What the gate says to a claim.
#[derive(Debug)]
pub enum Claimed {
    /// Go on to Postgres with these seats.
    Pending(Vec<SeatId>),
    /// This owner was here before: the request is a repetition.
    Mine,
    /// No candidate is free.
    Taken {
        /// The seats of the first one that are somebody else's.
        lost: Vec<SeatId>,
        /// All that is taken, at that instant.
        sight: Arc<Sight>,
    },
    /// The show has no mirror: load it and ask again.
    Missing,
}

/// As many seats in one place or another, as the script reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    size: usize,
    sparing: bool,
    /// `stretch:first seat`, from 1, joined by commas.
    places: String,
    /// The seats of each stretch, joined by commas.
    stretches: Vec<String>,
}

impl Candidates {
    /// These seats and no others.
    pub fn named(seats: &[SeatId]) -> Self {
        let stretches = vec![joined(seats.iter().map(SeatId::as_str))];
        Self { size: seats.len(), sparing: false, places: "1:1".to_owned(), stretches }
    }

    /// The first of these blocks that is free; of those for standard seats, one that leaves no seat alone before others.
    pub fn ranked(plan: &Plan, blocks: &[Block], seating: Seating) -> Self {
        let around = |block: &Block| match seating {
            Seating::Standard => plan.stretch(block.first),
            Seating::Accessible => plan.span(block.first),
        };
        let mut stretches: Vec<Range<usize>> = Vec::new();
        let places = joined(blocks.iter().map(|block| {
            let stretch = around(block);
            let known = stretches.iter().position(|known| *known == stretch);
            let number = known.unwrap_or_else(|| {
                stretches.push(stretch.clone());
                stretches.len() - 1
            });
            format!("{}:{}", number + 1, block.first - stretch.start + 1)
        }));
        let names = |stretch: Range<usize>| joined(stretch.map(|seat| plan.id(seat).as_str()));
        Self {
            size: blocks.first().map_or(0, |block| block.size),
            sparing: seating == Seating::Standard,
            places,
            stretches: stretches.into_iter().map(names).collect(),
        }
    }
}

fn joined(parts: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(part.as_ref());
    }
    text
}

/// `claim.lua`'s result: word, seats, milliseconds, state, the mirror's fields.
type Said = (String, Vec<String>, u64, String, Vec<String>);

impl Gate {
    /// Claims the first candidate that is wholly free, until Postgres confirms ([`Gate::apply`]) or refuses ([`Gate::undo`]).
    pub async fn claim(&self, show: &ShowId, plan: &Plan, asked: &Asked<'_>) -> Result<Claimed, Error> {
        let Asked { owner, keyed, candidates, known } = asked;
        let mut call = self.scripts.claim.key(self.keys.mirror(show));
        call.key(self.keys.remembered(show));
        call.arg(*owner).arg(PENDING.as_millis() as u64).arg(self.keys.live(show)).arg(show.as_str());
        call.arg(MIRROR_TTL_SECONDS);
        call.arg(if *keyed { REMEMBERED_MAX } else { 0 }).arg(REMEMBERED_SECONDS);
        call.arg(candidates.size).arg(u8::from(candidates.sparing));
        call.arg(known.map_or("", |sight| sight.state()));
        call.arg(&candidates.places).arg(&candidates.stretches);
        let (word, seats, now_ms, state, fields): Said = self.redis.script(&call).await?;
        let seats = seats.iter().filter_map(|seat| SeatId::parse(seat).ok()).collect();
        Ok(match word.as_str() {
            "claimed" => Claimed::Pending(seats),
            "mine" => Claimed::Mine,
            "taken" => match known {
                Some(sight) if sight.state() == state => {
                    Claimed::Taken { lost: seats, sight: Arc::clone(sight) }
                }
                _ => Sight::of_fields(plan, now_ms, &fields)
                    .map_or(Claimed::Missing, |sight| Claimed::Taken { lost: seats, sight: sight.into() }),
            },
            _ => Claimed::Missing,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::seat_map::{Row, Seat, SeatKind, SeatMap};

    use super::*;

    fn seat(name: &str) -> SeatId {
        SeatId::parse(name).unwrap()
    }

    #[test]
    fn seats_by_name_are_one_stretch_with_one_candidate() {
        let asked = Candidates::named(&[seat("A1"), seat("B7")]);
        assert_eq!((asked.size, asked.sparing, asked.places.as_str()), (2, false, "1:1"));
        assert_eq!(asked.stretches, ["A1,B7"]);
    }

    #[test]
    fn blocks_share_their_stretches() {
        let kind = |x| if x == 0 { SeatKind::Wheelchair } else { SeatKind::Standard };
        let place = |y: u16, x: u16| Seat { id: seat(&format!("{y}-{x}")), x, y, kind: kind(x) };
        let row = |y: u16| Row { label: y.to_string(), seats: (0..4).map(|x| place(y, x)).collect() };
        let plan = Plan::of(&SeatMap { rows: (0..2).map(row).collect() });
        let block = |first| Block { first, size: 2 };
        let asked = Candidates::ranked(&plan, &[block(6), block(1), block(5)], Seating::Standard);
        assert_eq!((asked.places.as_str(), asked.sparing), ("1:2,2:1,1:1", true));
        assert_eq!(asked.stretches, ["1-1,1-2,1-3", "0-1,0-2,0-3"]);
        let asked = Candidates::ranked(&plan, &[block(4)], Seating::Accessible);
        assert_eq!((asked.places.as_str(), asked.sparing), ("1:1", false));
        assert_eq!(asked.stretches, ["1-0,1-1,1-2,1-3"]);
    }
}
