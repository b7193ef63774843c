//! Which seats of a plan are not free: one bit each.

use std::ops::Range;

/// Bits in a word.
const BITS: usize = u64::BITS as usize;

/// The seats that cannot be had, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken(Vec<u64>);

impl Taken {
    /// Nothing of so many seats.
    pub fn none(capacity: usize) -> Self {
        Self(vec![0; capacity.div_ceil(BITS)])
    }

    /// All of so many seats.
    pub fn all(capacity: usize) -> Self {
        Self(vec![u64::MAX; capacity.div_ceil(BITS)])
    }

    /// Gives a seat back.
    pub fn release(&mut self, seat: usize) {
        self.0[seat / BITS] &= !(1 << (seat % BITS));
    }

    /// Takes a seat.
    pub fn take(&mut self, seat: usize) {
        self.0[seat / BITS] |= 1 << (seat % BITS);
    }

    /// Whether a seat is free.
    pub fn free(&self, seat: usize) -> bool {
        self.0[seat / BITS] & (1 << (seat % BITS)) == 0
    }

    /// Whether all of these are.
    pub fn all_free(&self, mut seats: Range<usize>) -> bool {
        seats.all(|seat| self.free(seat))
    }
}
