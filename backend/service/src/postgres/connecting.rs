//! How connections of a pool are made. All of them end when Postgres falls silent.

use std::pin::Pin;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls};

use super::described;
use super::pulse::Pulse;

/// Makes connections.
pub(super) struct Connecting(pub(super) Pulse);

type Connected = Result<(Client, JoinHandle<()>), Error>;

impl Connect for Connecting {
    fn connect(
        &self,
        server: &tokio_postgres::Config,
    ) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        let server = server.clone();
        Box::pin(async move {
            let (client, connection) = server.connect(NoTls).await?;
            let pulse = self.0.clone();
            // Whoever waits for a statement on it hears at once that it has ended.
            let carrying = tokio::spawn(async move {
                tokio::select! {
                    () = pulse.silence() => {}
                    ended = connection => if let Err(error) = ended {
                        tracing::warn!(error = described(&error), "a connection to postgres broke");
                    }
                }
            });
            Ok((client, carrying))
        })
    }
}
