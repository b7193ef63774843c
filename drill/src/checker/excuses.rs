//! Which fault excuses what, while it lasts and for a moment after ([`GRACE`]).
//!
//! A fault excuses only what nobody could have prevented: what was broken had no double, or held something that its double
//! needed. One instance of two that is killed, restarted or whose clock is wrong excuses nothing that a buyer sees but the
//! end of the sockets it had. No fault excuses a 500, a 502, a 503 that does not say when to come back, or anything about
//! whose a seat is. A machine that stands still, with everything on it, excuses that things are late.

use std::collections::HashMap;

use super::allowances::GRACE;
use super::windows::Windows;
use crate::history::{History, Nanos, What};

/// What a fault may be the excuse for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    /// A 503 that says when to come back.
    Unavailable,
    /// A request without an answer.
    NoAnswer,
    /// A live socket that ended without a word.
    SocketLost,
    /// News for a session that came late, or not at all.
    NewsLate,
    /// The same news again.
    NewsTwice,
    /// A line that was not served in time.
    LineLate,
}
use Trouble::{LineLate, NewsLate, NewsTwice, NoAnswer, SocketLost, Unavailable};

const TROUBLES: [Trouble; 6] = [Unavailable, NoAnswer, SocketLost, NewsLate, NewsTwice, LineLate];

/// When each trouble has an excuse.
#[derive(Debug)]
pub(super) struct Excuses(HashMap<Trouble, Windows>);

impl Excuses {
    pub(super) fn of(history: &History) -> Self {
        let faults = faults(history);
        let windows = |trouble| {
            let causes = faults.iter().filter(|fault| fault.excused().contains(&trouble));
            (trouble, causes.map(|fault| (fault.from, fault.until)).collect())
        };
        Self(TROUBLES.map(windows).into())
    }

    /// Whether a trouble that began and ended at these times has an excuse.
    pub(super) fn pardon(&self, trouble: Trouble, from: Nanos, until: Nanos) -> bool {
        self.0[&trouble].touch(from, until)
    }
}

/// The machine stood still: nobody's fault, and an excuse all the same.
const STOOD: &str = "stood";

struct Fault<'a> {
    kind: &'a str,
    part: &'a str,
    from: Nanos,
    until: Nanos,
}

fn faults(history: &History) -> Vec<Fault<'_>> {
    let mut faults = Vec::new();
    let mut open: HashMap<u32, usize> = HashMap::new();
    for record in &history.records {
        match &record.what {
            What::Fault { fault, name, part } => {
                open.insert(*fault, faults.len());
                faults.push(Fault { kind: name, part, from: record.at, until: Nanos::MAX });
            }
            What::Recovered { fault } => {
                if let Some(at) = open.remove(fault) {
                    faults[at].until = record.at + GRACE;
                }
            }
            What::Stood { since } => {
                let until = record.at + GRACE;
                faults.push(Fault { kind: STOOD, part: "machine", from: *since, until });
            }
            _ => {}
        }
    }
    faults
}

impl Fault<'_> {
    /// The whole table.
    fn excused(&self) -> &'static [Trouble] {
        match self.kind {
            // The only one of its kind.
            "kill" | "freeze" | "restart" if self.part == "postgres" => POSTGRES,
            "kill" | "freeze" | "restart" if self.part == "redis" => REDIS,
            "kill" | "freeze" | "restart" if self.part == "balancer" => BALANCER,
            // One of two. Killed, it may have sent what it had not yet crossed out. Frozen, it keeps requests, its locks in
            // Postgres until those time out, and the relay's turn.
            "kill" if self.sells() => &[SocketLost, NewsTwice],
            "freeze" if self.sells() => &[Unavailable, NoAnswer, SocketLost, NewsLate],
            "freeze" => &[NoAnswer],
            "kill" | "restart" | "roll" | "clock_skew" | "pubsub_drop" => &[],
            kind if kind.starts_with("postgres_") => POSTGRES,
            kind if kind.starts_with("redis_") => REDIS,
            kind if kind.starts_with("balancer_") => BALANCER,
            "link_cut" | "link_stall" | "link_slow" => self.link(),
            // It may make things late, and nothing else.
            STOOD => &[NewsLate, LineLate],
            _ => &[],
        }
    }

    /// A link is as good as what it leads to (`waitlist-1>postgres`). But one instance that cannot reach Postgres has a double
    /// that can: the balancer asks that one, and ejects whoever answers 503 where another one does not.
    fn link(&self) -> &'static [Trouble] {
        match self.part.split_once('>') {
            Some((_, "postgres")) => CUT_OFF,
            Some((_, "redis")) => REDIS,
            Some(("balancer", _)) if self.kind == "link_cut" => &[SocketLost, NewsLate],
            Some(("balancer", _)) => &[NoAnswer, SocketLost, NewsLate],
            _ => &[LineLate],
        }
    }

    /// Whether it has to do with seats, and so with locks and events.
    fn sells(&self) -> bool {
        self.part.starts_with("reservations") || self.part.starts_with("waitlist")
    }
}

/// Nobody decides without it; its connections end in the middle of whatever they were at.
const POSTGRES: &[Trouble] = &[Unavailable, NoAnswer, NewsLate, NewsTwice, LineLate];
/// Its double sells; what it was at itself is late, or done and not yet crossed out.
const CUT_OFF: &[Trouble] = &[NewsLate, NewsTwice, LineLate];
/// Selling goes on without it. News do not, and those that it had and had not yet told are lost with it.
const REDIS: &[Trouble] = &[NewsLate];
/// Everything goes through it.
const BALANCER: &[Trouble] = &[NoAnswer, SocketLost, NewsLate];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Record;

    fn one_fault(name: &str, part: &str) -> Excuses {
        let fault = What::Fault { fault: 1, name: name.into(), part: part.into() };
        let records =
            vec![Record { at: 100, what: fault }, Record { at: 200, what: What::Recovered { fault: 1 } }];
        Excuses::of(&History { began_at_ns: 0, records })
    }

    #[test]
    fn a_fault_excuses_while_it_lasts_and_a_moment_after() {
        let excuses = one_fault("postgres_restart", "postgres");
        assert!(!excuses.pardon(Unavailable, 0, 99));
        assert!(excuses.pardon(Unavailable, 0, 100));
        assert!(excuses.pardon(Unavailable, 200 + GRACE, Nanos::MAX));
        assert!(!excuses.pardon(Unavailable, 201 + GRACE, Nanos::MAX));
    }

    #[test]
    fn a_machine_that_stands_still_makes_things_late_and_nothing_else() {
        let stood = Record { at: 200, what: What::Stood { since: 100 } };
        let excuses = Excuses::of(&History { began_at_ns: 0, records: vec![stood] });
        assert!(excuses.pardon(NewsLate, 0, 100) && excuses.pardon(LineLate, 200 + GRACE, Nanos::MAX));
        assert!(!excuses.pardon(NewsLate, 0, 99) && !excuses.pardon(NewsLate, 201 + GRACE, Nanos::MAX));
        for trouble in [Unavailable, NoAnswer, SocketLost, NewsTwice] {
            assert!(!excuses.pardon(trouble, 0, Nanos::MAX), "{trouble:?}");
        }
    }

    #[test]
    fn one_of_two_excuses_no_answer_that_is_not_given() {
        for (name, part) in [
            ("kill", "reservations-1"),
            ("kill", "catalog-2"),
            ("restart", "waitlist-1"),
            ("roll", "reservations"),
            ("clock_skew", "reservations-2"),
            ("redis_flush", "redis"),
            ("pubsub_drop", "redis"),
            ("link_cut", "balancer>catalog-1"),
            ("link_cut", "reservations-1>postgres"),
            ("link_stall", "catalog-2>postgres"),
            ("link_slow", "waitlist-1>postgres"),
            ("link_stall", "waitlist-1>reservations-1"),
            ("a fault that nobody knows", "postgres"),
        ] {
            let excuses = one_fault(name, part);
            for trouble in [Unavailable, NoAnswer] {
                assert!(!excuses.pardon(trouble, 0, Nanos::MAX), "{name} of {part}: {trouble:?}");
            }
        }
    }

    #[test]
    fn what_has_no_double_excuses_what_it_does() {
        for (name, part, trouble) in [
            ("kill", "postgres", Unavailable),
            ("postgres_backends", "postgres", Unavailable),
            ("link_cut", "reservations-1>postgres", NewsLate),
            ("link_stall", "reservations-1>postgres", NewsTwice),
            ("link_slow", "waitlist-2>postgres", LineLate),
            ("balancer_kill", "balancer", NoAnswer),
            ("freeze", "reservations-1", NoAnswer),
            ("kill", "reservations-1", SocketLost),
            ("redis_restart", "redis", NewsLate),
            ("kill", "reservations-2", NewsTwice),
        ] {
            assert!(one_fault(name, part).pardon(trouble, 150, 150), "{name} of {part}: {trouble:?}");
        }
    }
}
