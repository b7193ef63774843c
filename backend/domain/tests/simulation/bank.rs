//! The payment provider: whatever is asked twice is answered as before, and what is voided stays so, even when it was never
//! authorised.

use std::collections::BTreeMap;

/// What became of one attempt to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payment {
    Declined,
    Authorised,
    Captured,
    Voided,
}

#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) payments: BTreeMap<u64, Payment>,
    mood: u64,
}

impl Bank {
    pub(crate) fn new(mood: u64) -> Self {
        Self { payments: BTreeMap::new(), mood }
    }

    /// Sets money aside, unless it is declined or was voided before.
    pub(crate) fn authorise(&mut self, attempt: u64) -> Payment {
        let declined = (self.mood ^ attempt.wrapping_mul(0x9E37_79B9_7F4A_7C15)).is_multiple_of(6);
        let first = if declined { Payment::Declined } else { Payment::Authorised };
        *self.payments.entry(attempt).or_insert(first)
    }

    pub(crate) fn capture(&mut self, attempt: u64) -> Payment {
        let payment = self.payments.entry(attempt).or_insert(Payment::Voided);
        if *payment == Payment::Authorised {
            *payment = Payment::Captured;
        }
        *payment
    }

    pub(crate) fn void(&mut self, attempt: u64) -> Payment {
        let payment = self.payments.entry(attempt).or_insert(Payment::Voided);
        if *payment == Payment::Authorised {
            *payment = Payment::Voided;
        }
        *payment
    }
}
