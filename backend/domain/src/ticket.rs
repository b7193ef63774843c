//! A ticket's code: what a booking shows at the door, short enough for a QR code, readable without asking anybody.
//!
//! ```text
//! code      = "MQ" version "." key "." content "." signature
//! version   = "1"
//! key       = 8 characters: 5 bytes that name the key which signed
//! content   = the bytes below, 15 to 789 of them
//! signature = 103 characters: 64 bytes, an Ed25519 signature (RFC 8032) of all that stands before the last dot, as ASCII
//! ```
//!
//! Bytes are written in base32 (RFC 4648, capital letters, no padding, unused bits zero). So a code consists of capitals, digits
//! and dots only, which a QR code packs into 5.5 bits each, no shell or address misreads, and there is one way to write it. The
//! content is:
//!
//! ```text
//! booking   length (1 byte, 1 to 64), then so many bytes of ASCII: the booking's id
//! show      the same: the show's id
//! starts_at 8 bytes, big endian, signed: whole seconds since 1970-01-01T00:00:00Z
//! seats     count (1 byte, 1 to 10), then each as length and id
//! ```
//!
//! A code has [`CODE_CHARACTERS_MAX`] characters at most; with ids as Marquee makes them and two seats it has 242. Whoever changes
//! anything of this raises the version: a reader refuses versions that it does not know.
//!
//! Nothing here can sign or check a signature. Who reads a [`Code`] has to check it before believing its ticket.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;

use crate::hold::PARTY_MAX;
use crate::id::{BookingId, ID_BYTES_MAX, SeatId, ShowId};

/// What every code begins with, whatever its version.
const MARK: &str = "MQ";
/// The version written and read here.
const VERSION: &str = "1";
const PARTS: usize = 4;
/// Bytes that name a key.
pub const KEY_ID_BYTES: usize = 5;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
const ID_FIELD_BYTES_MAX: usize = 1 + ID_BYTES_MAX;
const CONTENT_BYTES_MAX: usize = (2 + PARTY_MAX) * ID_FIELD_BYTES_MAX + size_of::<i64>() + 1;
/// The longest code there is.
pub const CODE_CHARACTERS_MAX: usize = MARK.len()
    + VERSION.len()
    + (PARTS - 1)
    + base32_characters(KEY_ID_BYTES)
    + base32_characters(CONTENT_BYTES_MAX)
    + base32_characters(SIGNATURE_BYTES);

const fn base32_characters(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// What a ticket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    booking: BookingId,
    show: ShowId,
    starts_at: Timestamp,
    seats: Vec<SeatId>,
}

/// A booking that no ticket can be for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is for 1 to {PARTY_MAX} seats, not {0}")]
pub struct SeatCount(pub usize);

impl Ticket {
    /// For a booking. A fraction of a second in `starts_at` is left out.
    pub fn new(
        booking: BookingId,
        show: ShowId,
        starts_at: Timestamp,
        seats: Vec<SeatId>,
    ) -> Result<Self, SeatCount> {
        if !(1..=PARTY_MAX).contains(&seats.len()) {
            return Err(SeatCount(seats.len()));
        }
        let starts_at = Timestamp::from_second(starts_at.as_second()).unwrap_or(starts_at);
        Ok(Self { booking, show, starts_at, seats })
    }

    /// The booking.
    pub fn booking(&self) -> &BookingId {
        &self.booking
    }

    /// The show.
    pub fn show(&self) -> &ShowId {
        &self.show
    }

    /// When the show begins, as it was known when the code was made.
    pub fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    /// The seats.
    pub fn seats(&self) -> &[SeatId] {
        &self.seats
    }

    /// The part of the code that the key of this name has to sign.
    pub fn unsigned(&self, key: KeyId) -> String {
        format!("{MARK}{VERSION}.{key}.{}", BASE32_NOPAD.encode(&self.content()))
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.booking.as_str());
        put(&mut bytes, self.show.as_str());
        bytes.extend(self.starts_at.as_second().to_be_bytes());
        bytes.push(byte(self.seats.len()));
        for seat in &self.seats {
            put(&mut bytes, seat.as_str());
        }
        bytes
    }

    fn of_content(bytes: &[u8]) -> Result<Self, InvalidCode> {
        let mut rest = Rest(bytes);
        let booking = rest.id("booking", BookingId::parse)?;
        let show = rest.id("show", ShowId::parse)?;
        let starts_at = rest.starts_at()?;
        let count = usize::from(rest.take(1)?[0]);
        let seats: Result<Vec<_>, _> = (0..count).map(|_| rest.id("seats", SeatId::parse)).collect();
        let ticket = Self::new(booking, show, starts_at, seats?)?;
        if rest.0.is_empty() { Ok(ticket) } else { Err(InvalidCode::Longer(rest.0.len())) }
    }
}

fn put(bytes: &mut Vec<u8>, id: &str) {
    bytes.push(byte(id.len()));
    bytes.extend(id.as_bytes());
}

/// Of a number with a limit below 256: the length of an id, or of a party.
fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("ids and parties have limits that fit in a byte")
}

/// The name of a key: a few bytes, written as base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE32_NOPAD.encode(&self.0))
    }
}

impl FromStr for KeyId {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        decode("key", text).map(Self)
    }
}

/// Why a text is no ticket's code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// Longer than any code.
    #[error("longer than any ticket's code: {0} characters, and {CODE_CHARACTERS_MAX} are the most")]
    TooLong(usize),
    /// Something else was scanned.
    #[error("not a ticket's code: those begin with {MARK}")]
    Foreign,
    /// Of another version.
    #[error("a ticket of version {0:?}, and {VERSION} is the one known here")]
    Version(String),
    /// Cut off, or two at once.
    #[error("a ticket's code has {PARTS} parts with a dot between, this has {0}")]
    Parts(usize),
    /// Characters that base32 does not have, or a last one that says more than it may.
    #[error("the {0} of the code is not base32 as tickets have it")]
    Base32(&'static str),
    /// A part of fixed length has another one.
    #[error("the {0} of the code has the wrong length")]
    Length(&'static str),
    /// The content ends within something.
    #[error("the content of the code is cut off")]
    Shorter,
    /// The content goes on when all is said.
    #[error("the content of the code has {0} bytes too many")]
    Longer(usize),
    /// An id that is none.
    #[error("the {0} of the ticket: not an id")]
    Id(&'static str),
    /// No such moment.
    #[error("the time of the ticket is out of range")]
    Time,
    /// Too many seats, or none.
    #[error(transparent)]
    Seats(#[from] SeatCount),
}

/// A ticket's code, taken apart. It says nothing yet: its signature must be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The key that is said to have signed.
    pub key: KeyId,
    /// What it is for, if the signature is good.
    pub ticket: Ticket,
    /// What the signature is of.
    pub signed: String,
    /// The signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Code {
    /// Takes a code apart.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        if text.len() > CODE_CHARACTERS_MAX {
            return Err(InvalidCode::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let version = parts[0].strip_prefix(MARK).ok_or(InvalidCode::Foreign)?;
        if version != VERSION {
            return Err(InvalidCode::Version(version.to_owned()));
        }
        let [_, key, content, signature] = parts[..] else { return Err(InvalidCode::Parts(parts.len())) };
        let bytes = BASE32_NOPAD.decode(content.as_bytes()).map_err(|_| InvalidCode::Base32("content"))?;
        Ok(Self {
            key: key.parse()?,
            ticket: Ticket::of_content(&bytes)?,
            signed: text[..text.len() - signature.len() - 1].to_owned(),
            signature: decode("signature", signature)?,
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.signed, BASE32_NOPAD.encode(&self.signature))
    }
}

fn decode<const BYTES: usize>(part: &'static str, text: &str) -> Result<[u8; BYTES], InvalidCode> {
    let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidCode::Base32(part))?;
    bytes.try_into().map_err(|_| InvalidCode::Length(part))
}

/// What is still to be read of a content.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], InvalidCode> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(InvalidCode::Shorter)?;
        self.0 = rest;
        Ok(taken)
    }

    fn id<T, E>(
        &mut self,
        what: &'static str,
        parse: impl Fn(&'a str) -> Result<T, E>,
    ) -> Result<T, InvalidCode> {
        let length = usize::from(self.take(1)?[0]);
        let text = str::from_utf8(self.take(length)?).map_err(|_| InvalidCode::Id(what))?;
        parse(text).map_err(|_| InvalidCode::Id(what))
    }

    fn starts_at(&mut self) -> Result<Timestamp, InvalidCode> {
        let bytes = self.take(size_of::<i64>())?.try_into().map_err(|_| InvalidCode::Shorter)?;
        Timestamp::from_second(i64::from_be_bytes(bytes)).map_err(|_| InvalidCode::Time)
    }
}

#[cfg(test)]
mod tests;
