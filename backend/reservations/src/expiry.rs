//! Announcing what has lapsed: soon and exactly once, however many processes sweep. No seat depends on it to be free.

use std::time::{Duration, Instant};

use domain::status::HoldStatus;
use service::drain::Drain;
use service::postgres;

use crate::app::App;
use crate::error::Error;
use crate::store::escrows::{self, Escrow};
use crate::store::{claims, holds, idempotency};
use crate::{freeing, mirror, placing};

/// Holds or escrows ended in one transaction.
const BATCH_MAX: i64 = 200;
/// Between two rounds of dropping old answers to idempotency keys.
const IDEMPOTENCY_SWEEP: Duration = Duration::from_mins(10);
/// Before the next one when one failed.
const IDEMPOTENCY_REPEAT: Duration = Duration::from_secs(10);

/// Sweeps until drained.
pub async fn sweep(app: &App, drain: Drain) {
    let pause = Duration::from_millis(app.config.sweep_interval_ms);
    let last_success = app.metrics.loops.begin("expiry", pause);
    while drain.pause(pause).await {
        while let Some(full) = sweep_once(app).await {
            last_success.note();
            if !full || drain.is_stopped() {
                break;
            }
        }
    }
}

/// Drops old idempotency keys until drained.
pub async fn sweep_idempotency(app: &App, drain: Drain) {
    let last_success = app.metrics.loops.begin("idempotency_keys", IDEMPOTENCY_SWEEP);
    let mut pause = IDEMPOTENCY_SWEEP;
    while drain.pause(pause).await {
        let swept = async { Ok::<_, Error>(idempotency::sweep(&app.connection().await?).await?) }.await;
        last_success.note_if(swept.is_ok());
        pause = if swept.is_ok() { IDEMPOTENCY_SWEEP } else { IDEMPOTENCY_REPEAT };
        match swept {
            Ok(rows) => tracing::debug!(rows, "dropped old idempotency keys"),
            Err(error) => tracing::warn!(%error, "old idempotency keys stay"),
        }
    }
}

/// One round; says whether there may be more, or nothing when it failed.
async fn sweep_once(app: &App) -> Option<bool> {
    let outcome = async { Ok::<_, Error>((expire_holds(app).await?, lapse_escrows(app).await?)) }.await;
    match outcome {
        Ok((holds, escrows)) => {
            Some(holds >= BATCH_MAX.unsigned_abs() || escrows >= BATCH_MAX.unsigned_abs())
        }
        Err(error) => {
            tracing::warn!(%error, "lapsed holds wait to be announced");
            None
        }
    }
}

async fn expire_holds(app: &App) -> Result<u64, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let (due, late): (Vec<_>, Vec<_>) = holds::lock_due(&transaction, BATCH_MAX).await?.into_iter().unzip();
    let locked_at = Instant::now();
    if due.is_empty() {
        return Ok(0);
    }
    let claims = freeing::end(app, &transaction, &due, HoldStatus::Expired).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    app.metrics.holds_expired.inc_by(due.len() as u64);
    for late in late {
        app.metrics.expiry_lag.observe((late + locked_at.elapsed()).as_secs_f64());
    }
    app.bell.ring();
    mirror::follow_all(app, claims).await;
    Ok(due.len() as u64)
}

/// What the queue did not take in time goes on open sale.
async fn lapse_escrows(app: &App) -> Result<u64, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let due = escrows::lock_due(&transaction, BATCH_MAX).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let owned: Vec<_> = due.iter().map(Escrow::owned).collect();
    let ids: Vec<_> = due.iter().map(|escrow| escrow.id.as_str()).collect();
    let shows: Vec<_> = due.iter().map(|escrow| escrow.show.as_str()).collect();
    claims::lock(&transaction, &owned).await?;
    escrows::close(&transaction, &ids).await?;
    let claims = claims::free(&transaction, &owned).await?;
    placing::without_gate(app, &transaction, &shows).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    app.metrics.escrows_lapsed.inc_by(due.len() as u64);
    mirror::follow_all(app, claims).await;
    Ok(due.len() as u64)
}
