//! The states seats, holds, bookings and waitlist entries can be in.

use serde::{Deserialize, Serialize};

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The word, as stored and sent.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The status of a word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

status! {
    /// A seat of one show.
    SeatStatus {
        /// Nobody's.
        Free = "free",
        /// Kept for somebody until a deadline, or on its way to the next in line.
        Held = "held",
        /// Sold.
        Booked = "booked",
    }
}

status! {
    /// A hold. Only `on_hold` is not final.
    HoldStatus {
        /// The buyer may confirm until the deadline.
        OnHold = "on_hold",
        /// Confirmed.
        Booked = "booked",
        /// Given back by the buyer.
        Released = "released",
        /// The deadline passed.
        Expired = "expired",
    }
}

status! {
    /// A booking.
    BookingStatus {
        /// Sold.
        Booked = "booked",
        /// Taken back; the seats are free again.
        Cancelled = "cancelled",
    }
}

status! {
    /// A waitlist entry. `waiting` and `offered` are live.
    EntryStatus {
        /// In line.
        Waiting = "waiting",
        /// A hold is placed in their name.
        Offered = "offered",
        /// They bought.
        Fulfilled = "fulfilled",
        /// They went.
        Left = "left",
        /// Their offer lapsed, or the show began.
        Closed = "closed",
    }
}

status! {
    /// Why a waitlist entry was closed.
    CloseReason {
        /// The show began.
        Started = "started",
        /// The show was taken off the program.
        Cancelled = "cancelled",
        /// They did not take an offer in time.
        Lapsed = "lapsed",
    }
}
