//! A buyer who takes a seat and gives it back, watched from every instance that has live sockets.
//!
//! They have a show for themselves, as good as nobody else wants it, and are part of the history like all others.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::id::{HoldId, SeatId, ShowId};
use domain::status::SeatStatus;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::buyer::{Answer, Buyer};
use crate::fleet::Fleet;
use crate::history::{Call, Effect, OpId, Recorder, What};
use crate::live::Live;
use crate::walk::upcoming;

/// Their number in histories.
const BUYER: u32 = u32::MAX;
/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The instances that have live sockets.
const WATCHED_FROM: [&str; 2] = ["reservations-1", "reservations-2"];

/// The show, and where it is seen from.
#[derive(Debug)]
pub(super) struct Probe {
    url: String,
    instances: Vec<String>,
    show: ShowId,
    recorder: Recorder,
}

impl Probe {
    /// Chooses the last show of the least popular film that has one.
    pub(super) async fn new(fleet: &Fleet, recorder: &Recorder) -> Result<Self> {
        let instances = WATCHED_FROM.iter().map(|name| fleet.instance_url(name)).collect::<Result<_>>()?;
        let show = quiet_show(&fleet.buyer()?).await?;
        Ok(Self { url: fleet.url.clone(), instances, show, recorder: recorder.clone() })
    }

    /// Holds a seat and releases it, and sees both from everywhere.
    pub(super) async fn sell(&self) -> Result<()> {
        let mut watchers = Vec::new();
        for instance in &self.instances {
            watchers.push(in_time("opening a live socket", self.watch(instance)).await?);
        }
        let buyer = Buyer::new(&self.url)?;
        let (hold, seat) = self.hold(&buyer).await?;
        see(&mut watchers, &seat, SeatStatus::Held).await?;
        self.release(&buyer, &hold).await?;
        see(&mut watchers, &seat, SeatStatus::Free).await
    }

    async fn watch(&self, instance: &str) -> Result<Live> {
        let mut live = Buyer::new(instance)?.live(Some(self.show.as_str())).await?;
        live.next().await?;
        Ok(live)
    }

    async fn hold(&self, buyer: &Buyer) -> Result<(HoldId, SeatId)> {
        let key = Uuid::new_v4().to_string();
        let call = Call::Hold { show: self.show.clone(), seats: Vec::new(), party: 1, key: key.clone() };
        let op = self.recorder.invoke(BUYER, call);
        let path = format!("/api/shows/{}/holds", self.show);
        let wish = json!({ "best": 1 });
        let asked = buyer.post_keyed(&path, &key, &wish);
        let answer = self.answered(op, "a hold", asked, StatusCode::CREATED).await?;
        let effect = held(&answer)?;
        self.recorder.record(What::Ok { op, status: answer.status.as_u16(), effect: effect.clone() });
        match effect {
            Effect::Hold { hold, seats, .. } => {
                Ok((hold, seats.into_iter().next().context("a hold without a seat")?))
            }
            other => bail!("a hold that is {other:?}"),
        }
    }

    async fn release(&self, buyer: &Buyer, hold: &HoldId) -> Result<()> {
        let op = self.recorder.invoke(BUYER, Call::Release { hold: hold.clone() });
        let path = format!("/api/holds/{hold}");
        let answer = self.answered(op, "a release", buyer.delete(&path), StatusCode::NO_CONTENT).await?;
        self.recorder.record(What::Ok { op, status: answer.status.as_u16(), effect: Effect::Nothing });
        Ok(())
    }

    /// The answer that was wanted; any other is written down and an error.
    async fn answered(
        &self,
        op: OpId,
        what: &str,
        asked: impl Future<Output = Result<Answer>>,
        wanted: StatusCode,
    ) -> Result<Answer> {
        match in_time(what, asked).await {
            Ok(answer) if answer.status == wanted => Ok(answer),
            Ok(answer) => {
                self.recorder.record(refused(op, &answer));
                bail!("{what} was answered {}: {}", answer.status, answer.body)
            }
            Err(error) => {
                self.recorder.record(What::Info {
                    op,
                    status: None,
                    retry_after: false,
                    why: format!("{error:#}"),
                });
                Err(error)
            }
        }
    }
}

/// An answer that is not the one wanted, as histories have it.
fn refused(op: OpId, answer: &Answer) -> What {
    let status = answer.status.as_u16();
    let retry_after = answer.headers.contains_key("retry-after");
    if answer.status.is_server_error() {
        return What::Info { op, status: Some(status), retry_after, why: answer.code().to_owned() };
    }
    What::Fail { op, status, code: answer.code().to_owned(), retry_after, lost: Vec::new() }
}

fn held(answer: &Answer) -> Result<Effect> {
    let expires_at: Timestamp = answer.text("expires_at")?.parse()?;
    Ok(Effect::Hold {
        hold: HoldId::parse(answer.text("id")?)?,
        seats: serde_json::from_value(answer.body["seats"].clone())?,
        expires_at_ns: u64::try_from(expires_at.as_nanosecond())?,
    })
}

/// Reads on, on every socket, until it shows the seat so.
async fn see(watchers: &mut [Live], seat: &SeatId, status: SeatStatus) -> Result<()> {
    for watcher in watchers {
        let seen = watcher.until(seat.as_str(), status);
        in_time("a seat's change on the live socket", seen).await?;
    }
    Ok(())
}

async fn in_time<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, work).await.with_context(|| format!("{what} takes too long")).flatten()
}

async fn quiet_show(buyer: &Buyer) -> Result<ShowId> {
    let popular = buyer.get("/api/movies/popular?limit=100").await?.expect(StatusCode::OK)?;
    for movie in popular.list("movies")?.iter().rev() {
        let id = movie["id"].as_str().context("a movie without an id")?;
        if let Some(show) = upcoming(buyer, id).await?.pop() {
            return Ok(ShowId::parse(&show)?);
        }
    }
    bail!("no popular film has a show")
}
