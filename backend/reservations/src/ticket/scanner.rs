//! `reservations verify-ticket`: what a scanner at the door does, without database, Redis, network or configuration.
//!
//! The verdict is one line on stdout, and the exit code says it too. What keeps it from judging is said on stderr.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use domain::id::{SeatId, ShowId};
use domain::ticket::Ticket;
use serde::de::DeserializeOwned;

use super::void::{VoidList, VoidPage};
use super::{PublicKeys, Refusal};

/// How the command is called.
pub const VERB: &str = "verify-ticket";
/// The largest file read: a page of void tickets is far smaller.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Says whether a ticket is good, with nothing but files.
///
/// Exit codes: 0 valid, 10 void, 11 for another show, 12 wrong signature, 13 unknown key, 14 malformed; 1 no verdict (a file cannot
/// be read, or is not what it should be), 2 the command line is wrong.
#[derive(Debug, Parser)]
#[command(bin_name = "reservations verify-ticket")]
struct Args {
    /// The answer of `GET /api/tickets/keys`.
    #[arg(long)]
    keys: PathBuf,
    /// The answer of `GET /api/shows/{id}/tickets/void`; once for each page. Tickets of other shows are refused.
    #[arg(long)]
    void: Vec<PathBuf>,
    /// The show at this door. Tickets of other shows are refused.
    #[arg(long, value_parser = |text: &str| ShowId::parse(text))]
    show: Option<ShowId>,
    /// What was scanned.
    code: String,
}

/// What is to be said at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Valid(Ticket),
    Void(Ticket),
    AnotherShow(Ticket),
    Refused(Refusal),
}

impl Verdict {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Valid(_) => 0,
            Self::Void(_) => 10,
            Self::AnotherShow(_) => 11,
            Self::Refused(Refusal::WrongSignature) => 12,
            Self::Refused(Refusal::UnknownKey(_)) => 13,
            Self::Refused(Refusal::Malformed(_)) => 14,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(ticket) => write!(formatter, "valid: {}", About(ticket)),
            Self::Void(ticket) => write!(formatter, "void: the booking was cancelled: {}", About(ticket)),
            Self::AnotherShow(ticket) => write!(formatter, "for another show: {}", About(ticket)),
            Self::Refused(Refusal::WrongSignature) => {
                write!(formatter, "wrong signature: {}", Refusal::WrongSignature)
            }
            Self::Refused(Refusal::Malformed(why)) => write!(formatter, "malformed: {why}"),
            Self::Refused(unknown @ Refusal::UnknownKey(_)) => write!(formatter, "unknown key: {unknown}"),
        }
    }
}

struct About<'a>(&'a Ticket);

impl fmt::Display for About<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticket = self.0;
        let seats: Vec<&str> = ticket.seats().iter().map(SeatId::as_str).collect();
        let (seats, show, starts_at) = (seats.join(", "), ticket.show(), ticket.starts_at());
        write!(formatter, "seats {seats}, show {show}, starts {starts_at}, booking {}", ticket.booking())
    }
}

/// Reads the command line behind the program's name.
pub fn main() -> ExitCode {
    let args = Args::parse_from(std::env::args_os().skip(1));
    match run(&args) {
        Ok(verdict) => {
            say(&verdict);
            ExitCode::from(verdict.exit_code())
        }
        Err(error) => {
            eprintln!("{VERB}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the verdict is for the person at the door")]
fn say(verdict: &Verdict) {
    println!("{verdict}");
}

fn run(args: &Args) -> anyhow::Result<Verdict> {
    let keys: PublicKeys = read(&args.keys)?;
    let pages = args.void.iter().map(|path| read(path)).collect::<Result<Vec<VoidPage>, _>>()?;
    let void = if pages.is_empty() { None } else { Some(VoidList::of(&pages)?) };
    if let (Some(show), Some(void)) = (&args.show, &void) {
        anyhow::ensure!(show == void.show(), "the void tickets are of show {}, not {show}", void.show());
    }
    let show = args.show.as_ref().or(void.as_ref().map(VoidList::show));
    Ok(judge(args.code.trim(), &keys, void.as_ref(), show))
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let read = || -> anyhow::Result<T> {
        let mut text = String::new();
        let bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
        anyhow::ensure!(bytes as u64 <= FILE_BYTES_MAX, "more than {FILE_BYTES_MAX} bytes");
        Ok(serde_json::from_str(&text)?)
    };
    read().with_context(|| path.display().to_string())
}

fn judge(code: &str, keys: &PublicKeys, void: Option<&VoidList>, show: Option<&ShowId>) -> Verdict {
    match keys.check(code) {
        Err(refusal) => Verdict::Refused(refusal),
        Ok(ticket) if show.is_some_and(|show| show != ticket.show()) => Verdict::AnotherShow(ticket),
        Ok(ticket) if void.is_some_and(|void| void.contains(ticket.booking())) => Verdict::Void(ticket),
        Ok(ticket) => Verdict::Valid(ticket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::{NEW, OLD, keys, ticket};
    use crate::ticket::void;

    #[test]
    fn every_verdict_has_words_and_an_exit_code_of_its_own() {
        let (ours, show) = (keys(NEW), ShowId::parse("show_1").unwrap());
        let (good, public) = (ours.sign(ticket("show_1")), ours.public());
        let cancelled = vec![void::id(ticket("show_1").booking())];
        let void = VoidList::of(&[VoidPage::of(show.clone(), None, cancelled)]).unwrap();
        let other = if good[200..].starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{}{other}{}", &good[..200], &good[201..]);
        for (code, void, words, exit_code) in [
            (
                good.as_str(),
                None,
                "valid: seats D4, D5, show show_1, starts 2026-12-01T19:30:00Z, booking booking_",
                0,
            ),
            (&good, Some(&void), "void: the booking was cancelled: seats D4, D5, show show_1", 10),
            (&ours.sign(ticket("show_2")), Some(&void), "for another show: seats D4, D5, show show_2", 11),
            (&forged, None, "wrong signature: ", 12),
            (&keys(OLD).sign(ticket("show_1")), None, "unknown key: the key ", 13),
            ("https://marquee.example", None, "malformed: not a ticket's code", 14),
        ] {
            let verdict = judge(code, &public, void, Some(&show));
            assert!(verdict.to_string().starts_with(words), "{verdict}");
            assert_eq!(verdict.exit_code(), exit_code, "{verdict}");
        }
    }
}
