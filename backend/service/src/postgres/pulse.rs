//! Whether Postgres answers.
//!
//! A server, or the way to it, can stand still without a word: connections stay open, and whoever waits for a statement would wait for
//! ever. A bound on statements would not tell that from one that takes long, or that waits for a lock. So Postgres is asked for
//! next to nothing, again and again, on a connection of its own, or to let us connect. When it says nothing twice in a row, it is silent, and
//! what it was asked is given up. Whether that was done nobody knows then, as when a connection breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_util::task::AbortOnDropHandle;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Questions in a row of which nothing comes from a server that is silent. One says little: what was lost may be that connection alone, and
/// who stood still himself finds his patience over before he reads what has long been answered.
const UNHEARD_MAX: u32 = 2;

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
        // Longer than we wait: what is not reached within a shorter bound of the pool's own would look like a refusal.
        server.connect_timeout(self.0.silent);
        let mut asking = Asking::default();
        loop {
            if let Some(state) = asking.look(&server, self.0.silent / UNHEARD_MAX).await {
                self.note(state);
            }
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

/// One who asks.
#[derive(Default)]
struct Asking {
    line: Option<Line>,
    /// Questions in a row of which nothing came.
    unheard: u32,
}

impl Asking {
    /// One look: on the connection there is, then on a new one. Nothing when it does not tell either way.
    async fn look(&mut self, server: &tokio_postgres::Config, patience: Duration) -> Option<State> {
        if let Some(line) = self.line.take() {
            match timeout(patience, line.client.simple_query("")).await {
                Ok(Ok(_)) => return Some(self.heard(State::There, Some(line))),
                // That connection is lost, and no more is known.
                Ok(Err(_)) => {}
                Err(_) => self.unheard += 1,
            }
        }
        let (state, line) = match timeout(patience, connect(server)).await {
            Ok(Ok(line)) => (State::There, Some(line)),
            // It said so itself.
            Ok(Err(error)) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => (State::There, None),
            Ok(Err(_)) => (State::Refuses, None),
            Err(_) => {
                self.unheard = self.unheard.saturating_add(1);
                return (self.unheard >= UNHEARD_MAX).then_some(State::Silent);
            }
        };
        Some(self.heard(state, line))
    }

    fn heard(&mut self, state: State, line: Option<Line>) -> State {
        *self = Self { line, unheard: 0 };
        state
    }
}

async fn connect(server: &tokio_postgres::Config) -> Result<Line, tokio_postgres::Error> {
    let (client, connection) = server.connect(NoTls).await?;
    let carrying = tokio::spawn(async move { drop(connection.await) });
    Ok(Line { client, _carrying: AbortOnDropHandle::new(carrying) })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const TOO_MANY: &[u8] = b"E\0\0\0\x1dSFATAL\0C53300\0Mtoo many\0\0";

    async fn server() -> (TcpListener, tokio_postgres::Config) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(listener.local_addr().unwrap().port()).user("any");
        (listener, config)
    }

    async fn refuse(listener: &TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(TOO_MANY).await.unwrap();
        // Nothing may be left unread: closing would take the answer back.
        drop(stream.read_to_end(&mut Vec::new()).await);
    }

    /// It is full, and so busy that another connection takes it long: those that there are may be answered.
    #[tokio::test]
    async fn one_connection_that_is_not_made_in_time_is_no_silence() {
        let (listener, config) = server().await;
        let pulse = Pulse::new(config, Duration::from_secs(3));
        let busy = async {
            refuse(&listener).await;
            for _ in 0..2 {
                let _slow = listener.accept().await.unwrap();
                refuse(&listener).await;
            }
        };
        tokio::select! {
            () = pulse.silence() => panic!("it said something in between"),
            () = pulse.keep_asking() => {}
            () = busy => {}
        }
    }

    #[tokio::test]
    async fn a_server_that_lets_nobody_connect_and_says_nothing_is_silent() {
        let (_listener, config) = server().await;
        let pulse = Pulse::new(config, Duration::from_millis(100));
        let silent = async {
            tokio::select! {
                () = pulse.silence() => {}
                () = pulse.keep_asking() => {}
            }
        };
        timeout(Duration::from_secs(20), silent).await.expect("it is noticed");
    }
}
