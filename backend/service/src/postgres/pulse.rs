//! Whether Postgres answers.
//!
//! A server, or the way to it, can stand still without a word: connections stay open, and whoever waits for a statement would wait for
//! ever. A bound on statements would not tell that from one that takes long, or that waits for a lock. So Postgres is asked for
//! next to nothing, again and again, on a connection of its own. When it has not answered, nor let anybody connect, it is silent, and what
//! it was asked is given up. Whether that was done nobody knows then, as when a connection breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_util::task::AbortOnDropHandle;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of one server; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: tokio_postgres::Config,
    silent: Duration,
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers, or was never asked.
    There,
    /// It can be reached, and lets nobody in. Who is in already may be served.
    Refuses,
    /// Nothing comes from it.
    Silent,
}

impl Pulse {
    /// Of a server that is silent when nothing came from it for so long.
    pub(super) fn new(server: tokio_postgres::Config, silent: Duration) -> Self {
        Self(Arc::new(Inner { server, silent, state: watch::Sender::new(State::There) }))
    }

    /// How it is reached.
    pub(super) fn server(&self) -> &tokio_postgres::Config {
        &self.0.server
    }

    /// How long it may be silent.
    pub(super) fn silent(&self) -> Duration {
        self.0.silent
    }

    /// Whether it answered when it was asked last.
    pub(super) fn answers(&self) -> bool {
        *self.0.state.borrow() == State::There
    }

    /// Done when it is silent.
    pub(super) async fn silence(&self) {
        // The sender lives as long as `self`.
        drop(self.0.state.subscribe().wait_for(|state| *state == State::Silent).await);
    }

    /// Asks for ever.
    pub(super) async fn keep_asking(&self) {
        let mut server = self.0.server.clone();
        server.connect_timeout(self.0.silent);
        let mut line = None;
        loop {
            let state;
            (line, state) = look(line, &server, self.0.silent / 2).await;
            self.note(state);
            sleep(PAUSE).await;
        }
    }

    fn note(&self, state: State) {
        if self.0.state.send_replace(state) == state {
            return;
        }
        match state {
            State::There => tracing::info!("postgres answers"),
            State::Refuses => tracing::warn!("postgres lets nobody in"),
            State::Silent => tracing::warn!("postgres is silent; what it was asked is given up"),
        }
    }
}

/// A connection to ask on.
struct Line {
    client: Client,
    _carrying: AbortOnDropHandle<()>,
}

/// One look: on the connection there is, then on a new one. What was lost may be that connection alone; and who stood still himself
/// finds his patience over before he reads what has long been answered.
async fn look(
    line: Option<Line>,
    server: &tokio_postgres::Config,
    patience: Duration,
) -> (Option<Line>, State) {
    if let Some(line) = line
        && let Ok(Ok(_)) = timeout(patience, line.client.simple_query("")).await
    {
        return (Some(line), State::There);
    }
    match timeout(patience, connect(server)).await {
        Ok(Ok(line)) => (Some(line), State::There),
        // It said so itself.
        Ok(Err(error)) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => (None, State::There),
        Ok(Err(_)) => (None, State::Refuses),
        Err(_) => (None, State::Silent),
    }
}

async fn connect(server: &tokio_postgres::Config) -> Result<Line, tokio_postgres::Error> {
    let (client, connection) = server.connect(NoTls).await?;
    let carrying = tokio::spawn(async move { drop(connection.await) });
    Ok(Line { client, _carrying: AbortOnDropHandle::new(carrying) })
}
