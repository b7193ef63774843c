//! Invariant 8: no 5xx and no lost connection, unless a fault broke what has no double.

use super::Evidence;
use super::attempts::{Attempt, End};
use super::excuses::Trouble::{self, NoAnswer, SocketLost, Unavailable};
use super::story;
use super::verdict::{Judgement, Story};
use crate::history::{Call, GIVEN_UP, Nanos, Record, Sight, Step, What};

/// The test provider's token that never gets an answer: who sends it is told 503, and asked for it.
const TOKEN_WITHOUT_ANSWER: &str = "timeout";

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(8, "no 5xx to a client while another endpoint could have answered");
    for attempt in evidence.attempts.iter() {
        judgement.looked(1);
        if let Some(wrong) = unanswered(evidence, attempt) {
            judgement.accuse(|| Story::new(wrong, vec![line(evidence, attempt)]));
        }
    }
    for record in &evidence.history.records {
        if let What::Saw { sight: Sight::Closed { code }, .. } = &record.what {
            judgement.looked(1);
            if code.is_none() && !evidence.excuses.pardon(SocketLost, record.at, record.at) {
                judgement.accuse(|| tell_socket(record));
            }
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// What is wrong with an answer, or the lack of one.
fn unanswered(evidence: &Evidence, attempt: &Attempt) -> Option<String> {
    let End::Info { status, retry_after, why } = attempt.end else { return None };
    let until = if attempt.ended == Nanos::MAX { evidence.end() } else { attempt.ended };
    let pardoned = |trouble: Trouble| evidence.excuses.pardon(trouble, attempt.invoked, until);
    match status {
        Some(503) if !retry_after && !handshake(attempt.call) => {
            Some("a 503 that does not say when to come back".to_owned())
        }
        Some(503) if asked_for(attempt.call) || pardoned(Unavailable) => None,
        Some(status @ 500..) => Some(format!("a {status} that nothing excuses")),
        Some(status) => Some(format!("an answer {status} that says nothing")),
        None if why == GIVEN_UP || pardoned(NoAnswer) => None,
        // The handshake of a socket ends as the socket would.
        None if handshake(attempt.call) && pardoned(SocketLost) => None,
        None => Some("no answer, and nothing that excuses it".to_owned()),
    }
}

/// A live socket's: whoever opens one sees only the status of a refusal.
fn handshake(call: &Call) -> bool {
    *call == (Call::Read { step: Step::Live })
}

fn asked_for(call: &Call) -> bool {
    matches!(call, Call::Confirm { token, .. } if token == TOKEN_WITHOUT_ANSWER)
}

fn line(evidence: &Evidence, attempt: &Attempt) -> String {
    story::in_order([story::request(evidence.history, attempt)]).concat()
}

fn tell_socket(record: &Record) -> Story {
    let What::Saw { buyer, socket, .. } = &record.what else { return Story::new("no socket", Vec::new()) };
    let line = format!("{}  buyer {buyer:<5} loses socket {socket}", story::moment(record.at));
    Story::new("a live socket ended without a word, and nothing excuses it", vec![line])
}
