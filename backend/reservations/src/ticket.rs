//! Tickets: signed with Ed25519, so that a scanner at the door can check one with no more than our public keys.
//!
//! What a code looks like stands in `domain::ticket`. A code is derived from its booking, the show's beginning and the key that
//! signs, so it is the same whenever and wherever it is made, and nothing of it is stored.

pub mod qr;
pub mod scanner;
pub mod void;

use std::collections::HashSet;
use std::sync::Arc;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use domain::status::BookingStatus;
use domain::ticket::{Code, InvalidCode, KEY_ID_BYTES, KeyId, Ticket};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::bookings::Booking;

/// Where the keys come from.
pub const KEY_VARIABLE: &str = "MARQUEE_TICKET_KEY";
/// Bytes of a secret key (RFC 8032).
const SECRET_BYTES: usize = 32;
/// Keys at once: one signs, the others are on their way out.
pub const KEYS_MAX: usize = 8;

/// Signs tickets. The first key signs; scanners are told of all, so that a key can be rotated.
#[derive(Clone)]
pub struct TicketKeys(Arc<[SecretKey]>);

struct SecretKey {
    id: KeyId,
    pair: Ed25519KeyPair,
}

/// What is wrong with the keys, and the way out. It never says the keys.
#[derive(Debug, thiserror::Error)]
#[error(
    "{KEY_VARIABLE} must hold 1 to {KEYS_MAX} comma-separated keys, each another one, of 64 hexadecimal digits (`openssl rand -hex 32` makes one), the same for all instances"
)]
pub struct InvalidKeys;

impl TicketKeys {
    /// From comma-separated keys, newest first.
    pub fn parse(keys: &str) -> Result<Self, InvalidKeys> {
        let keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty());
        let keys = keys.map(SecretKey::parse).collect::<Result<Vec<_>, _>>()?;
        let ids: HashSet<_> = keys.iter().map(|key| key.id).collect();
        if (1..=KEYS_MAX).contains(&keys.len()) && ids.len() == keys.len() {
            Ok(Self(keys.into()))
        } else {
            Err(InvalidKeys)
        }
    }

    /// From the environment.
    pub fn from_environment() -> Result<Self, InvalidKeys> {
        Self::parse(&std::env::var(KEY_VARIABLE).unwrap_or_default())
    }

    /// The code of a ticket.
    pub fn sign(&self, ticket: Ticket) -> String {
        let key = self.0.first().expect("parse lets no empty list through");
        let signed = ticket.unsigned(key.id);
        let signature = key.pair.sign(signed.as_bytes());
        let signature = signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes");
        Code { key: key.id, ticket, signed, signature }.to_string()
    }

    /// The code of a booking's ticket: none when it is cancelled, or its show was taken off the program.
    pub fn code_of(&self, booking: &Booking) -> Option<String> {
        let starts_at = booking.starts_at.filter(|_| booking.status == BookingStatus::Booked)?;
        let ticket = Ticket::new(booking.id.clone(), booking.show.clone(), starts_at, booking.seats.clone());
        match ticket {
            Ok(ticket) => Some(self.sign(ticket)),
            Err(error) => {
                tracing::error!(booking = %booking.id, %error, "a booking has no ticket");
                None
            }
        }
    }

    /// What scanners need.
    pub fn public(&self) -> PublicKeys {
        PublicKeys { keys: self.0.iter().map(PublicKey::of).collect() }
    }
}

impl std::fmt::Debug for TicketKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TicketKeys({})", self.0.len())
    }
}

impl SecretKey {
    fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let seed = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| InvalidKeys)?;
        if seed.len() != SECRET_BYTES {
            return Err(InvalidKeys);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| InvalidKeys)?;
        Ok(Self { id: name(pair.public_key().as_ref()), pair })
    }
}

/// A key's id is the beginning of its public half's SHA-256: whoever makes a key anew names it anew.
fn name(public: &[u8]) -> KeyId {
    let mut id = [0; KEY_ID_BYTES];
    id.copy_from_slice(&Sha256::digest(public)[..KEY_ID_BYTES]);
    KeyId(id)
}

/// The public keys of tickets, as a JSON Web Key Set (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicKeys {
    /// The one that signs first. A ticket is good under any of them.
    #[schema(max_items = 8)]
    pub keys: Vec<PublicKey>,
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicKey {
    /// Always `OKP`.
    #[schema(example = "OKP")]
    kty: String,
    /// Always `Ed25519`.
    #[schema(example = "Ed25519")]
    crv: String,
    /// The key's name, as it stands in codes.
    kid: String,
    /// The key: base64url of 32 bytes.
    x: String,
}

/// Why a code is not one of our tickets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No code at all.
    #[error(transparent)]
    Malformed(#[from] InvalidCode),
    /// Signed by a key that we were not told of.
    #[error(
        "the key {0} is not among the public keys; load them anew, and if it is not there either the ticket is not ours"
    )]
    UnknownKey(KeyId),
    /// Not signed by the key it names.
    #[error("the signature is wrong: the ticket is not ours, or was changed")]
    WrongSignature,
}

impl PublicKey {
    fn of(key: &SecretKey) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            kid: key.id.to_string(),
            x: BASE64URL_NOPAD.encode(key.pair.public_key().as_ref()),
        }
    }

    fn signed(&self, code: &Code) -> bool {
        let Ok(bytes) = BASE64URL_NOPAD.decode(self.x.as_bytes()) else { return false };
        self.crv == "Ed25519"
            && UnparsedPublicKey::new(&ED25519, bytes).verify(code.signed.as_bytes(), &code.signature).is_ok()
    }
}

impl PublicKeys {
    /// The ticket of a code, when one of these keys signed it.
    pub fn check(&self, code: &str) -> Result<Ticket, Refusal> {
        let code = Code::parse(code)?;
        let id = code.key.to_string();
        let mut named = self.keys.iter().filter(|key| key.kid == id).peekable();
        if named.peek().is_none() {
            return Err(Refusal::UnknownKey(code.key));
        }
        if named.any(|key| key.signed(&code)) { Ok(code.ticket) } else { Err(Refusal::WrongSignature) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::id::{BookingId, SeatId, ShowId};

    use super::*;

    pub(crate) const OLD: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    pub(crate) const NEW: &str = "4CCD089B28FF96DA9DB6C346EC114E0F5B8A319F35ABA624DA8CF6ED4FB8A6FB";

    pub(crate) fn keys(text: &str) -> TicketKeys {
        TicketKeys::parse(text).unwrap()
    }

    pub(crate) fn ticket(show: &str) -> Ticket {
        let seats = ["D4", "D5"].map(|seat| SeatId::parse(seat).unwrap()).to_vec();
        let booking = BookingId::parse("booking_00112233445566778899aabbccddeeff").unwrap();
        let starts_at = "2026-12-01T19:30:00Z".parse().unwrap();
        Ticket::new(booking, ShowId::parse(show).unwrap(), starts_at, seats).unwrap()
    }

    #[test]
    fn a_signed_ticket_is_believed_by_who_knows_the_public_keys() {
        let keys = keys(NEW);
        let code = keys.sign(ticket("show_1"));
        assert_eq!(keys.public().check(&code), Ok(ticket("show_1")));
        assert_eq!(keys.sign(ticket("show_1")), code, "the same whenever it is made");
    }

    #[test]
    fn the_key_pair_is_that_of_the_standard() {
        // RFC 8032, section 7.1, test 2.
        let public = HEXLOWER_PERMISSIVE
            .decode(b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
            .unwrap();
        let told = serde_json::to_value(keys(NEW).public()).unwrap();
        let key = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "kid": name(&public).to_string(), "x": BASE64URL_NOPAD.encode(&public),
        });
        assert_eq!(told, serde_json::json!({ "keys": [key] }));
    }

    /// Each character of each part is replaced by one that is as good base32, and by one that is not.
    #[test]
    fn no_character_of_a_code_can_be_changed() {
        let keys = keys(NEW);
        let (code, public) = (keys.sign(ticket("show_1")), keys.public());
        for (at, letter) in code.char_indices() {
            for other in ['A', 'B', 'Q', '7', '.', '0', ' ', 'a'].into_iter().filter(|other| *other != letter)
            {
                let changed = format!("{}{other}{}", &code[..at], &code[at + 1..]);
                assert!(public.check(&changed).is_err(), "{changed}");
            }
            assert!(public.check(&code[..at]).is_err(), "cut off at {at}");
        }
    }

    #[test]
    fn each_part_is_missed_when_it_is_another_tickets() {
        let (ours, others) = (keys(NEW), keys(OLD));
        let both = keys(&format!("{NEW},{OLD}")).public();
        let (mine, another) = (ours.sign(ticket("show_1")), ours.sign(ticket("show_2")));
        let theirs = others.sign(ticket("show_1"));
        let mixed = |key: &str, content: &str, signature: &str| {
            let part = |code: &str, at| code.split('.').nth(at).unwrap_or_default().to_owned();
            format!("MQ1.{}.{}.{}", part(key, 1), part(content, 2), part(signature, 3))
        };
        assert!(both.check(&mixed(&mine, &mine, &mine)).is_ok());
        for (key, content, signature) in [
            (&mine, &another, &mine),
            (&mine, &mine, &another),
            (&mine, &mine, &theirs),
            (&theirs, &mine, &mine),
        ] {
            assert_eq!(both.check(&mixed(key, content, signature)), Err(Refusal::WrongSignature));
        }
    }

    #[test]
    fn a_rotated_key_is_believed_until_it_is_gone() {
        let old = keys(OLD).sign(ticket("show_1"));
        let rotated = keys(&format!(" {NEW}, {OLD} "));
        assert_eq!(rotated.public().check(&old), Ok(ticket("show_1")));
        let new = rotated.sign(ticket("show_1"));
        assert_eq!(keys(NEW).public().check(&new), Ok(ticket("show_1")), "the first key signs");
        let unknown = keys(OLD).public().check(&new).unwrap_err();
        assert!(matches!(unknown, Refusal::UnknownKey(_)), "{unknown}");
        assert!(matches!(keys(NEW).public().check(&old), Err(Refusal::UnknownKey(_))));
    }

    #[test]
    fn keys_that_are_missing_or_wrong_are_refused_with_the_way_out_and_never_told() {
        let nine: Vec<String> = (10..19).map(|number| OLD.replacen("9d", &number.to_string(), 1)).collect();
        assert!(TicketKeys::parse(&nine[..KEYS_MAX].join(",")).is_ok());
        for text in
            ["", " , ", "abcd", &OLD[1..], &OLD.replace('9', "x"), &format!("{OLD},{OLD}"), &nine.join(",")]
        {
            let message = TicketKeys::parse(text).unwrap_err().to_string();
            assert!(message.contains(KEY_VARIABLE) && !message.contains(&OLD[8..16]), "{message}");
        }
        assert_eq!(format!("{:?}", keys(OLD)), "TicketKeys(1)");
    }
}
