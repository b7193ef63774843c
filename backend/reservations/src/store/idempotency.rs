//! `reservations.idempotency`: the first answer to each key, kept for 24 hours.
//!
//! A row without an answer is an attempt under way, which may have set money aside; its lease says until when it is thought alive,
//! unless Postgres knows before that its holder is gone ([`service::postgres::presence`]).
//! Whoever has the lease, and nobody else, answers the key or gives it back, and then the row has no lease any more. What the
//! attempt may have set aside is due to be given back in the same transaction, so that no attempt is both voided and taken over.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{HoldId, SessionId};
use serde_json::Value;
use service::postgres::{Connection, presence};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Result;

/// How long an answer is kept.
const KEPT_HOURS: f64 = 24.0;
/// Answers dropped by one statement.
const SWEPT_AT_ONCE: i64 = 2_000;

/// A key of a session, and what it is used for.
#[derive(Debug, Clone)]
pub struct Used {
    /// Whose.
    pub session: SessionId,
    /// The `Idempotency-Key`.
    pub key: String,
    /// What the request asks for.
    pub fingerprint: String,
    /// What it confirms.
    pub hold: HoldId,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing: the caller is first and must [`finish`] or [`forget`] with this lease.
    Fresh(Lease),
    /// It was answered.
    Answered(u16, Value),
    /// Somebody is at it.
    UnderWay,
    /// It was used for something else.
    Different,
}

/// The right to answer a key, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    id: String,
    /// What the payment provider knows the attempt by: the same for all who take the key over, and new when it was given back.
    pub attempt: String,
}

impl Lease {
    /// Whether another began the attempt, and may have set money aside.
    pub fn taken_over(&self) -> bool {
        self.id != self.attempt
    }
}

struct Columns<'a> {
    sessions: Vec<&'a str>,
    keys: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(used: &[&'a Used]) -> Self {
        Self {
            sessions: used.iter().map(|used| used.session.as_str()).collect(),
            keys: used.iter().map(|used| used.key.as_str()).collect(),
        }
    }
}

/// For how long keys are taken, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// How long the taker is thought alive.
    pub lease: Duration,
    /// The number of its process; none when Postgres could not tell whether that lives.
    pub holder: Option<i32>,
}

/// Takes keys, and says what is known of each. A taker whose lease ran out is thought dead, and one whose process is gone is
/// dead: the next one takes over. Of two with the same key the second finds the first under way.
pub async fn begin(transaction: &Transaction<'_>, used: &[&Used], term: Term) -> Result<Vec<Known>> {
    let mut seen = HashSet::new();
    let first: Vec<bool> =
        used.iter().map(|used| seen.insert((used.session.as_str(), used.key.as_str()))).collect();
    let firsts: Vec<&Used> =
        std::iter::zip(used, &first).filter(|(_, first)| **first).map(|(used, _)| *used).collect();
    let leases: Vec<String> = firsts.iter().map(|_| crate::names::fresh("lease")).collect();
    let taken = take(transaction, &firsts, &leases, term).await?;
    let others: Vec<&Used> =
        firsts.iter().filter(|used| !taken.contains_key(&key_of(used))).copied().collect();
    let mut found = find(transaction, &others).await?.into_iter();
    let mut leases = leases.into_iter();
    let known = std::iter::zip(used, first).map(|(used, first)| {
        if !first {
            return Known::UnderWay;
        }
        let id = leases.next().unwrap_or_default();
        match taken.get(&key_of(used)) {
            Some(attempt) => Known::Fresh(Lease { id, attempt: attempt.clone() }),
            None => found.next().unwrap_or(Known::UnderWay),
        }
    });
    Ok(known.collect())
}

fn key_of(used: &Used) -> (String, String) {
    (used.session.as_str().to_owned(), used.key.clone())
}

static TAKE: LazyLock<String> = LazyLock::new(|| {
    let gone = presence::gone("i.holder");
    format!(
        "INSERT INTO reservations.idempotency AS i (session_id, key, fingerprint, lease, attempt, lease_until, holder)
         SELECT session_id, key, fingerprint, lease, lease, clock_timestamp() + $5 * interval '1 second', $6
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (session_id, key, fingerprint, lease)
         ORDER BY session_id, key
         ON CONFLICT (session_id, key) DO UPDATE SET lease_until = excluded.lease_until, lease = excluded.lease,
            holder = excluded.holder, attempt = coalesce(i.attempt, excluded.attempt)
            WHERE i.status IS NULL AND i.fingerprint = excluded.fingerprint
              AND (i.lease_until <= clock_timestamp() OR {gone})
         RETURNING session_id, key, attempt"
    )
});

/// Which of the keys are now ours, and by what the attempt at each is known.
async fn take(
    transaction: &Transaction<'_>,
    used: &[&Used],
    leases: &[String],
    term: Term,
) -> Result<HashMap<(String, String), String>> {
    let take = transaction.prepare_cached(&TAKE).await?;
    let Columns { sessions, keys } = Columns::of(used);
    let fingerprints: Vec<_> = used.iter().map(|used| used.fingerprint.as_str()).collect();
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&sessions, &keys, &fingerprints, &leases, &term.lease.as_secs_f64(), &term.holder];
    let rows = transaction.query(&take, &parameters).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// What others did with these keys, in their order.
async fn find(transaction: &Transaction<'_>, used: &[&Used]) -> Result<Vec<Known>> {
    if used.is_empty() {
        return Ok(Vec::new());
    }
    let find = "SELECT i.fingerprint, i.status, i.body
                FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS u (session_id, key, at)
                LEFT JOIN reservations.idempotency AS i ON i.session_id = u.session_id AND i.key = u.key ORDER BY u.at";
    let find = transaction.prepare_cached(find).await?;
    let Columns { sessions, keys } = Columns::of(used);
    let rows = transaction.query(&find, &[&sessions, &keys]).await?;
    Ok(std::iter::zip(used, &rows).map(|(used, row)| known(used, row)).collect())
}

fn known(used: &Used, row: &Row) -> Known {
    match row.get::<_, Option<String>>("fingerprint") {
        Some(fingerprint) if fingerprint != used.fingerprint => Known::Different,
        _ => answered(row).unwrap_or(Known::UnderWay),
    }
}

fn answered(row: &Row) -> Option<Known> {
    let (status, body) = (row.get::<_, Option<i32>>("status")?, row.get::<_, Option<Value>>("body")?);
    Some(Known::Answered(u16::try_from(status).unwrap_or(500), body))
}

/// Keeps keys from being answered or taken over by others until the transaction ends; says whether each is still its
/// lease's to answer. In one order, so that nobody waits in a circle.
pub async fn lock(transaction: &Transaction<'_>, attempts: &[(&Used, &Lease)]) -> Result<Vec<bool>> {
    let lock = "SELECT u.at, i.lease = u.lease AND i.status IS NULL FROM reservations.idempotency AS i
                JOIN unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (session_id, key, lease, at)
                    ON i.session_id = u.session_id AND i.key = u.key
                ORDER BY i.session_id, i.key FOR UPDATE OF i";
    let lock = transaction.prepare_cached(lock).await?;
    let used: Vec<&Used> = attempts.iter().map(|(used, _)| *used).collect();
    let Columns { sessions, keys } = Columns::of(&used);
    let leases: Vec<_> = attempts.iter().map(|(_, lease)| lease.id.as_str()).collect();
    let rows = transaction.query(&lock, &[&sessions, &keys, &leases]).await?;
    let ours: HashSet<i64> = rows.iter().filter(|row| row.get(1)).map(|row| row.get(0)).collect();
    Ok((1..).take(attempts.len()).map(|at| ours.contains(&at)).collect())
}

/// A first answer.
#[derive(Debug, Clone)]
pub struct Answer<'a> {
    /// Whose key.
    pub used: &'a Used,
    /// The right to answer it.
    pub lease: &'a Lease,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a Value,
}

/// Keeps first answers, and says how many: who lost a key answers it no more.
pub async fn finish(client: &impl GenericClient, answers: &[Answer<'_>]) -> Result<u64> {
    let finish = "UPDATE reservations.idempotency AS i SET status = a.status, body = a.body, lease = ''
                  FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::jsonb[]) AS a (session_id, key, lease, status, body)
                  WHERE i.session_id = a.session_id AND i.key = a.key AND i.lease = a.lease";
    let finish = client.prepare_cached(finish).await?;
    let used: Vec<&Used> = answers.iter().map(|answer| answer.used).collect();
    let Columns { sessions, keys } = Columns::of(&used);
    let leases: Vec<_> = answers.iter().map(|answer| answer.lease.id.as_str()).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| i32::from(answer.status)).collect();
    let bodies: Vec<_> = answers.iter().map(|answer| answer.body).collect();
    Ok(client.execute(&finish, &[&sessions, &keys, &leases, &statuses, &bodies]).await?)
}

/// Gives a key back: nothing was done. Says how many, 1 or 0: who took over after the lease ran out keeps it.
pub async fn forget(transaction: &Transaction<'_>, used: &Used, lease: &Lease) -> Result<u64> {
    let forget = "DELETE FROM reservations.idempotency WHERE session_id = $1 AND key = $2 AND lease = $3";
    let forget = transaction.prepare_cached(forget).await?;
    Ok(transaction.execute(&forget, &[&used.session.as_str(), &used.key, &lease.id]).await?)
}

/// Lets go of a key whose outcome is not known: the next attempt may take it up at once.
pub async fn leave(client: &Connection, used: &Used, lease: &Lease) -> Result<()> {
    let end = "UPDATE reservations.idempotency SET lease_until = clock_timestamp()
               WHERE session_id = $1 AND key = $2 AND lease = $3";
    let end = client.prepare_cached(end).await?;
    client.execute(&end, &[&used.session.as_str(), &used.key, &lease.id]).await?;
    Ok(())
}

/// Gives back keys whose lease ran out so long ago, and returns what the provider knows their attempts by. A key without an
/// attempt is an older program's, which asks for its money in its own way.
pub async fn forget_abandoned(
    transaction: &Transaction<'_>,
    age: Duration,
    limit: i64,
) -> Result<Vec<String>> {
    let forget = "DELETE FROM reservations.idempotency WHERE ctid = ANY (ARRAY(
                      SELECT ctid FROM reservations.idempotency
                      WHERE status IS NULL AND attempt IS NOT NULL
                        AND lease_until < statement_timestamp() - $1 * interval '1 second'
                      ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED))
                  RETURNING attempt";
    let forget = transaction.prepare_cached(forget).await?;
    let rows = transaction.query(&forget, &[&age.as_secs_f64(), &limit]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Drops answers that are old enough, so many at a time that one statement is never long.
pub async fn sweep(client: &Connection) -> Result<u64> {
    let sweep = "DELETE FROM reservations.idempotency WHERE (session_id, key) IN
                 (SELECT session_id, key FROM reservations.idempotency
                  WHERE (status IS NOT NULL OR attempt IS NULL) AND created_at < statement_timestamp() - $1 * interval '1 hour'
                  ORDER BY created_at LIMIT $2)";
    let mut dropped = 0;
    loop {
        let rows = client.execute(sweep, &[&KEPT_HOURS, &SWEPT_AT_ONCE]).await?;
        dropped += rows;
        if rows < SWEPT_AT_ONCE.unsigned_abs() {
            return Ok(dropped);
        }
    }
}
