//! The picture of one watched show, and everybody who watches it from here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::id::ShowId;
use domain::live::{Seats, ServerFrame};
use domain::status::SeatStatus;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Outlet;
use crate::app::App;
use crate::error::Error;
use crate::mirror::floor::Floor;
use crate::mirror::{self, Picture};

/// Messages that wait for one show; what does not fit is found missing by its version.
pub const MESSAGES_MAX: usize = 1_024;
/// Messages taken together. Steps that came while the last ones were written to everybody go to each socket in one piece: the more
/// there is to tell, the less each of it costs.
const TAKEN_MAX: usize = 64;
/// Sockets written to before other tasks of the thread get a turn: less than a millisecond's worth.
const TOLD_AT_ONCE: usize = 128;
/// Between two looks at Postgres while Redis is away, and two attempts to get a picture that somebody waits for.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What a show's task is told.
#[derive(Debug)]
pub enum ToShow {
    /// Somebody watches, and is shown nothing below a floor.
    Watch(Outlet, Floor),
    /// Somebody does not any more.
    Unwatch(u64),
    /// Redis published a step.
    Step {
        /// The version it leads to.
        version: u64,
        /// What changes.
        changes: Seats,
        /// What was published, as it is written to sockets.
        frame: Bytes,
        /// The deadline of a hold that lapsed, by which seats are free now, in milliseconds since 1970.
        lapsed_at: Option<i64>,
    },
    /// The picture began anew.
    Reload,
    /// The mirror's version, asked for regularly in case that a message was lost.
    Check(u64),
}

/// One show's task.
pub struct ShowTask {
    app: Arc<App>,
    show: ShowId,
    messages: mpsc::Receiver<ToShow>,
    watchers: HashMap<u64, Outlet>,
    /// Who has just come.
    arriving: Vec<(Floor, Outlet)>,
    /// Who waits for a picture that is no older than this version.
    waiting: Vec<(u64, Outlet)>,
    picture: Option<Picture>,
    /// The picture as it is written to sockets, once somebody needed it.
    snapshot: Option<Bytes>,
    /// Steps that the picture has and nobody was told yet.
    untold: Vec<Bytes>,
    /// The earliest deadline of what lapsed and was not shown as free yet.
    lapsed_at: Option<i64>,
    checked: u64,
}

impl ShowTask {
    /// Not yet running.
    pub fn new(app: Arc<App>, show: ShowId, messages: mpsc::Receiver<ToShow>) -> Self {
        Self {
            app,
            show,
            messages,
            watchers: HashMap::new(),
            arriving: Vec::new(),
            waiting: Vec::new(),
            picture: None,
            snapshot: None,
            untold: Vec::new(),
            lapsed_at: None,
            checked: 0,
        }
    }

    /// Runs until `may_end` agrees that nobody is left.
    pub async fn run(mut self, may_end: impl Fn(&mpsc::Receiver<ToShow>) -> bool) {
        let mut looks = tokio::time::interval(LOOK_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taken = Vec::with_capacity(TAKEN_MAX);
        loop {
            tokio::select! {
                count = self.messages.recv_many(&mut taken, TAKEN_MAX) => {
                    if count == 0 {
                        return;
                    }
                    for message in taken.drain(..) {
                        self.handle(message).await;
                    }
                    self.tell_steps().await;
                    self.receive().await;
                }
                _ = looks.tick() => if self.is_wanting() || !self.app.gate.available() {
                    self.refresh().await;
                },
            }
            self.admit();
            if self.watchers.is_empty() && self.waiting.is_empty() && may_end(&self.messages) {
                return;
            }
        }
    }

    /// Whether there is no picture, or none for everybody yet: what was to begin it may have failed, and nothing else does.
    fn is_wanting(&self) -> bool {
        self.picture.is_none() || !self.waiting.is_empty()
    }

    async fn handle(&mut self, message: ToShow) {
        match message {
            ToShow::Watch(outlet, floor) => self.arriving.push((floor, outlet)),
            ToShow::Unwatch(id) => self.forget(id),
            ToShow::Step { version, changes, frame, lapsed_at } => {
                self.step(version, changes, frame, lapsed_at).await;
            }
            ToShow::Reload => self.refresh().await,
            ToShow::Check(version) => self.check(version).await,
        }
    }

    fn forget(&mut self, id: u64) {
        self.watchers.remove(&id);
        self.arriving.retain(|(_, outlet)| outlet.id != id);
        self.waiting.retain(|(_, outlet)| outlet.id != id);
    }

    /// Whoever comes may have seen more elsewhere than we have heard of yet: no more than the mirror has by now, or than an epoch
    /// that somebody without Redis has begun meanwhile.
    async fn receive(&mut self) {
        if self.arriving.is_empty() {
            return;
        }
        let versions = self.app.gate.versions(std::slice::from_ref(&self.show)).await;
        let mirrored = versions.ok().and_then(|versions| versions.into_iter().next().flatten());
        let floors = self.arriving.iter().map(|(floor, _)| floor.version(mirrored.is_some()));
        let (floor, mirrored) = (floors.max().unwrap_or_default(), mirrored.unwrap_or_default());
        if mirrored < floor {
            self.app.note_shown_without_redis(&self.show, floor);
        }
        if self.picture.as_ref().is_none_or(|picture| picture.version < floor) {
            self.refresh().await;
        }
        self.waiting.extend(self.arriving.drain(..).map(|(_, outlet)| (mirrored.max(floor), outlet)));
    }

    /// Begins to tell those who wait for no more than we have; the picture comes first.
    fn admit(&mut self) {
        let Some(version) = self.picture.as_ref().map(|picture| picture.version) else { return };
        for (_, outlet) in self.waiting.extract_if(.., |(wanted, _)| *wanted <= version).collect::<Vec<_>>() {
            if let Some(snapshot) = self.snapshot() {
                outlet.send(&snapshot);
            }
            self.watchers.insert(outlet.id, outlet);
        }
    }

    async fn step(&mut self, version: u64, changes: Seats, frame: Bytes, lapsed_at: Option<i64>) {
        match &mut self.picture {
            Some(picture) if version <= picture.version => {}
            Some(picture) if version == picture.version + 1 => {
                picture.version = version;
                apply(&mut picture.seats, changes);
                self.snapshot = None;
                self.untold.push(frame);
                self.note_lapsed(lapsed_at);
            }
            _ => {
                self.tell_steps().await;
                self.note_lapsed(lapsed_at);
                self.refresh().await;
            }
        }
    }

    /// What the next frame shows as free.
    fn note_lapsed(&mut self, lapsed_at: Option<i64>) {
        self.lapsed_at = self.lapsed_at.into_iter().chain(lapsed_at).min();
    }

    /// Behind the version of the *last* check: what that check saw must have arrived by now.
    async fn check(&mut self, version: u64) {
        let behind = self.picture.as_ref().is_some_and(|picture| picture.version < self.checked);
        if behind {
            self.refresh().await;
        }
        self.checked = version;
    }

    /// Takes a new picture and tells everybody, when it is newer.
    async fn refresh(&mut self) {
        self.tell_steps().await;
        match self.newer().await {
            Ok(Some(picture)) => {
                self.picture = Some(picture);
                self.snapshot = None;
                if let Some(snapshot) = self.snapshot() {
                    self.tell(&snapshot).await;
                }
            }
            // What they see is how it is.
            Ok(None) => self.lapsed_at = None,
            Err(error) => tracing::debug!(show = %self.show, %error, "no picture of a watched show"),
        }
    }

    async fn newer(&self) -> Result<Option<Picture>, Error> {
        let picture = mirror::picture(&self.app, &self.show).await?;
        let Some(old) = &self.picture else { return Ok(Some(picture)) };
        if picture.version > old.version {
            return Ok(Some(picture));
        }
        if picture.version == old.version || (picture.seats == old.seats && !self.app.gate.available()) {
            return Ok(None);
        }
        // An older version with other seats: Redis forgot, or is away. A new epoch is above all that was shown.
        mirror::load(&self.app, &self.show).await?;
        let picture = mirror::picture(&self.app, &self.show).await?;
        Ok((picture.version > old.version).then_some(picture))
    }

    /// The picture's frame, encoded once for all who come while it stays as it is.
    fn snapshot(&mut self) -> Option<Bytes> {
        let (Some(picture), None) = (&self.picture, &self.snapshot) else { return self.snapshot.clone() };
        let Picture { version, seats, .. } = picture.clone();
        let snapshot = ServerFrame::Snapshot { show_id: self.show.clone(), version, seats };
        self.snapshot = Some(super::frame(&snapshot));
        self.snapshot.clone()
    }

    /// Tells everybody what steps there were, in their order.
    async fn tell_steps(&mut self) {
        let steps = std::mem::take(&mut self.untold);
        match steps.as_slice() {
            [] => {}
            [step] => self.tell(step).await,
            steps => self.tell(&Bytes::from(steps.concat())).await,
        }
    }

    /// Writes to everybody, which shows them what had lapsed, and lets others have the thread now and then.
    async fn tell(&mut self, frame: &Bytes) {
        for (told, outlet) in self.watchers.values().enumerate() {
            if told % TOLD_AT_ONCE == TOLD_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            outlet.send(frame);
        }
        if let Some(lapsed_at) = self.lapsed_at.take()
            && !self.watchers.is_empty()
        {
            let late_ms = Timestamp::now().as_millisecond() - lapsed_at;
            self.app.metrics.expiry_shown.observe(late_ms.max(0) as f64 / 1e3);
        }
    }
}

fn apply(seats: &mut Seats, changes: Seats) {
    for (seat, status) in changes {
        if status == SeatStatus::Free {
            seats.remove(&seat);
        } else {
            seats.insert(seat, status);
        }
    }
}
