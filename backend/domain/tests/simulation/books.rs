//! What must add up: seats to the capacity, money to bookings, and everything to an end.

use domain::claim::State;
use domain::status::HoldStatus;

use crate::bank::Payment;
use crate::database::AttemptState;
use crate::world::World;

/// 10. free + held + booked = capacity, counted from different tables.
pub(crate) fn capacity(world: &World) -> Result<(), String> {
    let (database, now) = (&world.database, world.now());
    let booked: usize = database.bookings.values().filter(|row| row.live).map(|row| row.seats.len()).sum();
    let holds = database.holds.values();
    let live = holds.filter(|hold| hold.status == HoldStatus::OnHold && !hold.deadline.lapsed(now));
    let held: usize = live.map(|hold| hold.seats.len()).sum();
    let escrows = database.escrows.values().filter(|escrow| escrow.open && escrow.expires_at > now);
    let escrowed: usize = escrows.map(|escrow| escrow.seats.len()).sum();
    let free = world.seats.iter().filter(|seat| !database.claims.of(seat).live(now)).count();
    if booked + held + escrowed + free == world.seats.len() {
        return Ok(());
    }
    let capacity = world.seats.len();
    Err(format!(
        "{free} free + {held} held + {escrowed} in escrow + {booked} booked is not the capacity, {capacity}"
    ))
}

/// Whatever is captured has a booking, live or cancelled.
pub(crate) fn money(world: &World) -> Result<(), String> {
    let captured = world.bank.payments.iter().filter(|(_, payment)| **payment == Payment::Captured);
    for (attempt, _) in captured {
        if !world.database.bookings.values().any(|booking| booking.attempt == *attempt) {
            return Err(format!("attempt {attempt} is captured, and nothing was booked for it"));
        }
    }
    for booking in world.database.bookings.values() {
        if matches!(world.bank.payments.get(&booking.attempt), Some(Payment::Voided | Payment::Declined)) {
            return Err(format!("{} is booked, and nobody pays for it", booking.hold));
        }
    }
    Ok(())
}

/// What is still open when everybody has gone, if anything.
pub(crate) fn unfinished(world: &World) -> Option<String> {
    let database = &world.database;
    let open = database.holds.iter().find(|(_, hold)| hold.status == HoldStatus::OnHold);
    let escrowed = database.claims.iter().find(|(_, claim)| matches!(claim.state, State::Escrow(_)));
    let payment = world.bank.payments.iter().find(|(_, payment)| **payment == Payment::Authorised);
    let settled = |state| matches!(state, AttemptState::Over | AttemptState::Captured);
    let attempt = database.attempts.iter().find(|(_, attempt)| !settled(attempt.state));
    let unmirrored = database.epoch > database.mirrored;
    open.map(|(id, _)| format!("{id} is on hold"))
        .or_else(|| escrowed.map(|(seat, _)| format!("{seat} is in escrow")))
        .or_else(|| payment.map(|(attempt, _)| format!("attempt {attempt} is authorised")))
        .or_else(|| attempt.map(|(id, attempt)| format!("attempt {id} is {:?}", attempt.state)))
        .or_else(|| (!database.outbox.is_empty()).then(|| "something waits in the outbox".to_owned()))
        .or_else(|| unmirrored.then(|| "an epoch is not mirrored".to_owned()))
}
