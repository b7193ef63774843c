//! How long a hold lasts: set once, extended once, and once more while its buyer pays.

use std::time::Duration;

use jiff::Timestamp;

/// What a house grants to every hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a hold lasts.
    pub hold: Duration,
    /// By how much a buyer may extend it, once; not at all when not given.
    pub extension: Option<Duration>,
    /// No extension leads past this, counted from when the hold was placed.
    pub life_max: Duration,
    /// Who begins to pay has at least this long, once, even past `life_max`: money is on its way.
    pub grace: Duration,
}

/// A hold's deadline, and what has been granted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When the hold was placed.
    pub created_at: Timestamp,
    /// From here on it is over.
    pub expires_at: Timestamp,
    /// Whether the buyer has extended it.
    pub extended: bool,
    /// Whether it was moved for a payment.
    pub graced: bool,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hold's deadline has passed")]
pub struct Lapsed;

/// Why a hold is not extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionRefused {
    /// This house extends no hold.
    #[error("holds are not extended here")]
    NotOffered,
    /// It was extended before.
    #[error("the hold was extended before")]
    Used,
    /// It is over.
    #[error("the hold's deadline has passed")]
    Lapsed,
    /// It lasts as long as any hold may.
    #[error("the hold already lasts as long as a hold may")]
    LifeOver,
}

impl Deadline {
    /// Of a hold that is placed now.
    pub fn new(now: Timestamp, terms: &Terms) -> Self {
        Self { created_at: now, expires_at: now + terms.hold, extended: false, graced: false }
    }

    /// Whether the hold is over. The deadline itself is the first moment at which it is.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Whether [`Deadline::extend`] would be granted.
    pub fn extendable(&self, now: Timestamp, terms: &Terms) -> bool {
        self.extend(now, terms).is_ok()
    }

    /// Later by the extension, or by what is left of the hold's life when that is less.
    pub fn extend(self, now: Timestamp, terms: &Terms) -> Result<Self, ExtensionRefused> {
        let extension = terms.extension.ok_or(ExtensionRefused::NotOffered)?;
        if self.lapsed(now) {
            return Err(ExtensionRefused::Lapsed);
        }
        if self.extended {
            return Err(ExtensionRefused::Used);
        }
        let expires_at = (self.expires_at + extension).min(self.created_at + terms.life_max);
        if expires_at <= self.expires_at {
            return Err(ExtensionRefused::LifeOver);
        }
        Ok(Self { expires_at, extended: true, ..self })
    }

    /// As it is when a payment begins: with less than the grace left it moves, once. Later attempts to pay use what is left.
    pub fn for_payment(self, now: Timestamp, terms: &Terms) -> Result<Self, Lapsed> {
        if self.lapsed(now) {
            return Err(Lapsed);
        }
        let graced_until = now + terms.grace;
        if self.graced || graced_until <= self.expires_at {
            return Ok(self);
        }
        Ok(Self { expires_at: graced_until, graced: true, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms {
        hold: Duration::from_mins(5),
        extension: Some(Duration::from_mins(2)),
        life_max: Duration::from_mins(10),
        grace: Duration::from_mins(1),
    };

    fn at(second: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn placed() -> Deadline {
        Deadline::new(at(0), &TERMS)
    }

    #[test]
    fn a_hold_is_over_from_its_deadline_on() {
        assert!(!placed().lapsed(at(299)));
        assert!(placed().lapsed(at(300)));
    }

    #[test]
    fn a_hold_is_extended_once() {
        let extended = placed().extend(at(10), &TERMS).unwrap();
        assert_eq!(extended.expires_at, at(420));
        assert_eq!(extended.extend(at(11), &TERMS), Err(ExtensionRefused::Used));
        assert!(placed().extendable(at(10), &TERMS) && !extended.extendable(at(11), &TERMS));
    }

    #[test]
    fn an_extension_is_refused_with_its_reason() {
        assert_eq!(placed().extend(at(300), &TERMS), Err(ExtensionRefused::Lapsed));
        let never = Terms { extension: None, ..TERMS };
        assert_eq!(placed().extend(at(10), &never), Err(ExtensionRefused::NotOffered));
        let short = Terms { life_max: Duration::from_mins(5), ..TERMS };
        assert_eq!(placed().extend(at(10), &short), Err(ExtensionRefused::LifeOver));
    }

    #[test]
    fn an_extension_ends_with_the_holds_life() {
        let short = Terms { life_max: Duration::from_secs(310), ..TERMS };
        assert_eq!(placed().extend(at(10), &short).unwrap().expires_at, at(310));
    }

    #[test]
    fn who_begins_to_pay_late_has_the_grace_once() {
        assert_eq!(placed().for_payment(at(240), &TERMS), Ok(placed()));
        let graced = placed().for_payment(at(290), &TERMS).unwrap();
        assert_eq!((graced.expires_at, graced.graced), (at(350), true));
        assert_eq!(graced.for_payment(at(340), &TERMS), Ok(graced));
        assert_eq!(graced.for_payment(at(350), &TERMS), Err(Lapsed));
    }

    proptest! {
        #[test]
        fn a_deadline_only_moves_on_and_within_bounds(calls in proptest::collection::vec((0u64..200, any::<bool>()), 0..12)) {
            let (mut deadline, mut now, mut moves) = (placed(), 0, 0);
            for (pause, pays) in calls {
                now += pause;
                let next = if pays {
                    deadline.for_payment(at(now), &TERMS).unwrap_or(deadline)
                } else {
                    deadline.extend(at(now), &TERMS).unwrap_or(deadline)
                };
                prop_assert!(next.expires_at >= deadline.expires_at);
                prop_assert!(next == deadline || !deadline.lapsed(at(now)));
                moves += usize::from(next != deadline);
                deadline = next;
            }
            prop_assert!(moves <= 2);
            prop_assert!(deadline.expires_at <= deadline.created_at + TERMS.life_max + TERMS.grace);
        }
    }
}
