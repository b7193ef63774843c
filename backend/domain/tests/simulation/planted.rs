//! Bugs planted on purpose: a simulation that finds none of them proves nothing.

use crate::run::{first_violation, tell};

/// Within so many seeds each bug must be found.
const SEEDS: u64 = 256;

/// One thing done wrong, everywhere in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A live hold can be taken from its owner.
    TakeIgnoresTheDeadline,
    /// Of two seats the one that is free is taken, and the other one refused.
    PartOfAHoldIsTaken,
    /// The mirror believes old news.
    ApplyIgnoresTokens,
    /// An undo frees what Postgres has confirmed meanwhile.
    UndoFreesWhatIsConfirmed,
    /// Two sweepers that read the same holds announce them both.
    SweepersAnnounceWhatTheyRead,
    /// Sweepers end holds before their deadline.
    SweepersAreEarly,
    /// A repeated confirmation is taken for a new one.
    ConfirmForgetsTheKey,
    /// Money that comes late takes seats that are somebody else's by now.
    LateMoneyTakesAnything,
    /// What is not booked stays authorised.
    NothingIsVoided,
    /// What comes free goes to the street although people wait.
    FreedPastTheQueue,
    /// The waiting list is served from its end.
    TheLastInLineIsServedFirst,
    /// Of an offer out of several escrows all but the first keep their seats.
    OnlyTheFirstEscrowIsEmptied,
    /// Whoever gathers keeps seats for as long as it likes.
    EscrowsAreKeptPastTheirBound,
    /// A mirror that begins anew counts from where it began before.
    EpochsStandStill,
}

/// What is said of it when it is found.
const PLANTED: [(Bug, &str); 14] = [
    (Bug::TakeIgnoresTheDeadline, "is live"),
    (Bug::PartOfAHoldIsTaken, "capacity"),
    (Bug::ApplyIgnoresTokens, "drift"),
    (Bug::UndoFreesWhatIsConfirmed, "gives away"),
    (Bug::SweepersAnnounceWhatTheyRead, "announced 2 times"),
    (Bug::SweepersAreEarly, "before its deadline"),
    (Bug::ConfirmForgetsTheKey, "key"),
    (Bug::LateMoneyTakesAnything, "is live"),
    (Bug::NothingIsVoided, "rest"),
    (Bug::FreedPastTheQueue, "past those who wait"),
    (Bug::TheLastInLineIsServedFirst, "passed over"),
    (Bug::OnlyTheFirstEscrowIsEmptied, "capacity"),
    (Bug::EscrowsAreKeptPastTheirBound, "past its bound"),
    (Bug::EpochsStandStill, "all has been quiet"),
];

#[test]
fn every_planted_bug_is_found() {
    for (bug, said) in PLANTED {
        let Some(seed) = first_violation(SEEDS, Some(bug)) else {
            panic!("{bug:?} was not found in {SEEDS} seeds");
        };
        let story = tell(seed, Some(bug));
        let violation = story.violation.as_ref().unwrap();
        assert!(violation.contains(said), "{bug:?} was found as something else: {}", story.ending());
    }
}
