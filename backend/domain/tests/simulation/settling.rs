//! Money that was left over: what was booked is captured, what will not be booked is voided.

use crate::confirming::{LEASE, capture, void};
use crate::database::{AttemptState, Database};
use crate::process::{Lost, Process};

/// Between two looks.
const PAUSE_MS: i64 = 700;

#[derive(Debug, Default)]
struct Left {
    to_capture: Vec<u64>,
    to_void: Vec<u64>,
}

pub(crate) async fn settle(process: Process) {
    loop {
        process.sleep(PAUSE_MS).await;
        let _next_time = round(&process).await;
    }
}

async fn round(process: &Process) -> Result<(), Lost> {
    let left = process.postgres("look for money", find).await?;
    for attempt in left.to_capture {
        capture(process, attempt).await?;
    }
    for attempt in left.to_void {
        void(process, attempt).await?;
    }
    Ok(())
}

/// Whoever began so long ago is dead, or will find that it is thought so.
fn find(database: &mut Database) -> Left {
    let mut left = Left::default();
    for (id, attempt) in &mut database.attempts {
        let old = attempt.begun_at + LEASE + LEASE <= database.now;
        match attempt.state {
            AttemptState::Booked if old => left.to_capture.push(*id),
            AttemptState::Begun if old => {
                attempt.state = AttemptState::Voiding;
                left.to_void.push(*id);
            }
            AttemptState::Voiding if old => left.to_void.push(*id),
            _ => {}
        }
    }
    left
}
