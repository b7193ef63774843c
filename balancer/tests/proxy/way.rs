//! A way to Redis that can be frozen, so that it is there and says nothing, or cut.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// Redis reads what it is asked, and says nothing; a connection that was open then stays so for good.
    Frozen,
    /// There is no connection.
    Cut,
}

pub(crate) struct Way {
    pub(crate) url: String,
    state: watch::Sender<State>,
    _running: JoinSet<()>,
}

/// The Redis for tests.
pub(crate) fn redis_url() -> String {
    std::env::var("MARQUEE_TEST_REDIS_URL")
        .expect("MARQUEE_TEST_REDIS_URL names a Redis for tests; scripts/test starts one")
}

impl Way {
    pub(crate) async fn to_redis() -> Self {
        let redis = redis_url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let redis = redis.split('/').next().expect("a host").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("redis://{}", listener.local_addr().expect("bound"));
        let (state, seen) = watch::channel(State::Open);
        let mut running = JoinSet::new();
        running.spawn(accept(listener, redis, seen));
        Self { url, state, _running: running }
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn accept(listener: TcpListener, redis: String, state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let (redis, mut state) = (redis.clone(), state.clone());
        connections.spawn(async move {
            let cut = state.clone();
            tokio::select! {
                () = carry(near, redis, cut) => {}
                _ = state.wait_for(|state| *state == State::Cut) => {}
            }
        });
    }
}

async fn carry(mut near: TcpStream, redis: String, state: watch::Receiver<State>) {
    let mut far = TcpStream::connect(redis).await.expect("redis is there");
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let answers = async {
        let mut piece = [0; 4_096];
        loop {
            let read = from_far.read(&mut piece).await.unwrap_or(0);
            if *state.borrow() == State::Frozen {
                std::future::pending::<()>().await;
            }
            if read == 0 || to_near.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
        () = answers => {}
    }
}
