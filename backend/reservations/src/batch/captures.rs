//! Bookings whose money is ours: noted together. What is not noted is captured again, so the note need not be durable at once.

use service::postgres;

use super::{Write, Written};
use crate::app::App;
use crate::error::Error;
use crate::store::bookings;
use crate::store::unsettled::{self, Due};

/// Noting captures.
#[derive(Debug)]
pub struct Captures;

impl Write for Captures {
    type Job = String;
    type Answer = ();
    const NAME: &'static str = "captures";

    async fn attempt(app: &App, jobs: &[String]) -> Result<Option<Written<()>>, Error> {
        let ids: Vec<_> = jobs.iter().map(String::as_str).collect();
        let mut client = app.connection().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
        tokio::try_join!(
            bookings::set_captured(&transaction, &ids),
            unsettled::delete(&transaction, &ids, Due::Capture),
        )?;
        transaction.commit().await.map_err(postgres::Error::from)?;
        Ok(Some(Written { answers: jobs.iter().map(|_| Ok(())).collect(), claims: Vec::new() }))
    }
}
