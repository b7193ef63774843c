//! One request on its way: written down when it leaves and when it ends, however it ends.

use std::sync::atomic::Ordering;

use domain::id::SeatId;

use super::request::{Refusal, Request, parse};
use super::sale::Sale;
use crate::buyer::Reply;
use crate::history::{Call, Effect, GIVEN_UP, Nanos, OpId, Sight, What};

/// The test provider's way to say that nothing was charged.
const PAYMENT_UNAVAILABLE: &str = "payment_unavailable";

/// A request that has left. Dropped without an end, it was given up.
#[derive(Debug)]
pub(super) struct Op<'sale> {
    sale: &'sale Sale,
    id: OpId,
    left: Nanos,
    open: bool,
}

impl<'sale> Op<'sale> {
    /// It leaves now.
    pub(super) fn leave(sale: &'sale Sale, buyer: u32, call: Call) -> Self {
        // Before the record, so that no sight of the change can be earlier.
        let left = sale.recorder.now();
        Self { sale, id: sale.recorder.invoke(buyer, call), left, open: true }
    }

    /// There is an answer.
    pub(super) fn answered(self, request: &Request, reply: &Reply) {
        let status = reply.status.as_u16();
        match status {
            200..300 => match request.effect(reply) {
                Some(effect) => self.done(request, status, effect),
                None => self.unknown(Some(status), retry_after(reply), "the answer cannot be read"),
            },
            400..500 => self.refused(status, reply),
            _ if parse::<Refusal>(reply).is_some_and(|refusal| refusal.code == PAYMENT_UNAVAILABLE) => {
                self.refused(status, reply);
            }
            _ => {
                let code = parse::<Refusal>(reply).unwrap_or_default().code;
                self.unknown(Some(status), retry_after(reply), &code);
            }
        }
    }

    /// It was done, and there is nothing to remember of it.
    pub(super) fn done_plainly(self, status: u16) {
        self.end(|op| What::Ok { op, status, effect: Effect::Nothing });
    }

    /// It was refused, without a word that we could read.
    pub(super) fn refused_plainly(self, status: u16) {
        self.sale.tally.refused.fetch_add(1, Ordering::Relaxed);
        self.end(|op| What::Fail { op, status, code: String::new(), retry_after: false, lost: Vec::new() });
    }

    /// There is no answer, or one of which we know no more than its status.
    pub(super) fn unclear(self, status: Option<u16>, why: &str) {
        self.unknown(status, false, why);
    }

    /// Nothing tells whether it was done.
    fn unknown(self, status: Option<u16>, retry_after: bool, why: &str) {
        let tally = &self.sale.tally;
        let count = if status.is_some() { &tally.failed } else { &tally.unanswered };
        count.fetch_add(1, Ordering::Relaxed);
        self.end(|op| What::Info { op, status, retry_after, why: why.to_owned() });
    }

    fn done(self, request: &Request, status: u16, effect: Effect) {
        let (sale, left) = (self.sale, self.left);
        let seats = note(sale, request, &effect);
        self.end(|op| What::Ok { op, status, effect });
        let Some((show, status)) = &request.turns else { return };
        // Who had seen the change before its cause was known.
        for (seen, behind) in sale.changes.caused(show, &seats, *status, left) {
            let sight = Sight::Change { behind };
            sale.recorder.record(What::Saw { buyer: seen.buyer, socket: seen.socket, sight });
        }
    }

    fn refused(self, status: u16, reply: &Reply) {
        self.sale.tally.refused.fetch_add(1, Ordering::Relaxed);
        let Refusal { code, unavailable: lost, .. } = parse(reply).unwrap_or_default();
        let retry_after = retry_after(reply);
        self.end(|op| What::Fail { op, status, code, retry_after, lost });
    }

    fn end(mut self, what: impl FnOnce(OpId) -> What) {
        self.open = false;
        self.sale.recorder.record(what(self.id));
    }
}

/// Whether the answer says when to come back.
fn retry_after(reply: &Reply) -> bool {
    reply.headers.contains_key("retry-after")
}

impl Drop for Op<'_> {
    fn drop(&mut self) {
        if self.open {
            let why = GIVEN_UP.to_owned();
            self.sale.recorder.record(What::Info { op: self.id, status: None, retry_after: false, why });
        }
    }
}

/// Remembers what the whole sale wants to know of an effect; returns the seats that it changed.
fn note(sale: &Sale, request: &Request, effect: &Effect) -> Vec<SeatId> {
    match effect {
        Effect::Hold { hold, seats, expires_at_ns } => {
            sale.note_deadline(hold, *expires_at_ns);
            seats.clone()
        }
        Effect::Booking { booking, hold, seats, .. } => {
            sale.note_over(hold);
            sale.note_sold(booking, seats.len());
            seats.clone()
        }
        Effect::Nothing | Effect::Entry { .. } => {
            if let Call::Release { hold } = &request.call {
                sale.note_over(hold);
            }
            Vec::new()
        }
    }
}
