//! Invariant 5: expiry is never early, is announced within a second to whoever was listening, and is announced once.
//!
//! Never before the deadline as the books have it: one that was moved, for a payment or by an extension whose answer was lost, is
//! later than the one its buyer was told of. A hold that lapsed and was sold all the same was rightly announced to have lapsed.

mod sockets;

use std::collections::HashMap;

use domain::id::HoldId;
use domain::status::HoldStatus;

use super::Evidence;
use super::allowances::{ANNOUNCED_WITHIN, CLOCKS, MEASURING};
use super::excuses::Trouble::{NewsLate, NewsTwice};
use super::lives::Life;
use super::story::{self, Line};
use super::verdict::{Judgement, Story};
use crate::history::{Nanos, Sight, What};
use sockets::{Socket, Sockets};

/// How long after its deadline an announcement may be seen.
const DUE: Nanos = ANNOUNCED_WITHIN + MEASURING;

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement =
        Judgement::new(5, "expiry is never early, announced within a second, and announced once");
    let announced = Announced::of(evidence);
    for news in &announced.news {
        judgement.looked(1);
        if let Some((life, wrong)) = untrue(evidence, news) {
            judgement.accuse(|| announced.tell(evidence, life, wrong));
        }
    }
    for life in evidence.lives.iter() {
        judgement.looked(1);
        if let Some(wrong) = never_swept(evidence, life).or_else(|| announced.missed(evidence, life)) {
            judgement.accuse(|| announced.tell(evidence, life, &wrong));
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// One `hold_expired`, as a socket showed it.
struct News<'a> {
    at: Nanos,
    buyer: u32,
    socket: u32,
    hold: &'a HoldId,
    /// When the same socket showed it before.
    before: Option<Nanos>,
}

/// What was announced, and who was listening.
struct Announced<'a> {
    news: Vec<News<'a>>,
    first: HashMap<(u32, &'a HoldId), Nanos>,
    sockets: Sockets,
}

impl<'a> Announced<'a> {
    fn of(evidence: &Evidence<'a>) -> Self {
        let mut announced =
            Self { news: Vec::new(), first: HashMap::new(), sockets: Sockets::of(evidence.history) };
        for record in &evidence.history.records {
            let What::Saw { buyer, socket, sight: Sight::HoldExpired { hold } } = &record.what else {
                continue;
            };
            let before = announced.first.get(&(*socket, hold)).copied();
            announced.first.entry((*socket, hold)).or_insert(record.at);
            announced.news.push(News { at: record.at, buyer: *buyer, socket: *socket, hold, before });
        }
        announced
    }

    /// A socket of its buyer's that was open all the time, and did not show in time that it is over.
    fn missed(&self, evidence: &Evidence, life: &Life) -> Option<String> {
        let due = life.deadline.saturating_add(DUE);
        let lapsed =
            life.row.is_some_and(|row| row.status == HoldStatus::Expired) || sold_after(evidence, life, due);
        let told_before = life.placed.until.is_some_and(|until| until < life.deadline);
        if !lapsed
            || !told_before
            || due >= evidence.end()
            || evidence.excuses.pardon(NewsLate, life.deadline, due)
        {
            return None;
        }
        let listening = |socket: &&Socket| socket.opened <= life.deadline && socket.closed > due;
        let mut sockets = self.sockets.of_buyer(life.buyer?).iter().filter(listening);
        sockets.find_map(|socket| match self.first.get(&(socket.id, life.hold)) {
            Some(at) if *at <= due => None,
            Some(at) => Some(format!(
                "was announced to be over {} ms after its deadline",
                (at - life.deadline) / 1_000_000
            )),
            None => Some("lapsed, and its buyer, who listened, was never told".to_owned()),
        })
    }

    fn tell(&self, evidence: &Evidence, life: &Life, wrong: &str) -> Story {
        let mut lines = life.lines(evidence.history);
        let shown = self.news.iter().filter(|news| news.hold == life.hold);
        lines.extend(shown.map(|news| {
            Line::new(
                news.at,
                format!("buyer {:<5} sees on socket {} that it is over", news.buyer, news.socket),
            )
        }));
        for socket in life.buyer.map_or(&[][..], |buyer| self.sockets.of_buyer(buyer)) {
            if socket.closed >= life.placed.from && socket.opened <= life.deadline.saturating_add(DUE) {
                lines.push(Line::new(socket.opened, format!("socket {} opens", socket.id)));
                if socket.closed < Nanos::MAX {
                    lines.push(Line::new(socket.closed, format!("socket {} ends", socket.id)));
                }
            }
        }
        Story::new(format!("{} {wrong}", life.hold), story::in_order(lines))
    }
}

/// What is wrong with an announcement that was seen.
fn untrue<'e, 'a>(evidence: &'e Evidence<'a>, news: &News) -> Option<(&'e Life<'a>, &'static str)> {
    let life = evidence.lives.get(news.hold)?;
    let over = life.row.map(|row| row.status);
    let wrong = if news.at + CLOCKS < life.deadline {
        "was announced to be over before its deadline"
    } else if life.buyer.is_some_and(|buyer| buyer != news.buyer) {
        "was announced to somebody else"
    } else if over == Some(HoldStatus::Released) || (over == Some(HoldStatus::Booked) && !life.late()) {
        "was announced to have lapsed, and had not"
    } else if news.before.is_some() && !evidence.excuses.pardon(NewsTwice, life.deadline, news.at) {
        "was announced to be over more than once to one socket"
    } else {
        return None;
    };
    Some((life, wrong))
}

/// Whether it was sold so late that it must have been announced to have lapsed before.
fn sold_after(evidence: &Evidence, life: &Life, due: Nanos) -> bool {
    life.late() && life.booking.is_some_and(|booking| evidence.history.at_wall(booking.booked_at_ns) > due)
}

/// Long past its deadline, the books still have it on hold.
fn never_swept(evidence: &Evidence, life: &Life) -> Option<String> {
    let due = life.deadline.saturating_add(DUE);
    let read_at = evidence.history.at_wall(evidence.books.read_at_ns?);
    let on_hold = life.row.is_some_and(|row| row.status == HoldStatus::OnHold);
    (on_hold && due < read_at && !evidence.excuses.pardon(NewsLate, life.deadline, due))
        .then(|| "is past its deadline, and nobody has ended it".to_owned())
}

#[cfg(test)]
mod tests;
