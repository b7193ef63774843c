//! The bugs that are planted, and what each must be found to break. No line of the product is changed: only what it says to
//! Postgres is, on the way.

use std::pin::Pin;

use crate::drives;
use crate::sabotage::Sabotage::{self, Rewrite, RollBack};
use crate::sabotage::Statement;
use crate::stage::Scene;

/// A play, ready to be given.
pub(crate) type Play = fn(Scene) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One bug.
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) sabotage: Sabotage,
    /// The play that comes near it.
    pub(crate) play: Play,
    /// Without Redis, whose gate would hide it.
    pub(crate) ungated: bool,
    /// The invariant that is broken, and words of the story that says so.
    pub(crate) breaks: u8,
    pub(crate) story: &'static str,
}

/// All plays, for a fleet without a bug.
pub(crate) const PLAYS: [Play; 7] = [
    |scene| Box::pin(drives::contend(scene)),
    |scene| Box::pin(drives::sell(scene)),
    |scene| Box::pin(drives::lapse(scene)),
    |scene| Box::pin(drives::stand_in_line(scene)),
    |scene| Box::pin(drives::pass_by(scene)),
    |scene| Box::pin(drives::repeat(scene)),
    |scene| Box::pin(drives::outstay(scene)),
];

/// All bugs.
pub(crate) const BUGS: [Bug; 8] = [
    Bug {
        name: "a claim without its token",
        // Whose a seat is, is decided from what the locked rows say, and once more by the conditional write.
        sabotage: Rewrite(&[
            Statement {
                within: "FROM reservations.claims AS c JOIN (SELECT DISTINCT show_id, seat_id",
                changes: &[(
                    "c.status,",
                    "CASE c.status WHEN 'held' THEN 'free' ELSE c.status END AS status,",
                )],
            },
            Statement {
                within: "INSERT INTO reservations.claims",
                changes: &[("WHERE c.token < excluded.token", "WHERE true OR c.token < excluded.token")],
            },
        ]),
        play: |scene| Box::pin(drives::contend(scene)),
        ungated: true,
        breaks: 3,
        story: "had two owners at once",
    },
    Bug {
        name: "a sweeper without its lock",
        // One that finds something takes so long about it that the other has looked too.
        sabotage: Rewrite(&[Statement {
            within: "FROM reservations.holds",
            changes: &[
                (
                    "ORDER BY expires_at",
                    "AND coalesce((SELECT pg_sleep(0.5))::text, id) IS NOT NULL ORDER BY expires_at",
                ),
                ("FOR UPDATE SKIP LOCKED", ""),
            ],
        }]),
        play: |scene| Box::pin(drives::lapse(scene)),
        ungated: false,
        breaks: 5,
        story: "was announced to be over more than once",
    },
    Bug {
        name: "a publish before the commit",
        sabotage: RollBack { after: "INSERT INTO reservations.bookings", every: 3 },
        play: |scene| Box::pin(drives::sell(scene)),
        ungated: false,
        breaks: 2,
        story: "is not in the books",
    },
    Bug {
        name: "an offer out of order",
        sabotage: Rewrite(&[Statement {
            within: "FROM waitlist.entries e",
            changes: &[
                ("SELECT e.seq, e.id", "SELECT -e.seq, e.id"),
                ("e.seq > $3", "-e.seq > $3"),
                ("ORDER BY e.seq LIMIT", "ORDER BY -e.seq LIMIT"),
            ],
        }]),
        play: |scene| Box::pin(drives::stand_in_line(scene)),
        ungated: false,
        breaks: 6,
        story: "was passed over",
    },
    Bug {
        name: "the street before the line",
        // What comes free goes on sale at once, whoever waits.
        sabotage: Rewrite(&[Statement {
            within: "FROM reservations.queues WHERE show_id = ANY($1) ORDER BY show_id FOR SHARE",
            changes: &[("SELECT show_id, open", "SELECT show_id, false AS open")],
        }]),
        play: |scene| Box::pin(drives::pass_by(scene)),
        ungated: false,
        breaks: 6,
        story: "went to the street while",
    },
    Bug {
        name: "a lost outbox row",
        sabotage: Rewrite(&[Statement {
            within: "INSERT INTO reservations.outbox",
            changes: &[("ORDER BY place", "WHERE hashtext(event::text) % 3 <> 0 ORDER BY place")],
        }]),
        play: |scene| Box::pin(drives::lapse(scene)),
        ungated: false,
        breaks: 5,
        story: "who listened, was never told",
    },
    Bug {
        name: "an idempotency key ignored",
        // Whoever comes with it is the first, whatever was answered before.
        sabotage: Rewrite(&[Statement {
            within: "INSERT INTO reservations.idempotency",
            changes: &[
                ("DO UPDATE SET", "DO UPDATE SET status = NULL, body = NULL,"),
                (
                    "WHERE i.status IS NULL AND i.fingerprint",
                    "WHERE true OR i.status IS NULL AND i.fingerprint",
                ),
            ],
        }]),
        play: |scene| Box::pin(drives::repeat(scene)),
        ungated: false,
        breaks: 9,
        story: "one key was answered with two bodies",
    },
    Bug {
        name: "an extension that the claims forget",
        sabotage: Rewrite(&[Statement {
            within: "UPDATE reservations.claims AS c SET expires_at = h.expires_at",
            changes: &[("SET expires_at = h.expires_at", "SET expires_at = c.expires_at")],
        }]),
        play: |scene| Box::pin(drives::outstay(scene)),
        ungated: false,
        breaks: 4,
        story: "got it",
    },
];
