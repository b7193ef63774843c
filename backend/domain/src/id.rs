//! Ids: opaque strings to the outside, distinct types inside, so that a show is never taken for a seat.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The longest id there is.
pub const ID_BYTES_MAX: usize = 64;

/// The text cannot be an id of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 1 to {ID_BYTES_MAX} letters, digits, `-` or `_`")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(plain) {
        Ok(())
    } else {
        Err(InvalidId)
    }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[schema(value_type = String)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` as an id when it has the form of one.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                check(text.as_ref()).map(|()| Self(text.as_ref().into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A film.
    MovieId,
    /// A house with auditoriums.
    TheaterId,
    /// A room with seats.
    AuditoriumId,
    /// One screening of a film.
    ShowId,
    /// A place in a row of an auditorium, such as `A1`.
    SeatId,
    /// Seats kept for one buyer until a deadline.
    HoldId,
    /// Seats sold.
    BookingId,
    /// Seats that came free while people waited, on their way to one of them.
    EscrowId,
    /// Whose a claim is: a hold, or an escrow.
    OwnerId,
    /// A place in a show's waiting list.
    EntryId,
    /// A visitor's browser.
    SessionId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_text_is_an_id() {
        for good in ["A1", "a-b_c", &"x".repeat(ID_BYTES_MAX)] {
            assert!(SeatId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A 1", "ä", "a/b", "{a}", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert_eq!(SeatId::parse(bad), Err(InvalidId), "{bad}");
        }
        assert!(serde_json::from_str::<SeatId>("\"A 1\"").is_err());
    }
}
