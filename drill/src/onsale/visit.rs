//! One buyer's requests, sent as a careful client sends them: each is written down, and one without a clear answer is sent
//! again under the same key, after a pause, so many times.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use domain::id::ShowId;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use reqwest::header::RETRY_AFTER;

use super::choices::{Choices, thought};
use super::op::Op;
use super::program::Show;
use super::request::{Refusal, Request, parse};
use super::sale::Sale;
use crate::buyer::{Buyer, Reply};
use crate::history::Step;

/// How often one request is sent.
const ATTEMPTS_MAX: u32 = 5;
/// How often a payment is, whose provider does not answer.
const PAYMENT_ATTEMPTS_MAX: u32 = 2;
/// The pause before the second attempt; it doubles, and is drawn from its upper half.
const PAUSE: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Who is told to come back later than this gives up.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// Why a visit ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// So many requests are enough.
    OutOfSteps,
    /// A request got no clear answer, however often it was sent.
    Unanswered,
    /// What was asked for cannot be had.
    Refused,
}

/// One buyer inside.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) sale: Arc<Sale>,
    pub(super) number: u32,
    pub(super) buyer: Buyer,
    pub(super) choices: Choices,
    pub(super) chance: Xoshiro256PlusPlus,
    steps: u32,
    keys: u32,
}

impl Visit {
    /// Of a buyer who was never here before.
    pub(super) fn new(sale: &Arc<Sale>, number: u32, choices: Choices) -> Result<Self> {
        let chance = Xoshiro256PlusPlus::seed_from_u64(choices.seed);
        let buyer = sale.stranger()?;
        Ok(Self { sale: Arc::clone(sale), number, buyer, choices, chance, steps: 0, keys: 0 })
    }

    /// The show they came for.
    pub(super) fn show(&self) -> &Show {
        &self.sale.program.shows[self.choices.show]
    }

    /// Its id.
    pub(super) fn show_id(&self) -> ShowId {
        self.show().id.clone()
    }

    /// A key that this visit has not used.
    pub(super) fn key(&mut self) -> String {
        self.keys += 1;
        format!("onsale-{}-{}-{}", self.sale.plan.seed, self.number, self.keys)
    }

    /// A while passes.
    pub(super) async fn think(&mut self) {
        tokio::time::sleep(thought(self.sale.plan.think, &mut self.chance)).await;
    }

    /// Reads a page or a list; one that is refused ends the visit.
    pub(super) async fn read(&mut self, step: Step, path: String) -> Result<Reply, Gone> {
        let reply = self.ask(&Request::read(step, path)).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(Gone::Refused) }
    }

    /// Sends a request until it has a clear answer, good or bad.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Reply, Gone> {
        let mut reply = self.ask_once(request).await?;
        let mut attempt = 1;
        while let Some(pause) = self.pause_before_another(attempt, reply.as_ref()) {
            tokio::time::sleep(pause).await;
            reply = self.ask_once(&request.again()).await?;
            attempt += 1;
        }
        reply.ok_or(Gone::Unanswered)
    }

    /// Sends a request once; nothing when there was no answer.
    pub(super) async fn ask_once(&mut self, request: &Request) -> Result<Option<Reply>, Gone> {
        if self.steps == self.sale.plan.steps_max {
            return Err(Gone::OutOfSteps);
        }
        self.steps += 1;
        Ok(send(&self.sale, self.number, &self.buyer, request).await)
    }

    /// How long to wait before the request is sent again; nothing when it has its answer, or had its chances.
    fn pause_before_another(&mut self, attempt: u32, reply: Option<&Reply>) -> Option<Duration> {
        let allowed = reply.map_or(ATTEMPTS_MAX, attempts_max);
        let told = reply.and_then(told_to_wait).unwrap_or_default();
        if attempt >= allowed || told > RETRY_AFTER_MAX {
            return None;
        }
        let full = (PAUSE * 2_u32.pow(attempt - 1)).min(PAUSE_MAX);
        Some(told.max(full.mul_f64(self.chance.random_range(0.5..1.0))))
    }
}

/// Sends a request for somebody, written down; nothing when there was no answer.
pub(super) async fn send(sale: &Sale, number: u32, buyer: &Buyer, request: &Request) -> Option<Reply> {
    let op = Op::leave(sale, number, request.call.clone());
    let key = request.key.as_ref().map(|key| ("idempotency-key", key.as_str()));
    let sent = buyer.fetch(request.method.clone(), &request.path, key.as_slice(), request.body.as_ref());
    match sent.await {
        Ok(reply) => {
            op.answered(request, &reply);
            Some(reply)
        }
        Err(error) => {
            op.unclear(None, &error.root_cause().to_string());
            None
        }
    }
}

/// How often a request may be sent that got this answer: once, when the answer is clear.
fn attempts_max(reply: &Reply) -> u32 {
    let code = || parse::<Refusal>(reply).unwrap_or_default().code;
    match reply.status.as_u16() {
        503 if code() == "payment_unavailable" => PAYMENT_ATTEMPTS_MAX,
        502..=504 => ATTEMPTS_MAX,
        409 if code() == "idempotency_key_under_way" => ATTEMPTS_MAX,
        429 if reply.headers.contains_key(RETRY_AFTER) => ATTEMPTS_MAX,
        _ => 1,
    }
}

fn told_to_wait(reply: &Reply) -> Option<Duration> {
    let seconds = reply.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
