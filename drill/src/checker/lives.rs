//! The life of every hold, put together from answers, from sockets and from the books: who asked for it, who confirmed it,
//! who gave it back.

use std::collections::{BTreeMap, HashMap};

use domain::id::{BookingId, EntryId, HoldId, SeatId, SessionId, ShowId};

use super::allowances::CLOCKS;
use super::attempts::{Attempt, Attempts, Group, confirm_key, held, hold_key};
use super::story::{self, Line};
use crate::books::{self, Books};
use crate::history::{Call, Effect, History, Nanos, Sight, What};

/// A seat of a show.
pub(crate) type Place<'a> = (&'a ShowId, &'a SeatId);

/// When something took effect, as far as is known: not before `from`, and not after `until` if it did for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Nanos,
    pub(crate) until: Option<Nanos>,
}

/// How a hold is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A buyer asked for it and was told.
    Asked,
    /// Somebody in line was offered it, and saw it or made use of it.
    Offered,
    /// It stands in the books, and no buyer of this run knows of it: the answer was lost, or it is not of this run.
    Books,
}

/// One hold.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) hold: &'a HoldId,
    pub(crate) show: &'a ShowId,
    pub(crate) seats: &'a [SeatId],
    pub(crate) source: Source,
    /// Whose it is, if that is one of ours.
    pub(crate) buyer: Option<u32>,
    /// The place in line it was offered to.
    pub(crate) entry: Option<&'a EntryId>,
    pub(crate) placed: Span,
    /// The latest deadline that its buyer was told of: it is honoured until then.
    pub(crate) told: Nanos,
    /// Its deadline as the books have it, where they are known: it lapses then, and not before. An extension whose answer was
    /// lost moves it, and a payment that begins shortly before it; so it may be later than what was told, never earlier.
    pub(crate) deadline: Nanos,
    /// The requests that asked for it, all under one key.
    pub(crate) asked: Option<Group<'a>>,
    /// Its confirmations, each with the attempts under its key.
    pub(crate) confirms: Vec<Group<'a>>,
    /// What may have moved its deadline, besides payments.
    pub(crate) extensions: Vec<Attempt<'a>>,
    /// What may have ended it before its deadline: releases, and leaving the line it was offered in.
    pub(crate) releases: Vec<Attempt<'a>>,
    /// What may have ended its booking.
    pub(crate) cancels: Vec<Attempt<'a>>,
    /// Its row.
    pub(crate) row: Option<&'a books::Hold>,
    /// The booking it became, as the books have it.
    pub(crate) booking: Option<&'a books::Booking>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Lives<'a> {
    all: Vec<Life<'a>>,
    by_hold: HashMap<&'a HoldId, usize>,
    sessions: HashMap<&'a SessionId, u32>,
}

impl Life<'_> {
    /// Whether a buyer of this run was told of it.
    pub(crate) fn known(&self) -> bool {
        self.source != Source::Books
    }

    /// The earliest that it may have been given back.
    pub(crate) fn given_back_from(&self) -> Nanos {
        let perhaps = self.releases.iter().filter(|attempt| attempt.perhaps());
        perhaps.map(|attempt| attempt.invoked).min().unwrap_or(Nanos::MAX)
    }

    /// The earliest that its booking may have been taken back.
    pub(crate) fn cancelled_from(&self) -> Nanos {
        let perhaps = self.cancels.iter().filter(|attempt| attempt.perhaps());
        perhaps.map(|attempt| attempt.invoked).min().unwrap_or(Nanos::MAX)
    }

    /// All that was asked about it, and its deadline.
    pub(crate) fn lines(&self, history: &History) -> Vec<Line> {
        let asked = self.asked.iter().chain(&self.confirms).flat_map(Group::iter);
        let attempts = asked.chain(&self.extensions).chain(&self.releases).chain(&self.cancels);
        let told = attempts.map(|attempt| story::request(history, attempt));
        told.chain(self.came_to_be()).chain(self.lapses()).chain(self.sold_late(history)).collect()
    }

    /// How it came to be, when no request of this run tells.
    fn came_to_be(&self) -> Option<Line> {
        let (hold, seats, until) = (self.hold, story::names(self.seats), story::moment(self.deadline));
        let text = match self.source {
            Source::Asked => return None,
            Source::Offered => {
                let entry = self.entry.map_or_else(|| "somebody".to_owned(), ToString::to_string);
                format!("offered     {hold} of {seats} until {until} to {entry}")
            }
            Source::Books => format!("the books   have {hold} of {seats} until {until}"),
        };
        Some(Line::new(self.placed.until.unwrap_or(self.placed.from), text))
    }

    /// When it lapses, as was told, and as the books have it where that is another time.
    fn lapses(&self) -> Vec<Line> {
        let (told, moved) =
            (format!("deadline    of {}", self.hold), format!("deadline    of {}, moved", self.hold));
        match self.deadline {
            at if self.told == 0 || at == self.told => vec![Line::new(at, told)],
            at => vec![Line::new(self.told, told), Line::new(at, moved)],
        }
    }

    fn sold_late(&self, history: &History) -> Option<Line> {
        let booking = self.booking.filter(|_| self.late())?;
        let at = history.at_wall(booking.booked_at_ns);
        Some(Line::new(at, format!("the books   sell {} although it had lapsed", self.hold)))
    }

    /// When it was sold, if a buyer was told so.
    pub(crate) fn sold(&self) -> Option<Span> {
        let done =
            |group: &Group| group.done().map(|done| Span { from: group.invoked(), until: Some(done.ended) });
        self.confirms.iter().filter_map(done).min_by_key(|span| span.until)
    }

    /// Whether it was sold, or may have been, when it had lapsed: its money came late, and its seats were claimed anew. The
    /// books know; without them it was so unless the sale was told before the deadline.
    pub(crate) fn late(&self) -> bool {
        match (self.row, self.booking, self.sold()) {
            (Some(row), Some(booking), _) => booking.late(row),
            (_, _, Some(sold)) => sold.until.is_none_or(|until| until > self.deadline),
            _ => false,
        }
    }

    /// When its seats were claimed anew, if they were.
    pub(crate) fn claimed_anew(&self, history: &History) -> Option<Span> {
        if !self.late() {
            return None;
        }
        let lapsed = self.deadline.saturating_sub(CLOCKS);
        let written =
            self.booking.map(|booking| history.at_wall(booking.booked_at_ns).saturating_sub(CLOCKS));
        let (from, until) = self.sold().map_or((0, None), |sold| (sold.from, sold.until));
        Some(Span { from: from.max(written.unwrap_or(lapsed)), until })
    }
}

impl<'a> Lives<'a> {
    pub(crate) fn of(history: &'a History, attempts: &Attempts<'a>, books: &'a Books) -> Self {
        let mut lives = Self { all: Vec::new(), by_hold: HashMap::new(), sessions: HashMap::new() };
        lives.add_asked(history, attempts);
        lives.add_offered(history);
        lives.add_books(history, books);
        lives.add_endings(attempts, books);
        lives.tell_apart(history);
        lives.all.iter_mut().for_each(|life| life.set_deadlines(history));
        lives.all.sort_by_key(|life| life.placed.from);
        lives.by_hold = lives.all.iter().enumerate().map(|(at, life)| (life.hold, at)).collect();
        lives
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Life<'a>> {
        self.all.iter()
    }

    pub(crate) fn get(&self, hold: &HoldId) -> Option<&Life<'a>> {
        self.by_hold.get(hold).map(|at| &self.all[*at])
    }

    /// Which of our buyers a session of the books is.
    pub(crate) fn buyer(&self, session: &SessionId) -> Option<u32> {
        self.sessions.get(session).copied()
    }

    /// Of every seat, in order of its name, the lives of buyers that had it, in order of their beginning.
    pub(crate) fn by_seat(&self) -> Vec<(Place<'a>, Vec<&Life<'a>>)> {
        let mut seats: BTreeMap<Place<'a>, Vec<&Life<'a>>> = BTreeMap::new();
        for life in self.all.iter().filter(|life| life.known()) {
            for seat in life.seats {
                seats.entry((life.show, seat)).or_default().push(life);
            }
        }
        seats.into_iter().collect()
    }

    fn add(&mut self, life: Life<'a>) {
        self.by_hold.entry(life.hold).or_insert_with(|| {
            self.all.push(life);
            self.all.len() - 1
        });
    }

    fn get_mut(&mut self, hold: &HoldId) -> Option<&mut Life<'a>> {
        self.by_hold.get(hold).map(|at| &mut self.all[*at])
    }

    fn add_asked(&mut self, history: &History, attempts: &Attempts<'a>) {
        for group in attempts.grouped(hold_key) {
            let Some(done) = group.done() else { continue };
            let (Call::Hold { show, .. }, Some((hold, seats, expires_at_ns))) =
                (done.call, done.effect().and_then(held))
            else {
                continue;
            };
            let (buyer, placed) = (done.buyer, Span { from: group.invoked(), until: Some(done.ended) });
            self.add(Life {
                buyer: Some(buyer),
                placed,
                told: history.at_wall(expires_at_ns),
                asked: Some(group.clone()),
                ..Life::new(hold, show, seats, Source::Asked)
            });
        }
    }

    fn add_offered(&mut self, history: &'a History) {
        for record in &history.records {
            let What::Saw { buyer, sight, .. } = &record.what else { continue };
            let Sight::Offer { entry, hold, show, seats, expires_at_ns } = sight else { continue };
            self.add(Life {
                buyer: Some(*buyer),
                entry: Some(entry),
                placed: Span { from: 0, until: Some(record.at) },
                told: history.at_wall(*expires_at_ns),
                ..Life::new(hold, show, seats, Source::Offered)
            });
        }
    }

    fn add_books(&mut self, history: &History, books: &'a Books) {
        for row in &books.holds {
            let from = history.at_wall(row.created_at_ns).saturating_sub(CLOCKS);
            if let Some(life) = self.get_mut(&row.hold) {
                life.row = Some(row);
                if life.source == Source::Offered {
                    life.placed.from = from;
                }
                continue;
            }
            self.add(Life {
                entry: row.entry.as_ref(),
                placed: Span { from, until: None },
                row: Some(row),
                ..Life::new(&row.hold, &row.show, &row.seats, Source::Books)
            });
        }
        for booking in &books.bookings {
            if let Some(life) = self.get_mut(&booking.hold) {
                life.booking = Some(booking);
            }
        }
    }

    fn add_endings(&mut self, attempts: &Attempts<'a>, books: &'a Books) {
        for group in attempts.grouped(confirm_key) {
            let Call::Confirm { hold, .. } = group.first().call else { continue };
            if let Some(life) = self.get_mut(hold) {
                life.confirms.push(group);
            }
        }
        let entries: HashMap<&EntryId, Vec<&HoldId>> = self.offered_to();
        let sales = sales(attempts, books);
        for attempt in attempts.iter() {
            match attempt.call {
                Call::Extend { hold } => {
                    if let Some(life) = self.get_mut(hold) {
                        life.extensions.push(*attempt);
                    }
                }
                Call::Release { hold } => {
                    if let Some(life) = self.get_mut(hold) {
                        life.releases.push(*attempt);
                    }
                }
                Call::Leave { entry } => {
                    for hold in entries.get(entry).into_iter().flatten() {
                        self.get_mut(hold).expect("it is one of them").releases.push(*attempt);
                    }
                }
                Call::Cancel { booking } => {
                    if let Some(life) = sales.get(booking).and_then(|hold| self.get_mut(hold)) {
                        life.cancels.push(*attempt);
                    }
                }
                _ => {}
            }
        }
    }

    fn offered_to(&self) -> HashMap<&'a EntryId, Vec<&'a HoldId>> {
        let mut entries: HashMap<_, Vec<_>> = HashMap::new();
        for life in &self.all {
            if let Some(entry) = life.entry {
                entries.entry(entry).or_default().push(life.hold);
            }
        }
        entries
    }

    /// Who a session is; and holds of the books that a buyer knew of without a socket: they confirmed them, or gave them back.
    fn tell_apart(&mut self, history: &History) {
        for life in &mut self.all {
            let used =
                life.confirms.iter().flat_map(Group::iter).chain(&life.extensions).chain(&life.releases);
            let first = used.min_by_key(|attempt| attempt.invoked);
            if let (Source::Books, Some(first)) = (life.source, first)
                && life.row.is_some_and(|row| history.at_wall(row.created_at_ns) > 0)
            {
                (life.source, life.buyer) = (Source::Offered, Some(first.buyer));
                life.placed.until = Some(first.invoked.max(life.placed.from));
            }
        }
        let known = self.all.iter().filter_map(|life| Some((&life.row?.session, life.buyer?)));
        self.sessions = known.collect();
    }
}

impl<'a> Life<'a> {
    fn new(hold: &'a HoldId, show: &'a ShowId, seats: &'a [SeatId], source: Source) -> Self {
        Self {
            hold,
            show,
            seats,
            source,
            buyer: None,
            entry: None,
            placed: Span { from: 0, until: None },
            told: 0,
            deadline: Nanos::MAX,
            asked: None,
            confirms: Vec::new(),
            extensions: Vec::new(),
            releases: Vec::new(),
            cancels: Vec::new(),
            row: None,
            booking: None,
        }
    }
}

impl Life<'_> {
    /// From what its buyer was told of the hold itself, of its extension, and what the books say.
    fn set_deadlines(&mut self, history: &History) {
        let extended = self.extensions.iter().filter_map(|attempt| held(attempt.effect()?));
        let extended =
            extended.filter(|(hold, ..)| *hold == self.hold).map(|(_, _, at_ns)| history.at_wall(at_ns));
        self.told = self.told.max(extended.max().unwrap_or(0));
        let written = self.row.map(|row| history.at_wall(row.expires_at_ns));
        // An offer that no socket showed was told with the deadline it was made with, which the books have until it moves.
        if self.told == 0 && self.known() && !self.row.is_some_and(books::Hold::moved) {
            self.told = written.unwrap_or(0);
        }
        self.deadline = self.told.max(written.unwrap_or(0));
    }
}

/// The hold of each booking.
fn sales<'a>(attempts: &Attempts<'a>, books: &'a Books) -> HashMap<&'a BookingId, &'a HoldId> {
    let told = attempts.iter().filter_map(|attempt| match attempt.effect()? {
        Effect::Booking { booking, hold, .. } => Some((booking, hold)),
        _ => None,
    });
    books.bookings.iter().map(|row| (&row.booking, &row.hold)).chain(told).collect()
}
