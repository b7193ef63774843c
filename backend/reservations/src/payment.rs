//! Payment: a small trait, and the test provider that stands behind it until a real one does.

use std::time::Duration;

use async_trait::async_trait;
use domain::id::HoldId;
use domain::money::Money;

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// What for.
    pub hold: &'a HoldId,
    /// What the provider knows it by: a repeated order is the same order, and of none that is voided there will be another.
    pub attempt: &'a str,
    /// How much.
    pub price: &'a Money,
    /// What the buyer's browser got from the provider.
    pub token: &'a str,
}

/// Money that is set aside for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// As the provider calls it.
    pub reference: String,
}

/// Why there is no money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The provider said no.
    #[error("declined")]
    Declined,
    /// The provider does not know the token.
    #[error("unknown token")]
    UnknownToken,
    /// No answer: it may or may not have been done, so it must be undone or done again.
    #[error("no answer")]
    Unknown,
}

/// A payment provider. Every call may be repeated, by several processes at once, and has one effect. A call that is given up may
/// still arrive, long after.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Sets money aside. A call that arrives after the attempt was voided sets nothing aside: the void may overtake it.
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError>;
    /// Takes what was set aside. Not called for an attempt that is voided.
    async fn capture(&self, reference: &str) -> Result<(), PaymentError>;
    /// Gives back what was set aside for an attempt, if anything was; the provider may never have heard of it. From the first such
    /// call on nobody authorises the attempt anew or books what was set aside for it.
    async fn void(&self, attempt: &str) -> Result<(), PaymentError>;
    /// Gives back what was taken.
    async fn refund(&self, reference: &str) -> Result<(), PaymentError>;
}

/// The longest the test provider takes when it is told to be slow.
const SLOW_MS_MAX: u64 = 30_000;

/// The built-in provider: the token says what happens. `ok` pays, `slow_2500` pays after so many milliseconds, `declined` is
/// refused, `timeout` never answers.
#[derive(Debug, Clone, Copy)]
pub struct TestProvider;

#[async_trait]
impl PaymentProvider for TestProvider {
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError> {
        if let Some(pause) = slow(order.token) {
            tokio::time::sleep(pause).await;
            return Ok(authorisation(order));
        }
        match order.token {
            "ok" => Ok(authorisation(order)),
            "declined" => Err(PaymentError::Declined),
            "timeout" => Err(PaymentError::Unknown),
            _ => Err(PaymentError::UnknownToken),
        }
    }

    async fn capture(&self, _reference: &str) -> Result<(), PaymentError> {
        Ok(())
    }

    async fn void(&self, _attempt: &str) -> Result<(), PaymentError> {
        Ok(())
    }

    async fn refund(&self, _reference: &str) -> Result<(), PaymentError> {
        Ok(())
    }
}

fn authorisation(order: &Order<'_>) -> Authorisation {
    Authorisation { reference: format!("test_{}", order.attempt) }
}

fn slow(token: &str) -> Option<Duration> {
    let ms: u64 = token.strip_prefix("slow_")?.parse().ok()?;
    (ms <= SLOW_MS_MAX).then(|| Duration::from_millis(ms))
}
