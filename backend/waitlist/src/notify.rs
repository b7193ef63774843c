//! Telling those who named seats that one of them is sold, once per sale. Who waits for any seat has lost nothing by it, and there
//! may be thousands of them.

use domain::event::{BookingConfirmed, Fact, WaitersTold};
use domain::id::ShowId;
use service::{outbox, postgres, traces};

use crate::Waitlist;
use crate::store::{self, lines, shows, told};

/// Sessions named in one event; more are told by further events.
const SESSIONS_MAX: usize = 500;

/// Tells everybody who still waits for certain seats, one of these among them; not the buyer.
pub(crate) async fn tell_waiters(
    waitlist: &Waitlist,
    show_id: &ShowId,
    sale: &BookingConfirmed,
) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    // Most sales are of shows that nobody waits for; they are not worth a write.
    if !shows::find(&connection, show_id).await?.is_some_and(|flag| flag.open) {
        return Ok(());
    }
    let transaction = connection.transaction().await?;
    if !told::remember(&transaction, &sale.booking_id).await? {
        return Ok(());
    }
    let sessions = lines::hoping(&transaction, show_id, &sale.seats, &sale.session_id).await?;
    let told = sessions.chunks(SESSIONS_MAX).map(|chunk| {
        let told = WaitersTold { seats: sale.seats.clone(), session_ids: chunk.to_vec() };
        Fact::WaitersTold(told).of(show_id.clone()).caused_by(traces::current())
    });
    outbox::put_all(&transaction, store::SCHEMA, &told.collect::<Vec<_>>()).await?;
    transaction.commit().await?;
    waitlist.metrics.waiters_told.inc_by(sessions.len() as u64);
    waitlist.bell.ring();
    Ok(())
}
