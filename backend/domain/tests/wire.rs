//! The JSON of every event, as it stands in outboxes and streams. What is here may be added to, and never changed.

use domain::event::{Event, Fact, Told, kind};
use serde_json::{Value, json};

/// Every type, with the data of one.
fn all() -> [(&'static str, Value); 10] {
    let ended = json!({ "hold_id": "hold_1", "session_id": "s", "seats": ["A1", "A2"], "entry_id": null });
    [
        (
            "SeatsHeld",
            json!({ "hold_id": "hold_1", "session_id": "s", "seats": ["A1"], "expires_at": "2026-01-01T00:05:00Z" }),
        ),
        ("SeatsReleased", ended.clone()),
        ("HoldExpired", ended),
        (
            "BookingConfirmed",
            json!({ "booking_id": "booking_1", "hold_id": "hold_1", "session_id": "s", "seats": ["A1"], "entry_id": "e" }),
        ),
        ("BookingCancelled", json!({ "booking_id": "booking_1", "seats": ["A1"] })),
        (
            "SeatsEscrowed",
            json!({ "escrow_id": "escrow_1", "seats": ["A1"], "expires_at": "2026-01-01T00:00:30Z" }),
        ),
        (
            "SeatsOffered",
            json!({ "entry_id": "e", "hold_id": "hold_1", "session_id": "s", "seats": ["A1"], "expires_at": "2026-01-01T00:02:00Z" }),
        ),
        ("WaitersTold", json!({ "seats": ["A1"], "session_ids": ["s", "t"] })),
        (
            "LineMoved",
            json!({ "places": [
                { "entry_id": "e", "session_id": "s", "position": 3, "estimate": { "minutes": 12, "seats_per_hour": 30 } },
                { "entry_id": "f", "session_id": "t", "position": 4, "estimate": null },
            ] }),
        ),
        ("LineClosed", json!({ "reason": "cancelled", "entries": [{ "entry_id": "e", "session_id": "s" }] })),
    ]
}

fn envelope(kind: &str, data: &Value) -> Value {
    json!({ "id": "reservations-7", "type": kind, "version": 1, "at": "2026-01-01T00:00:00.000001Z", "show_id": "show_1", "data": data })
}

#[test]
fn every_event_reads_and_writes_as_it_always_did() {
    for (kind, data) in all() {
        let wire = envelope(kind, &data);
        let told: Told = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(json!(told), wire);
        let written = json!({ "type": kind, "version": 1, "show_id": "show_1", "data": data });
        assert_eq!(json!(told.event), written, "an owner writes all but the id and the time");
        assert_eq!(serde_json::from_value::<Event>(written).unwrap(), told.event);
    }
}

#[test]
fn what_was_added_later_is_read_and_written_and_need_not_be_there() {
    for at in [3, 4] {
        let (kind, mut data) = all()[at].clone();
        data["booked_at"] = json!("2026-01-01T00:00:00Z");
        let mut wire = envelope(kind, &data);
        wire["written_in"] = json!(u64::MAX);
        wire["trace"] = json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let told: Told = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!((told.written_in, json!(told)), (Some(u64::MAX), wire));
    }
}

/// Fails to compile when a type is added, as a reminder of the list above.
#[test]
fn every_type_is_listed() {
    let place = |fact: &Fact| match fact {
        Fact::SeatsHeld(_) => 0,
        Fact::SeatsReleased(_) => 1,
        Fact::HoldExpired(_) => 2,
        Fact::BookingConfirmed(_) => 3,
        Fact::BookingCancelled(_) => 4,
        Fact::SeatsEscrowed(_) => 5,
        Fact::SeatsOffered(_) => 6,
        Fact::WaitersTold(_) => 7,
        Fact::LineMoved(_) => 8,
        Fact::LineClosed(_) => 9,
    };
    for (at, (kind, data)) in all().iter().enumerate() {
        let told: Told = serde_json::from_value(envelope(kind, data)).unwrap();
        assert_eq!(place(&told.event.fact), at);
    }
}

#[test]
fn what_is_not_known_is_passed_over() {
    let known = all()[4].clone();
    let mut newer = envelope(known.0, &known.1);
    newer["weather"] = json!("of a newer program");
    newer["data"]["refund"] = json!({ "amount": 1250 });
    let told: Told = serde_json::from_value(newer).unwrap();
    assert_eq!(json!(told), envelope(known.0, &known.1));

    serde_json::from_value::<Told>(envelope("SeatsPainted", &json!({ "colour": "red" }))).unwrap_err();
    let mut later = envelope(known.0, &known.1);
    later["version"] = json!(2);
    let refused = serde_json::from_value::<Told>(later).unwrap_err().to_string();
    assert!(refused.contains("version 2"), "{refused}");
}

#[test]
fn names_to_choose_by_are_names_of_types() {
    use kind::{
        BOOKING_CANCELLED, BOOKING_CONFIRMED, HOLD_EXPIRED, LINE_CLOSED, LINE_MOVED, SEATS_ESCROWED,
        SEATS_OFFERED, SEATS_RELEASED, WAITERS_TOLD,
    };
    let sales = [BOOKING_CANCELLED, BOOKING_CONFIRMED, LINE_MOVED, LINE_CLOSED];
    for name in
        [HOLD_EXPIRED, SEATS_ESCROWED, SEATS_OFFERED, SEATS_RELEASED, WAITERS_TOLD].into_iter().chain(sales)
    {
        assert!(all().iter().any(|(kind, _)| *kind == name), "{name}");
    }
}
