//! Mail to people who gave an address: their offer, and how their waiting ended.
//!
//! What is to be written stands in a table, put there by the transaction that it tells of, so no crash loses it; whoever sends it
//! takes it for the time of a lease. A process that dies between sending and noting it sends it again, under the same
//! `Message-ID`. An offer that was answered meanwhile is not written about. Without a place to send to, no address is accepted.

mod config;
mod letter;
mod post;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use service::postgres;
use tokio::sync::Notify;

pub use config::MailConfig;
use letter::Letter;
use post::{Post, Unsent};

use crate::Waitlist;
use crate::metrics::Mailed;
use crate::store::mails::{self, Due};

/// Mails taken at once.
const TAKEN_MAX: i64 = 32;
/// Mails sent at the same time.
const SENT_AT_ONCE: usize = 8;
/// For this much longer than sending may take, nobody else takes a mail.
const LEASE_SLACK_MS: u64 = 5_000;
/// The pause after the first failure; each further one doubles it.
const PAUSE_MS: i64 = 1_000;
const PAUSE_DOUBLINGS_MAX: u32 = 6;
/// Useless mails dropped in one round.
const DROPPED_MAX: i64 = 1_000;

/// Where mail goes, and what wakes who sends it.
#[derive(Debug)]
pub(crate) struct Mail {
    post: Option<Post>,
    letters: Letter,
    lease_ms: i64,
    written: Notify,
}

impl Mail {
    /// From a valid configuration.
    pub(crate) fn new(config: &MailConfig) -> anyhow::Result<Self> {
        Ok(Self {
            post: Post::new(config)?,
            letters: Letter::new(config)?,
            lease_ms: i64::try_from(config.timeout_ms + LEASE_SLACK_MS).unwrap_or(i64::MAX),
            written: Notify::new(),
        })
    }

    /// Whether people may leave an address.
    pub(crate) fn works(&self) -> bool {
        self.post.is_some()
    }

    /// Something was committed that is to be sent.
    pub(crate) fn ring_if(&self, written: bool) {
        if written {
            self.written.notify_one();
        }
    }
}

/// Sends until drained.
pub(crate) async fn run(waitlist: Arc<Waitlist>) {
    let Some(post) = &waitlist.mail.post else { return };
    let interval = Duration::from_millis(waitlist.config.serve_interval_ms);
    let last_success = waitlist.metrics.loops.begin("mail", interval);
    let mut failing = false;
    loop {
        tokio::select! {
            () = waitlist.mail.written.notified() => {}
            going_on = waitlist.drain.pause(interval) => if !going_on { return },
        }
        let outcome = send_all(&waitlist, post).await;
        // Said once: the next rounds will mostly fail the same way.
        if let (Err(error), false) = (&outcome, failing) {
            tracing::warn!(%error, "mails wait");
        }
        failing = outcome.is_err();
        last_success.note_if(!failing);
    }
}

/// Sends what is due, until nothing is or it is time to stop.
async fn send_all(waitlist: &Waitlist, post: &Post) -> Result<(), postgres::Error> {
    let dropped = mails::drop_useless(&waitlist.connection().await?, DROPPED_MAX).await?;
    waitlist.metrics.mails(Mailed::Dropped, dropped);
    while !waitlist.drain.is_stopped() {
        let due = mails::claim(&waitlist.connection().await?, waitlist.mail.lease_ms, TAKEN_MAX).await?;
        if due.is_empty() {
            break;
        }
        let sending: Vec<_> = due.iter().map(|mail| send(waitlist, post, mail)).collect();
        let sent: Vec<_> = futures_util::stream::iter(sending).buffer_unordered(SENT_AT_ONCE).collect().await;
        sent.into_iter().collect::<Result<(), _>>()?;
    }
    let waiting = mails::waiting(&waitlist.connection().await?).await?;
    waitlist.metrics.mails_waiting.set(waiting);
    Ok(())
}

async fn send(waitlist: &Waitlist, post: &Post, mail: &Due) -> Result<(), postgres::Error> {
    let outcome = match waitlist.mail.letters.about(mail) {
        Ok(letter) => post.send(letter).await,
        Err(error) => Err(Unsent::ForGood(error.to_string())),
    };
    let connection = waitlist.connection().await?;
    match outcome {
        Ok(()) => {
            waitlist.metrics.mails(Mailed::Sent, 1);
            tracing::info!(entry_id = %mail.entry_id, kind = mail.kind.as_str(), "a mail is sent");
            mails::done(&connection, mail.id).await
        }
        Err(Unsent::ForGood(cause)) => {
            let cause = without_address(&cause, mail);
            waitlist.metrics.mails(Mailed::Refused, 1);
            tracing::warn!(entry_id = %mail.entry_id, kind = mail.kind.as_str(), cause, "a mail cannot be sent");
            mails::done(&connection, mail.id).await
        }
        Err(Unsent::ForNow(cause)) => {
            let cause = without_address(&cause, mail);
            waitlist.metrics.mails(Mailed::Postponed, 1);
            tracing::warn!(entry_id = %mail.entry_id, attempts = mail.attempts, cause, "a mail is tried again");
            mails::postpone(&connection, mail.id, pause_ms(mail.attempts)).await
        }
    }
}

/// Servers like to repeat whom they refuse; our log does not.
fn without_address(cause: &str, mail: &Due) -> String {
    cause.replace(&mail.email, "the address")
}

fn pause_ms(attempts: i32) -> i64 {
    let doublings = attempts.unsigned_abs().saturating_sub(1).min(PAUSE_DOUBLINGS_MAX);
    PAUSE_MS << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute() {
        assert_eq!([1, 2, 3, 7, 8, 1_000].map(pause_ms), [1_000, 2_000, 4_000, 64_000, 64_000, 64_000]);
    }
}
