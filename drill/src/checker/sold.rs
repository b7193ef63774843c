//! Invariant 1: one live booking per seat, as buyers were told and as the bookings themselves say. The unique index that
//! stands behind it is not asked.

use domain::id::BookingId;

use super::Evidence;
use super::lives::{Life, Place};
use super::story;
use super::verdict::{Judgement, Story};
use crate::history::{Effect, Nanos};

/// A sale that a buyer was told of.
struct Sale<'a> {
    booking: &'a BookingId,
    life: &'a Life<'a>,
    told_at: Nanos,
}

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(1, "one live booking per seat");
    for (place, lives) in evidence.lives.by_seat() {
        let sales: Vec<Sale> = lives.into_iter().flat_map(sales).collect();
        judgement.looked(sales.len());
        if let Some((one, other)) = twice(&sales) {
            judgement.accuse(|| tell(evidence, place, one, other));
        }
    }
    judgement.looked(evidence.books.booking_seats.len());
    evidence.complaints(&mut judgement);
    judgement
}

/// The bookings that a hold became; more than one is one too many.
fn sales<'a>(life: &'a Life<'a>) -> Vec<Sale<'a>> {
    let mut sales: Vec<Sale> = Vec::new();
    for attempt in life.confirms.iter().flat_map(super::attempts::Group::iter) {
        let Some(Effect::Booking { booking, .. }) = attempt.effect() else { continue };
        match sales.iter_mut().find(|sale| sale.booking == booking) {
            Some(sale) => sale.told_at = sale.told_at.min(attempt.ended),
            None => sales.push(Sale { booking, life, told_at: attempt.ended }),
        }
    }
    sales
}

/// Two that stood at the same time: neither can have been cancelled before the other was told.
fn twice<'s, 'a>(sales: &'s [Sale<'a>]) -> Option<(&'s Sale<'a>, &'s Sale<'a>)> {
    let pairs =
        sales.iter().enumerate().flat_map(|(at, one)| sales[at + 1..].iter().map(move |other| (one, other)));
    pairs.into_iter().find(|(one, other)| {
        one.booking != other.booking
            && one.life.cancelled_from() >= other.told_at
            && other.life.cancelled_from() >= one.told_at
    })
}

fn tell(evidence: &Evidence, (show, seat): Place, one: &Sale, other: &Sale) -> Story {
    let lines = [one, other].map(|sale| sale.life.lines(evidence.history));
    Story::new(
        format!("{seat} of {show} is sold by {} and by {}", one.booking, other.booking),
        story::in_order(lines.concat()),
    )
}
