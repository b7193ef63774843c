//! The format of a code: what is written is read, and nothing else is.

use proptest::prelude::*;

use super::*;

const KEY: KeyId = KeyId(*b"a key");
const QR_ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

fn ticket(booking: &str, show: &str, second: i64, seats: &[&str]) -> Ticket {
    Ticket::new(
        BookingId::parse(booking).unwrap(),
        ShowId::parse(show).unwrap(),
        Timestamp::from_second(second).unwrap(),
        seats.iter().map(|seat| SeatId::parse(seat).unwrap()).collect(),
    )
    .unwrap()
}

fn usual() -> Ticket {
    let booking = "booking_00112233445566778899aabbccddeeff";
    ticket(booking, "show_abcdefghij234567", 1_795_000_000, &["D4", "D5"])
}

fn code(ticket: &Ticket) -> Code {
    let signed = ticket.unsigned(KEY);
    Code { key: KEY, ticket: ticket.clone(), signed, signature: [7; SIGNATURE_BYTES] }
}

/// The code of any content.
fn with_content(content: &[u8]) -> String {
    format!("MQ1.{KEY}.{}.{}", BASE32_NOPAD.encode(content), BASE32_NOPAD.encode(&[7; SIGNATURE_BYTES]))
}

#[test]
fn the_format_is_what_scanners_elsewhere_were_built_for() {
    let text = code(&ticket("b", "s", 1, &["A1"])).to_string();
    let content = "AFRAC4YAAAAAAAAAAAAQCASBGE";
    assert_eq!(text, format!("MQ1.MEQGWZLZ.{content}.{}", BASE32_NOPAD.encode(&[7; SIGNATURE_BYTES])));
}

#[test]
fn a_code_is_short_and_made_of_what_a_qr_code_packs_well() {
    let text = code(&usual()).to_string();
    assert_eq!(text.len(), 242);
    assert!(text.chars().all(|letter| QR_ALPHANUMERIC.contains(letter)), "{text}");
    let long = "x".repeat(ID_BYTES_MAX);
    let longest = code(&ticket(&long, &long, i64::from(i32::MAX), &[long.as_str(); PARTY_MAX]));
    assert_eq!(longest.to_string().len(), CODE_CHARACTERS_MAX);
    assert_eq!(Code::parse(&longest.to_string()), Ok(longest));
}

#[test]
fn what_is_no_code_is_refused_with_a_reason() {
    let good = code(&usual()).to_string();
    let parts: Vec<&str> = good.split('.').collect();
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part;
        parts.join(".")
    };
    for (text, why) in [
        (String::new(), InvalidCode::Foreign),
        ("https://marquee.example".to_owned(), InvalidCode::Foreign),
        (good.to_lowercase(), InvalidCode::Foreign),
        ("X".repeat(CODE_CHARACTERS_MAX + 1), InvalidCode::TooLong(CODE_CHARACTERS_MAX + 1)),
        (with(0, "MQ2"), InvalidCode::Version("2".to_owned())),
        (with(0, "MQ"), InvalidCode::Version(String::new())),
        (good[..100].to_owned(), InvalidCode::Parts(3)),
        (format!("{good}.A"), InvalidCode::Parts(5)),
        (with(1, "MEQGWZL1"), InvalidCode::Base32("key")),
        (with(1, "MEQGW"), InvalidCode::Length("key")),
        (with(2, "A B"), InvalidCode::Base32("content")),
        (with(2, ""), InvalidCode::Shorter),
        (with(3, ""), InvalidCode::Length("signature")),
        (good[..good.len() - 1].to_owned(), InvalidCode::Base32("signature")),
        (format!("{good} "), InvalidCode::Base32("signature")),
    ] {
        assert_eq!(Code::parse(&text), Err(why), "{text}");
    }
}

#[test]
fn a_content_that_says_too_little_too_much_or_nonsense_is_refused() {
    let good = ticket("b", "s", 1, &["A1"]).content();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (content, why) in [
        (good[..good.len() - 1].to_vec(), InvalidCode::Shorter),
        ([&good[..], b"!"].concat(), InvalidCode::Longer(1)),
        (changed(1, b'!'), InvalidCode::Id("booking")),
        (changed(1, 0xff), InvalidCode::Id("booking")),
        (changed(3, b' '), InvalidCode::Id("show")),
        (changed(4, 0x7f), InvalidCode::Time),
        (changed(12, 0), InvalidCode::Seats(SeatCount(0))),
        (changed(12, 2), InvalidCode::Shorter),
        ([&changed(12, 11)[..], &b"\x02A1".repeat(10)].concat(), InvalidCode::Seats(SeatCount(11))),
        (changed(14, b'/'), InvalidCode::Id("seats")),
    ] {
        assert_eq!(Code::parse(&with_content(&content)), Err(why), "{content:?}");
    }
}

#[test]
fn a_ticket_is_for_one_party_and_whole_seconds() {
    let show = || ShowId::parse("s").unwrap();
    let booking = || BookingId::parse("b").unwrap();
    let seats = |count| vec![SeatId::parse("A1").unwrap(); count];
    let moment: Timestamp = "2026-12-01T19:30:00.75Z".parse().unwrap();
    for count in [0, PARTY_MAX + 1] {
        assert_eq!(Ticket::new(booking(), show(), moment, seats(count)), Err(SeatCount(count)));
    }
    let ticket = Ticket::new(booking(), show(), moment, seats(PARTY_MAX)).unwrap();
    assert_eq!(ticket.starts_at().to_string(), "2026-12-01T19:30:00Z");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        booking in "[A-Za-z0-9_-]{1,64}",
        show in "[A-Za-z0-9_-]{1,64}",
        second in -62_135_596_800_i64..253_402_207_200,
        seats in prop::collection::vec("[A-Z][0-9]{1,3}", 1..=PARTY_MAX),
    ) {
        let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
        let code = code(&ticket(&booking, &show, second, &seats));
        prop_assert_eq!(Code::parse(&code.to_string()), Ok(code));
    }

    #[test]
    fn there_is_one_way_to_write_a_code(at in 0_usize..242, letter in "[ -~]") {
        let good = code(&usual()).to_string();
        let other = format!("{}{letter}{}", &good[..at], &good[at + 1..]);
        let read = Code::parse(&other);
        prop_assert!(other == good || read.as_ref() != Ok(&code(&usual())), "{}", other);
        if let Ok(read) = read {
            prop_assert_eq!(read.to_string(), other);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "(MQ1\\.)?\\PC{0,300}") {
        drop(Code::parse(&text));
    }
}
