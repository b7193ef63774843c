//! What is told to us: live frames of the shows that are watched from here (pub/sub), and events for sessions (streams).

use std::collections::HashSet;
use std::time::Duration;

use domain::event::{Told, kind};
use domain::id::ShowId;
use domain::live::Seats;
use futures_util::StreamExt;
use redis::Msg;
use redis::aio::{PubSubSink, PubSubStream};
use serde::Deserialize;
use service::drain::Drain;
use service::metrics::loops::{LastSuccess, Loops};
use service::redis::Redis;
use service::stream::{self, Behind, Following};
use tokio::time::MissedTickBehavior;

use super::encoded;
use super::hub::Hub;
use super::show::ToShow;
use super::wanted::Wanted;
use crate::keys::Keys;
use crate::store::SCHEMA;

/// Before another attempt to subscribe.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two comparisons of our pictures' versions with the mirrors'.
const CHECK_PAUSE: Duration = Duration::from_millis(500);

/// Between two questions whether the connection is still there, and how long the answer may take.
const PING_PAUSE: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What concerns sessions: events of our own, and of the waitlist's.
const CONCERNING: Following = Following {
    owners: &[SCHEMA, "waitlist"],
    types: &[
        kind::HOLD_EXPIRED,
        kind::SEATS_OFFERED,
        kind::WAITERS_TOLD,
        kind::LINE_MOVED,
        kind::LINE_CLOSED,
    ],
};

/// Listens until drained. After every loss of the connection, every watched picture is taken anew.
pub async fn listen(redis: Redis, hub: Hub, wanted: Wanted, loops: Loops, drain: Drain) {
    let keys = Keys::new(redis.prefix());
    let last_success = loops.begin("live_feed", PING_PAUSE);
    while !drain.is_stopped() {
        if let Ok(subscriber) = redis.subscriber().await {
            let (sink, stream) = subscriber.split();
            let subscribed = HashSet::new();
            let feed = Feed {
                keys: &keys,
                hub: &hub,
                wanted: &wanted,
                subscribed,
                sink,
                last_success: &last_success,
            };
            if let Err(error) = feed.run(stream, &drain).await {
                tracing::warn!(%error, "the live feed stopped");
            }
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}

/// Hears what concerns sessions, until drained.
pub async fn hear(redis: Redis, hub: Hub, behind: Behind, loops: Loops, drain: Drain) {
    stream::follow(redis, CONCERNING, behind, loops, drain, |text| {
        match serde_json::from_str::<Told>(text) {
            Ok(told) => hub.notify(told.event),
            Err(error) => tracing::debug!(%error, "an event is passed over"),
        }
    })
    .await;
}

/// Compares versions until drained: the last message of all may be lost without a gap to show it.
pub async fn check_versions(hub: Hub, gate: crate::gate::Gate, loops: Loops, drain: Drain) {
    let last_success = loops.begin("live_versions", CHECK_PAUSE);
    while drain.pause(CHECK_PAUSE).await {
        let shows = hub.watched();
        let Ok(versions) = gate.versions(&shows).await else { continue };
        last_success.note();
        for (show, version) in shows.iter().zip(versions) {
            match version {
                Some(version) => hub.tell(show, ToShow::Check(version)),
                None => hub.tell(show, ToShow::Reload),
            }
        }
    }
}

struct Feed<'a> {
    keys: &'a Keys,
    hub: &'a Hub,
    wanted: &'a Wanted,
    subscribed: HashSet<ShowId>,
    sink: PubSubSink,
    last_success: &'a LastSuccess,
}

impl Feed<'_> {
    async fn run(mut self, mut stream: PubSubStream, drain: &Drain) -> redis::RedisResult<()> {
        in_time(self.settle()).await?;
        for show in self.hub.watched() {
            self.hub.tell(&show, ToShow::Reload);
        }
        let wanted = self.wanted.clone();
        let mut pings = tokio::time::interval(PING_PAUSE);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.stopped() => return Ok(()),
                // A connection that is only half there says nothing for ever: it is asked.
                _ = pings.tick() => {
                    in_time(self.sink.ping::<()>()).await?;
                    self.last_success.note();
                }
                () = wanted.changed() => in_time(self.settle()).await?,
                message = stream.next() => match message {
                    Some(message) => self.receive(&message),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Brings the subscriptions in line with what is wanted.
    async fn settle(&mut self) -> redis::RedisResult<()> {
        let wanted = self.wanted.shows();
        for show in wanted.difference(&self.subscribed) {
            self.sink.subscribe(self.keys.live(show)).await?;
        }
        for show in self.subscribed.difference(&wanted) {
            self.sink.unsubscribe(self.keys.live(show)).await?;
        }
        self.subscribed = wanted;
        self.wanted.settled();
        Ok(())
    }

    fn receive(&self, message: &Msg) {
        let Ok(text) = message.get_payload::<String>() else { return };
        match serde_json::from_str::<Published>(&text) {
            Ok(Published::Reload { show_id }) => self.hub.tell(&show_id, ToShow::Reload),
            Ok(Published::Seats { show_id, version, changes, lapsed_at }) => {
                let frame = encoded(without_deadline(text, lapsed_at));
                self.hub.tell(&show_id, ToShow::Step { version, changes, frame, lapsed_at });
            }
            Err(error) => tracing::warn!(%error, text, "the gate published what cannot be read"),
        }
    }
}

/// What was published, as sockets get it: a deadline stands last, and is for us.
fn without_deadline(mut text: String, lapsed_at: Option<i64>) -> String {
    if lapsed_at.is_some()
        && let Some(end) = text.rfind(r#","lapsed_at":"#)
    {
        text.truncate(end);
        text.push('}');
    }
    text
}

/// An answer that does not come in time is as good as a lost connection.
async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> redis::RedisResult<T> {
    let answered = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
    answered.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// What the gate's scripts publish.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Published {
    /// One step of a show: a frame that sockets can have as it is, but for the deadline of what lapsed, in milliseconds since 1970.
    Seats { show_id: ShowId, version: u64, changes: Seats, lapsed_at: Option<i64> },
    /// A show's mirror began anew.
    Reload { show_id: ShowId },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_scripts_publish_is_understood() {
        let show_id = ShowId::parse("show_1").unwrap();
        let reload = r#"{"type":"reload","show_id":"show_1"}"#;
        assert_eq!(serde_json::from_str::<Published>(reload).unwrap(), Published::Reload { show_id });
        let step = r#"{"type":"seats","show_id":"show_1","version":4294967297,"changes":{"A1":"held"}}"#;
        assert!(matches!(
            serde_json::from_str(step),
            Ok(Published::Seats { version: 4_294_967_297, lapsed_at: None, .. })
        ));
        assert_eq!(without_deadline(step.to_owned(), None), step);
    }

    #[test]
    fn the_deadline_of_what_lapsed_is_for_us_alone() {
        let step = r#"{"type":"seats","show_id":"show_1","version":7,"changes":{"A1":"free"},"lapsed_at":1700000000123}"#;
        let Ok(Published::Seats { lapsed_at, .. }) = serde_json::from_str(step) else {
            panic!("it is a step")
        };
        assert_eq!(lapsed_at, Some(1_700_000_000_123));
        let frame = r#"{"type":"seats","show_id":"show_1","version":7,"changes":{"A1":"free"}}"#;
        assert_eq!(without_deadline(step.to_owned(), lapsed_at), frame);
    }
}
