//! Payment: a small trait, and the test provider that stands behind it until a real one does.

use async_trait::async_trait;
use domain::id::HoldId;
use domain::money::Money;

/// What is to be paid.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// What for; the provider takes a repeated order for the same hold and key as the same.
    pub hold: &'a HoldId,
    /// The buyer's key.
    pub key: &'a str,
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
    /// No answer: it may or may not have been authorised, so it must be voided.
    #[error("no answer")]
    Unknown,
}

/// A payment provider. Every call is idempotent per hold and key.
#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Sets money aside.
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError>;
    /// Takes what was set aside.
    async fn capture(&self, authorisation: &Authorisation) -> Result<(), PaymentError>;
    /// Gives back what was set aside for an order, if anything was.
    async fn void(&self, order: &Order<'_>) -> Result<(), PaymentError>;
}

/// The built-in provider: the token says what happens. `ok` pays, `declined` is refused, `timeout` never answers.
#[derive(Debug, Clone, Copy)]
pub struct TestProvider;

#[async_trait]
impl PaymentProvider for TestProvider {
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError> {
        match order.token {
            "ok" => Ok(Authorisation { reference: format!("test_{}", order.hold) }),
            "declined" => Err(PaymentError::Declined),
            "timeout" => Err(PaymentError::Unknown),
            _ => Err(PaymentError::UnknownToken),
        }
    }

    async fn capture(&self, _authorisation: &Authorisation) -> Result<(), PaymentError> {
        Ok(())
    }

    async fn void(&self, _order: &Order<'_>) -> Result<(), PaymentError> {
        Ok(())
    }
}
