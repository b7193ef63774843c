//! How much a judgement gives the run that it judges, and why. Nothing else is forgiven.

use std::time::Duration;

use crate::history::Nanos;

/// Clocks that should agree: the database's, which sets deadlines and writes down when something was; Redis', which the gate
/// compares deadlines with; the wall clock of the judged run, with which its own times are made comparable.
pub(crate) const CLOCKS: Nanos = millis(50);

/// How soon a lapsed hold is announced. DESIGN's word.
pub(crate) const ANNOUNCED_WITHIN: Nanos = seconds(1);

/// How late the measuring side may be: a frame waits in its socket until the buyer's task has its turn.
pub(crate) const MEASURING: Nanos = millis(500);

/// How long a view may show what is over. DESIGN's word for every view, and the gate is one: where a call to Redis failed,
/// its mirror is mended by the second look of the reconciler.
pub(crate) const VIEWS_SETTLE: Nanos = seconds(2);

/// How long a request whose answer was lost may still be at work: what the service gives a request, and then the gate's
/// claim that waits for Postgres.
pub(crate) const LOST_REQUEST_WORKS: Nanos = seconds(12);

/// How long seats that came free wait for the line before they go on open sale (`escrow_seconds`), and one round of the
/// waitlist's backstop.
pub(crate) const ESCROWED: Nanos = seconds(32);

/// How long they are kept for it in any case: the shortest `escrow_seconds` of a fleet that is judged.
pub(crate) const KEPT_FOR_THE_LINE: Nanos = seconds(5);

/// After a fault is over and the fleet is whole: connections are made anew, what waited is done.
pub(crate) const GRACE: Nanos = seconds(3);

/// Nanoseconds of whole seconds.
pub(crate) const fn seconds(count: u64) -> Nanos {
    Duration::from_secs(count).as_nanos() as Nanos
}

/// Nanoseconds of whole milliseconds.
pub(crate) const fn millis(count: u64) -> Nanos {
    Duration::from_millis(count).as_nanos() as Nanos
}
