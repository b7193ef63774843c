//! What somebody waits for, as a request says it.

use std::collections::HashSet;

use domain::hold::{Party, Seating};
use domain::id::SeatId;
use domain::money::Money;
use domain::queue::Wish;
use domain::queue::wish::Impossible;
use serde::Deserialize;
use utoipa::ToSchema;

/// The only kind of place that is asked for by name; `standard` is what everybody gets who does not ask.
pub(crate) const WHEELCHAIR: &str = "wheelchair";
const STANDARD: &str = "standard";
/// ISO 4217.
const CURRENCY_LETTERS: usize = 3;

/// A wish as it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WishBody {
    /// How many seats they need, 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    pub(crate) party: i64,
    /// Whether they sit beside each other in one row, or not at all.
    #[serde(default)]
    pub(crate) together: bool,
    /// The only seats they want; any when left out, but for places that are kept for wheelchairs and companions.
    #[serde(default)]
    pub(crate) seats: Option<Vec<String>>,
    /// The most that one seat may cost.
    #[serde(default)]
    pub(crate) price_max: Option<Money>,
    /// `wheelchair`: a place for one, with the others beside it. `standard` is the same as leaving it out.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// Where an offer is told besides, and how the waiting ended.
    #[serde(default)]
    pub(crate) email: Option<String>,
}

/// Why a wish can never come true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWish {
    /// No people, or too many for one offer.
    #[error("a party is 1 to {} people", domain::hold::PARTY_MAX)]
    Party,
    /// More seats than one entry may name.
    #[error("name at most {0} seats")]
    TooManySeats(usize),
    /// The party would have to share seats.
    #[error("name at least as many seats as the party needs, or none for any")]
    TooFewSeats,
    /// The same seat twice.
    #[error("seat {0} is named twice")]
    DuplicateSeat(SeatId),
    /// Not a seat's name at all.
    #[error("there is no seat {0:?}")]
    UnknownSeat(String),
    /// No such kind of place.
    #[error("`kind` is `{WHEELCHAIR}` or `{STANDARD}`")]
    Kind,
    /// Nobody can be written to there.
    #[error("`email` must be an e-mail address")]
    Email,
    /// Nobody is written to from here.
    #[error("no mail is sent from here; leave `email` out")]
    NoMail,
    /// Not an amount of money that can be paid.
    #[error(
        "`price_max` is a positive amount in minor units and a currency of three letters, the show's: {0}"
    )]
    PriceMax(String),
    /// Every seat costs more.
    #[error("a seat costs more than `price_max`")]
    TooDear(Money),
    /// Not as this auditorium is.
    #[error(transparent)]
    Impossible(#[from] Impossible),
}

/// From a request's members.
pub(crate) fn parse(body: &WishBody, seats_max: usize) -> Result<Wish, InvalidWish> {
    let party = usize::try_from(body.party).ok().and_then(|size| Party::try_from(size).ok());
    let party = party.ok_or(InvalidWish::Party)?;
    let seats = body.seats.as_deref().map(|names| named(names, party, seats_max)).transpose()?;
    Ok(Wish {
        party,
        together: body.together && party.size() > 1,
        seats: seats.unwrap_or_default(),
        seating: seating(body.kind.as_deref())?,
        price_max: body.price_max.clone().map(price).transpose()?,
    })
}

/// Seats by name, sorted.
fn named(names: &[String], party: Party, seats_max: usize) -> Result<Vec<SeatId>, InvalidWish> {
    if names.len() > seats_max {
        return Err(InvalidWish::TooManySeats(seats_max));
    }
    if names.len() < party.size() {
        return Err(InvalidWish::TooFewSeats);
    }
    let mut seen = HashSet::new();
    for name in names {
        let seat = SeatId::parse(name).map_err(|_| InvalidWish::UnknownSeat(name.clone()))?;
        if !seen.insert(seat.clone()) {
            return Err(InvalidWish::DuplicateSeat(seat));
        }
    }
    let mut seats: Vec<_> = seen.into_iter().collect();
    seats.sort();
    Ok(seats)
}

/// The longest address there is (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// An address, as far as one can see without writing to it. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Takes an address that has the form of one.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidWish> {
        let sound = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        match text.rsplit_once('@') {
            Some((name, host)) if text.len() <= EMAIL_BYTES_MAX && sound(name) && sound(host) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidWish::Email),
        }
    }

    /// For the table, and the mail.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Email")
    }
}

fn seating(kind: Option<&str>) -> Result<Seating, InvalidWish> {
    match kind {
        None | Some(STANDARD) => Ok(Seating::Standard),
        Some(WHEELCHAIR) => Ok(Seating::Accessible),
        Some(_) => Err(InvalidWish::Kind),
    }
}

fn price(most: Money) -> Result<Money, InvalidWish> {
    let letters = most.currency.bytes().all(|letter| letter.is_ascii_uppercase());
    if most.amount > 0 && letters && most.currency.len() == CURRENCY_LETTERS {
        Ok(most)
    } else {
        Err(InvalidWish::PriceMax(most.currency))
    }
}

/// Whether somebody would pay this for a seat.
pub(crate) fn affordable(wish: &Wish, price: &Money) -> Result<(), InvalidWish> {
    match &wish.price_max {
        Some(most) if most.currency != price.currency => Err(InvalidWish::PriceMax(price.currency.clone())),
        Some(most) if most.amount < price.amount => Err(InvalidWish::TooDear(price.clone())),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(party: i64, names: &[&str]) -> WishBody {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        WishBody { party, seats: Some(names), ..WishBody::default() }
    }

    fn asked(party: i64, names: &[&str]) -> Result<Wish, InvalidWish> {
        parse(&body(party, names), 3)
    }

    #[test]
    fn order_does_not_matter_and_one_person_is_always_together() {
        assert_eq!(asked(1, &["B1", "A1"]), asked(1, &["A1", "B1"]));
        let one = |together| parse(&WishBody { party: 1, together, ..WishBody::default() }, 3);
        assert_eq!(one(true), one(false));
    }

    #[test]
    fn what_can_never_come_true_is_refused() {
        for size in [0, -1, 11] {
            assert_eq!(parse(&WishBody { party: size, ..WishBody::default() }, 3), Err(InvalidWish::Party));
        }
        assert_eq!(asked(1, &[]), Err(InvalidWish::TooFewSeats));
        assert_eq!(asked(2, &["A1"]), Err(InvalidWish::TooFewSeats));
        assert_eq!(asked(1, &["A1", "A2", "A3", "A4"]), Err(InvalidWish::TooManySeats(3)));
        assert_eq!(asked(1, &["A1", "A1"]), Err(InvalidWish::DuplicateSeat(SeatId::parse("A1").unwrap())));
        assert_eq!(asked(1, &["A 1"]), Err(InvalidWish::UnknownSeat("A 1".to_owned())));
        let kind = |kind: &str| parse(&WishBody { kind: Some(kind.to_owned()), ..body(1, &["A1"]) }, 3);
        assert_eq!(kind("sofa"), Err(InvalidWish::Kind));
        assert_eq!(kind("standard"), asked(1, &["A1"]));
        assert_eq!(kind("wheelchair").unwrap().seating, Seating::Accessible);
    }

    #[test]
    fn an_address_has_the_form_of_one_and_is_not_shown() {
        for good in ["ann@theater.example", "a.b+c@d"] {
            assert_eq!(Email::parse(good).map(|email| email.as_str().to_owned()), Ok(good.to_owned()));
        }
        let long = format!("{}@x", "a".repeat(EMAIL_BYTES_MAX));
        for bad in ["", "ann", "@x", "ann@", "an n@x", "ann@x\r\nBcc: b@x", "ä@x", &long] {
            assert_eq!(Email::parse(bad), Err(InvalidWish::Email), "{bad}");
        }
        assert_eq!(format!("{:?}", Email::parse("ann@x")), "Ok(Email)");
    }

    #[test]
    fn a_ceiling_is_money_of_the_shows_currency_and_not_below_the_price() {
        let money = |amount, currency: &str| Money { amount, currency: currency.to_owned() };
        let wish = |most| parse(&WishBody { price_max: Some(most), ..body(1, &["A1"]) }, 3);
        for bad in [money(0, "USD"), money(-1, "USD"), money(1, "usd"), money(1, "DOLLAR")] {
            assert!(matches!(wish(bad), Err(InvalidWish::PriceMax(_))));
        }
        let most = wish(money(1_250, "USD")).unwrap();
        assert_eq!(affordable(&most, &money(1_250, "USD")), Ok(()));
        assert_eq!(affordable(&most, &money(1_251, "USD")), Err(InvalidWish::TooDear(money(1_251, "USD"))));
        assert!(matches!(affordable(&most, &money(1, "EUR")), Err(InvalidWish::PriceMax(_))));
    }
}
