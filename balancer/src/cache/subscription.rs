//! What others purge reaches this balancer: a subscription in Redis that is kept up, and asked whether it is alive.
//!
//! Away, there, and away again, as three functions that call each other. From losing it until it is there again tagged answers
//! live on their lease; once it is there, each of them is asked for once, as nobody knows what was missed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Msg, RedisError};
use tokio::time::{sleep, timeout};

use super::purge::{Purger, Wire};

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Between two attempts to subscribe.
const PAUSE: Duration = Duration::from_millis(200);
/// Proofs of life within a lease.
const PROOFS_PER_LEASE: u32 = 4;

/// The service that keeps the subscription.
pub struct Subscription(pub Arc<Purger>);

#[async_trait]
impl BackgroundService for Subscription {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Some(wire) = self.0.wire() else { return };
        tokio::select! {
            () = self.keep(wire) => {}
            _ = shutdown.changed() => {}
        }
    }
}

impl Subscription {
    async fn keep(&self, wire: &Wire) {
        loop {
            match self.subscribe(wire).await {
                Ok((sink, stream)) => {
                    tracing::info!(channel = wire.channel, "purges are heard");
                    self.0.metrics().subscribed.set(1);
                    let error = self.follow(sink, stream).await;
                    self.0.metrics().subscribed.set(0);
                    tracing::warn!(%error, "purges are not heard: tagged answers live on their lease");
                }
                Err(error) => tracing::debug!(%error, "redis is away"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn subscribe(&self, wire: &Wire) -> Result<(PubSubSink, PubSubStream), RedisError> {
        let (mut sink, stream) = within(CONNECT_MAX, wire.client.get_async_pubsub()).await?.split();
        let asked = self.0.tags().clock();
        within(CONNECT_MAX, sink.subscribe(&wire.channel)).await?;
        // In this order: until what was stored is doubted, nothing new may prove that it is good.
        self.0.tags().lose();
        self.0.tags().lease.heard(asked);
        Ok((sink, stream))
    }

    /// Hears purges, and asks again and again whether the connection is alive. Returns why it is not.
    async fn follow(&self, mut sink: PubSubSink, mut stream: PubSubStream) -> RedisError {
        let lease = self.0.tags().lease.length();
        loop {
            let asked = self.0.tags().clock();
            let alive = within(lease, sink.ping::<()>());
            match self.hear_until(&mut stream, alive).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => return error,
            }
            // What came before the answer is here, though perhaps not looked at.
            while let Some(message) = stream.next().now_or_never() {
                match message {
                    Some(message) => self.0.hear(message.get_payload_bytes()),
                    None => return ended(),
                }
            }
            self.0.tags().lease.heard(asked);
            if let Err(error) = self.hear_until(&mut stream, sleep(lease / PROOFS_PER_LEASE)).await {
                return error;
            }
        }
    }

    async fn hear_until<T>(
        &self,
        stream: &mut PubSubStream,
        end: impl Future<Output = T>,
    ) -> Result<T, RedisError> {
        let mut end = pin!(end);
        loop {
            let message: Option<Msg> = tokio::select! {
                ended = &mut end => return Ok(ended),
                message = stream.next() => message,
            };
            match message {
                Some(message) => self.0.hear(message.get_payload_bytes()),
                None => return Err(ended()),
            }
        }
    }
}

/// An answer that does not come in time is as good as a lost connection.
async fn within<T>(
    time: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    let answered = timeout(time, answer).await;
    answered.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

fn ended() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}
