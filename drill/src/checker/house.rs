//! Invariant 10: free, held and booked make up the house, at every instant that was looked at. The audit of the books says
//! so: every claim is of a seat that the room has, in one state, and every other table agrees.

use super::Evidence;
use super::verdict::Judgement;

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(10, "free + held + booked = capacity, at every instant");
    if !evidence.books.known() {
        return judgement;
    }
    judgement.looked(evidence.audit.checked as usize);
    judgement.looked(evidence.books.samples as usize);
    evidence.complaints(&mut judgement);
    judgement
}
