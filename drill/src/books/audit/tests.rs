use super::super::{BookingSeat, Show};
use super::*;

const NOW: u64 = 1_000;

fn seat(name: &str) -> SeatId {
    SeatId::parse(name).unwrap()
}

fn show() -> ShowId {
    ShowId::parse("show_1").unwrap()
}

fn claim(name: &str, status: ClaimStatus, owner: Option<&str>, expires_at_ns: Option<u64>) -> Claim {
    let owner = owner.map(str::to_owned);
    Claim { show: show(), seat: seat(name), status, owner, token: 7, expires_at_ns }
}

fn hold(id: &str, name: &str, status: HoldStatus) -> Hold {
    Hold {
        hold: HoldId::parse(id).unwrap(),
        show: show(),
        session: domain::id::SessionId::parse("ann").unwrap(),
        entry: None,
        seats: vec![seat(name)],
        token: 7,
        status,
        created_at_ns: 0,
        expires_at_ns: NOW + 1,
        extended: false,
        graced: false,
        ended_at_ns: None,
    }
}

fn booking(id: &str, hold: &str, name: &str) -> Booking {
    Booking {
        booking: BookingId::parse(id).unwrap(),
        hold: HoldId::parse(hold).unwrap(),
        show: show(),
        session: domain::id::SessionId::parse("ann").unwrap(),
        seats: vec![seat(name)],
        status: BookingStatus::Booked,
        key: "k".into(),
        booked_at_ns: 1,
        cancelled_at_ns: None,
    }
}

fn live(booking: &str, name: &str) -> BookingSeat {
    BookingSeat { booking: BookingId::parse(booking).unwrap(), show: show(), seat: seat(name), live: true }
}

/// A held seat, a sold one, one in escrow, and two that are free.
fn good() -> Books {
    let auditorium = AuditoriumId::parse("room").unwrap();
    let seats: HashSet<_> = ["A1", "A2", "A3", "A4", "A5"].map(seat).into();
    Books {
        read_at_ns: Some(NOW),
        shows: vec![Show { show: show(), auditorium: auditorium.clone(), capacity: 5 }],
        auditoriums: HashMap::from([(auditorium, seats)]),
        claims: vec![
            claim("A1", ClaimStatus::Held, Some("h1"), Some(NOW + 1)),
            claim("A2", ClaimStatus::Booked, Some("h2"), None),
            claim("A3", ClaimStatus::Escrow, Some("e1"), Some(NOW + 1)),
            claim("A4", ClaimStatus::Free, None, None),
        ],
        holds: vec![hold("h1", "A1", HoldStatus::OnHold), hold("h2", "A2", HoldStatus::Booked)],
        bookings: vec![booking("b2", "h2", "A2")],
        booking_seats: vec![live("b2", "A2")],
        escrows: vec![Escrow {
            escrow: domain::id::EscrowId::parse("e1").unwrap(),
            show: show(),
            seats: vec![seat("A3")],
            open: true,
            expires_at_ns: NOW + 1,
        }],
        ..Books::default()
    }
}

#[test]
fn good_books_hold_also_without_what_is_over() {
    let audited = audit(&good());
    assert!(audited.complaints.is_empty(), "{:?}", audited.complaints);
    assert!(audited.checked > 8);
    let mut sampled = good();
    sampled.holds.retain(|hold| hold.status == HoldStatus::OnHold);
    assert!(audit(&sampled).complaints.is_empty());
}

#[test]
fn a_lapsed_hold_may_have_lost_its_claim() {
    let mut books = good();
    books.read_at_ns = Some(NOW + 1);
    books.claims[0] = Claim { token: 8, ..claim("A1", ClaimStatus::Held, Some("h3"), Some(NOW + 9)) };
    let next = Hold { token: 8, created_at_ns: NOW + 1, ..hold("h3", "A1", HoldStatus::OnHold) };
    books.holds.push(Hold { expires_at_ns: NOW + 9, ..next });
    assert!(audit(&books).complaints.is_empty());
}

#[test]
fn a_hold_is_written_when_the_one_before_is_over() {
    // How the first one stands, when it was over, when the next was written, and whether that is fine.
    let cases = [
        (HoldStatus::Expired, None, NOW, false),
        (HoldStatus::Expired, None, NOW + 1, true),
        (HoldStatus::Released, None, 2, true),
        (HoldStatus::Booked, None, NOW + 1, false),
        (HoldStatus::Booked, Some(500), 499, false),
        (HoldStatus::Booked, Some(500), 500, true),
    ];
    for (status, cancelled_at_ns, created_at_ns, fine) in cases {
        let next = hold("h9", "A4", HoldStatus::Released);
        let books = Books {
            holds: vec![Hold { token: 9, created_at_ns, ..next }, hold("h1", "A4", status)],
            bookings: vec![Booking {
                status: BookingStatus::Cancelled,
                cancelled_at_ns,
                ..booking("b1", "h1", "A4")
            }],
            ..good()
        };
        let found =
            audit(&books).complaints.iter().any(|complaint| complaint.text.contains("before that was over"));
        assert_eq!(found, !fine, "{status:?}, over at {cancelled_at_ns:?}, next at {created_at_ns}");
    }
}

#[test]
fn a_hold_that_was_sold_late_had_its_seats_twice_and_under_two_tokens() {
    // When it was sold, its token then, and that of who had the seat from 1,100 to 1,200; and whether that is fine.
    for (booked_at_ns, token, between, fine) in
        [(1_200, 9, 8, true), (1_199, 9, 8, false), (1_200, 8, 9, false), (1_200, 8, 8, false)]
    {
        let late = Hold { token, expires_at_ns: 1_100, ..hold("h1", "A4", HoldStatus::Booked) };
        let other = Hold {
            token: between,
            created_at_ns: 1_100,
            expires_at_ns: 1_200,
            ..hold("h9", "A4", HoldStatus::Expired)
        };
        let books = Books {
            holds: vec![late, other],
            bookings: vec![Booking { booked_at_ns, ..booking("b1", "h1", "A4") }],
            ..good()
        };
        let wrong = |complaint: &Complaint| complaint.invariant == ONE_HOLD && complaint.text.contains("A4");
        let found = audit(&books).complaints.iter().any(wrong);
        assert_eq!(found, !fine, "sold at {booked_at_ns} under {token}, {between} in between");
    }
}

#[test]
fn whatever_does_not_fit_is_found_and_numbered() {
    type Spoil = fn(&mut Books);
    let cases: [(&str, u8, Spoil); 11] = [
        ("a hold without its claim", 3, |books| books.claims[0] = claim("A1", ClaimStatus::Free, None, None)),
        ("a hold with another's token", 3, |books| books.claims[0].token = 8),
        ("a claim without its hold", 10, |books| drop(books.holds.remove(0))),
        ("a claim of a hold that is over", 10, |books| books.holds[0].status = HoldStatus::Released),
        ("two bookings of a seat", 1, |books| books.bookings.push(booking("b9", "h9", "A2"))),
        ("a booking without its claim", 10, |books| drop(books.claims.remove(1))),
        ("a claim without its booking", 10, |books| books.bookings[0].status = BookingStatus::Cancelled),
        ("a booking without its row", 10, |books| books.booking_seats.clear()),
        ("a row without its booking", 10, |books| books.booking_seats.push(live("b2", "A4"))),
        ("an escrow without its claim", 10, |books| books.claims[2].owner = Some("h1".into())),
        ("a seat that is not there", 10, |books| {
            books.claims.push(claim("Z9", ClaimStatus::Free, None, None));
        }),
    ];
    for (what, invariant, spoil) in cases {
        let mut books = good();
        spoil(&mut books);
        let complaints = audit(&books).complaints;
        assert!(
            complaints.iter().any(|complaint| complaint.invariant == invariant),
            "{what}: {complaints:?}"
        );
    }
}

#[test]
fn a_map_that_is_not_the_house_is_found() {
    let mut books = good();
    books.shows[0].capacity = 6;
    assert_eq!(audit(&books).complaints[0].text, "show_1 seats 6, its map 5");
}
