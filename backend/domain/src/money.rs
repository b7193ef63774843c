//! Money in minor units of one currency.

use serde::{Deserialize, Serialize};

/// An amount, such as 1250 USD cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// In minor units: cents for USD.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
}

impl Money {
    /// The price of `count` things at this price each.
    #[must_use]
    pub fn times(&self, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Self { amount: self.amount.saturating_mul(count), currency: self.currency.clone() }
    }
}
