//! Why somebody was not offered seats that came free: worked out afterwards, from what is remembered of a round and from their wish.
//!
//! Nothing is noted for those who get nothing, so a round costs what it decides, however long its line is. What somebody was asked
//! about is what was free, without what went to those ahead of them: see [`super::Round`].

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Waiter, fitting};
use crate::id::{EntryId, EscrowId, SeatId};
use crate::money::Money;
use crate::plan::Plan;
use crate::plan::taken::Taken;

/// What is remembered of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When, by the clock that decides.
    pub at: Timestamp,
    /// What was free for the line.
    pub freed: Vec<SeatId>,
    /// The escrows that it was in.
    pub escrow_ids: Vec<EscrowId>,
    /// Of one seat at that time; none when the show was off the program, and nobody was asked.
    pub price: Option<Money>,
    /// Who was offered what.
    pub given: Vec<Given>,
    /// What was kept for somebody whom it did not fit yet.
    pub kept: Option<Kept>,
    /// What nobody could have.
    pub on_sale: Vec<SeatId>,
}

/// Seats for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Grows in order of arrival.
    pub place: i64,
    /// Who.
    pub entry_id: EntryId,
    /// What.
    pub seats: Vec<SeatId>,
}

/// Seats kept for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Grows in order of arrival.
    pub place: i64,
    /// Who gathers.
    pub entry_id: EntryId,
    /// What.
    pub seats: Vec<SeatId>,
    /// When their gathering ends.
    pub until: Timestamp,
}

/// Somebody who stood in line, or was being offered seats.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// Grows in order of arrival.
    pub place: i64,
    /// Who, as they were at that time.
    pub waiter: Waiter,
    /// What was ever decided to be offered to them.
    pub offers: &'a [PastOffer],
}

/// Seats that were decided to be offered to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOffer {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub seats: Vec<SeatId>,
    /// The escrows they were in.
    pub escrow_ids: Vec<EscrowId>,
    /// They turned out to be somebody else's, and whoever was to have them waited on.
    pub gone: bool,
}

/// What a round meant for somebody in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Why {
    /// They were offered seats.
    Offered {
        /// These.
        seats: Vec<SeatId>,
    },
    /// Seats were kept for them until there would be enough.
    Gathers {
        /// These.
        seats: Vec<SeatId>,
        /// No longer than that.
        until: Timestamp,
    },
    /// They were being offered others at that time.
    BeingOffered {
        /// These.
        seats: Vec<SeatId>,
    },
    /// They were to have some of these before, which turned out to be somebody else's; nobody is offered twice out of one escrow.
    SeatsWereGone {
        /// These.
        seats: Vec<SeatId>,
    },
    /// The show was off the program.
    OffTheProgram,
    /// They would not pay as much.
    TooDear {
        /// Of one seat.
        price: Money,
    },
    /// They named seats, and these were others.
    OtherSeats,
    /// They named none, and these are places that are kept for wheelchairs and companions.
    OtherKind,
    /// Fewer than they are.
    TooFew {
        /// So many would have done for some of them.
        usable: usize,
        /// They had gathered in vain, and rested until then.
        rests_until: Option<Timestamp>,
    },
    /// Enough, and not beside each other, or without room for a wheelchair.
    NotTogether {
        /// So many would have done for some of them.
        usable: usize,
        /// They had gathered in vain, and rested until then.
        rests_until: Option<Timestamp>,
    },
    /// They would have done, and went to others who came before.
    GivenToEarlier {
        /// To these.
        to: Vec<EntryId>,
    },
    /// They would have done, and were kept for somebody who came before and gathered.
    KeptForEarlier {
        /// For whom.
        entry_id: EntryId,
        /// No longer than that.
        until: Timestamp,
    },
    /// The rule would have given them seats: something else kept them out of this round, or it is broken.
    Unexplained,
}

impl Decision {
    /// What it meant for somebody; `rest` is how long one rests who gathered in vain.
    pub fn why(&self, plan: &Plan, asker: &Asker<'_>, rest: Duration) -> Why {
        self.had(&asker.waiter.entry_id).or_else(|| self.not_asked(asker.offers)).unwrap_or_else(|| {
            match &self.price {
                None => Why::OffTheProgram,
                Some(price) if asker.waiter.wish.too_dear(price) => Why::TooDear { price: price.clone() },
                Some(_) => self.not_fitting(plan, asker, rest),
            }
        })
    }

    /// What became of a seat that was free.
    pub fn went(&self, seat: &SeatId) -> Option<Went<'_>> {
        let given = self.given.iter().find(|given| given.seats.contains(seat)).map(Went::Given);
        let kept = || self.kept.as_ref().filter(|kept| kept.seats.contains(seat)).map(Went::Kept);
        given.or_else(kept).or_else(|| self.on_sale.contains(seat).then_some(Went::OnSale))
    }

    fn had(&self, entry_id: &EntryId) -> Option<Why> {
        let given = self.given.iter().find(|given| given.entry_id == *entry_id);
        let kept = self.kept.as_ref().filter(|kept| kept.entry_id == *entry_id);
        let gathers = |kept: &Kept| Why::Gathers { seats: kept.seats.clone(), until: kept.until };
        given.map(|given| Why::Offered { seats: given.seats.clone() }).or_else(|| kept.map(gathers))
    }

    fn not_asked(&self, offers: &[PastOffer]) -> Option<Why> {
        let before = || offers.iter().filter(|offer| offer.at < self.at);
        let same = |offer: &&PastOffer| offer.escrow_ids.iter().any(|id| self.escrow_ids.contains(id));
        let gone = before().filter(|offer| offer.gone).find(same);
        let other = before().find(|offer| !offer.gone);
        gone.map(|offer| Why::SeatsWereGone { seats: offer.seats.clone() })
            .or_else(|| other.map(|offer| Why::BeingOffered { seats: offer.seats.clone() }))
    }

    fn not_fitting(&self, plan: &Plan, asker: &Asker<'_>, rest: Duration) -> Why {
        let wish = &asker.waiter.wish;
        let mut left = Taken::all(plan.capacity());
        numbers(plan, &self.freed).for_each(|seat| left.release(seat));
        if fitting::fit(plan, wish, &left).is_none() {
            return self.never_fitting(plan, &asker.waiter, rest);
        }
        let ahead = || self.given.iter().filter(|given| given.place < asker.place);
        ahead().flat_map(|given| numbers(plan, &given.seats)).for_each(|seat| left.take(seat));
        if fitting::fit(plan, wish, &left).is_none() {
            let wanted =
                |given: &&Given| numbers(plan, &given.seats).any(|seat| fitting::wants(plan, wish, seat));
            return Why::GivenToEarlier {
                to: ahead().filter(wanted).map(|given| given.entry_id.clone()).collect(),
            };
        }
        let kept = self.kept.as_ref().filter(|kept| kept.place < asker.place);
        kept.iter().flat_map(|kept| numbers(plan, &kept.seats)).for_each(|seat| left.take(seat));
        match kept {
            Some(kept) if fitting::fit(plan, wish, &left).is_none() => {
                Why::KeptForEarlier { entry_id: kept.entry_id.clone(), until: kept.until }
            }
            Some(_) | None => Why::Unexplained,
        }
    }

    /// Not even if all had been theirs.
    fn never_fitting(&self, plan: &Plan, waiter: &Waiter, rest: Duration) -> Why {
        let usable =
            numbers(plan, &self.freed).filter(|seat| fitting::wants(plan, &waiter.wish, *seat)).count();
        let rests = |until: &Timestamp| (*until..*until + rest).contains(&self.at);
        let rests_until = waiter.gathers_until.filter(rests).map(|until| until + rest);
        if usable >= waiter.wish.party.size() {
            Why::NotTogether { usable, rests_until }
        } else if usable > 0 {
            Why::TooFew { usable, rests_until }
        } else if waiter.wish.seats.is_empty() {
            Why::OtherKind
        } else {
            Why::OtherSeats
        }
    }
}

/// What became of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went<'a> {
    /// Somebody was offered it.
    Given(&'a Given),
    /// It was kept for somebody.
    Kept(&'a Kept),
    /// Nobody could have it.
    OnSale,
}

/// Those that are seats of the house.
fn numbers<'a>(plan: &'a Plan, seats: &'a [SeatId]) -> impl Iterator<Item = usize> + 'a {
    seats.iter().filter_map(|seat| plan.number(seat.as_str()))
}

impl Display for Why {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let rested = |rests: &Option<Timestamp>| match rests {
            Some(until) => format!("; they had gathered in vain, and rested until {until}"),
            None => String::new(),
        };
        match self {
            Self::Offered { seats } => write!(formatter, "they were offered {}", list(seats)),
            Self::Gathers { seats, until } => {
                write!(formatter, "too few yet: {} kept for them, until {until} at most", list(seats))
            }
            Self::BeingOffered { seats } => write!(formatter, "they were being offered {}", list(seats)),
            Self::SeatsWereGone { seats } => {
                write!(
                    formatter,
                    "{} were to be theirs and turned out to be gone; what came free with them is not tried again",
                    list(seats)
                )
            }
            Self::OffTheProgram => write!(formatter, "the show was off the program"),
            Self::TooDear { price } => {
                write!(formatter, "they would not pay {} {} for a seat", price.amount, price.currency)
            }
            Self::OtherSeats => write!(formatter, "none of these is a seat they named"),
            Self::OtherKind => write!(formatter, "these places are kept for wheelchairs and companions"),
            Self::TooFew { usable, rests_until } => {
                write!(
                    formatter,
                    "only {usable} of these would do, fewer than they are{}",
                    rested(rests_until)
                )
            }
            Self::NotTogether { usable, rests_until } => {
                write!(
                    formatter,
                    "{usable} of these would do, not beside each other as they need them{}",
                    rested(rests_until)
                )
            }
            Self::GivenToEarlier { .. } => write!(formatter, "somebody who came earlier was offered them"),
            Self::KeptForEarlier { until, .. } => {
                write!(formatter, "kept for a party that came earlier, until {until} at most")
            }
            Self::Unexplained => write!(formatter, "they would have fitted; the rule does not explain it"),
        }
    }
}

fn list(seats: &[SeatId]) -> String {
    seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
