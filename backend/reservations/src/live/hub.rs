//! Who is there: the shows that are watched from here and the sessions that are connected here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::event::{EntryTold, Event, Fact, LineClosed, PlaceTold};
use domain::id::{SessionId, ShowId};
use domain::live::ServerFrame;
use service::drain::Drain;
use service::traces;
use tokio::sync::mpsc;

use super::show::{MESSAGES_MAX, ShowTask, ToShow};
use super::wanted::Wanted;
use super::{Outlet, frame};
use crate::app::App;
use crate::error::Error;

/// Before another attempt to reach a show's task that is ending, or has too much to do.
const WATCH_PAUSE: Duration = Duration::from_millis(5);

/// The hub of one process; clones share it.
#[derive(Clone)]
pub struct Hub {
    app: Arc<App>,
    wanted: Wanted,
    shows: Arc<Mutex<HashMap<ShowId, mpsc::Sender<ToShow>>>>,
    sessions: Arc<Mutex<HashMap<SessionId, Vec<Outlet>>>>,
}

impl Hub {
    /// Nobody is there yet.
    pub fn new(app: Arc<App>, wanted: Wanted) -> Self {
        Self { app, wanted, shows: Arc::default(), sessions: Arc::default() }
    }

    /// Notes that a session is connected.
    pub fn connect(&self, session: &SessionId, outlet: Outlet) {
        self.sessions().entry(session.clone()).or_default().push(outlet);
        self.app.metrics.sockets.inc();
    }

    /// Notes that it is not any more.
    pub fn disconnect(&self, session: &SessionId, outlet: &Outlet) {
        let mut sessions = self.sessions();
        if let Some(outlets) = sessions.get_mut(session) {
            outlets.retain(|each| each.id != outlet.id);
            if outlets.is_empty() {
                sessions.remove(session);
            }
        }
        self.app.metrics.sockets.dec();
    }

    /// Notes that a client was too slow.
    pub(super) fn note_cut(&self) {
        self.app.metrics.sockets_cut.inc();
    }

    /// How many sockets are open.
    pub(super) fn sockets(&self) -> u32 {
        u32::try_from(self.app.metrics.sockets.get()).unwrap_or_default()
    }

    /// Over how long sockets are closed when the server goes, at most.
    pub(super) fn drain_spread(&self) -> Duration {
        Duration::from_millis(self.app.config.live.drain_spread_ms)
    }

    /// Done when the server goes and the last socket is closed.
    pub async fn deserted(&self, drain: &Drain) {
        drain.stopped().await;
        let places = u32::try_from(self.app.config.sockets_max).unwrap_or(u32::MAX);
        drop(self.app.sockets.acquire_many(places).await);
    }

    /// Whether there is such a show.
    pub async fn show_exists(&self, show: &ShowId) -> Result<bool, Error> {
        match self.app.show(show).await {
            Ok(_) => Ok(true),
            Err(Error::ShowNotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to send a show's picture to a socket: a snapshot first, then steps.
    pub async fn watch(&self, show: &ShowId, outlet: &Outlet) {
        self.app.in_use.note(show);
        let floor = self.app.floors.of(&self.app, show).await;
        loop {
            let task = self.task(show).await;
            // Under the lock that `forget` takes: a task that ends has no message left.
            let sent = {
                let shows = self.shows();
                shows.get(show).is_some_and(|current| current.same_channel(&task))
                    && task.try_send(ToShow::Watch(outlet.clone(), floor)).is_ok()
            };
            if sent {
                return;
            }
            tokio::time::sleep(WATCH_PAUSE).await;
        }
    }

    /// Stops sending a show's picture to a socket.
    pub async fn unwatch(&self, show: &ShowId, outlet: &Outlet) {
        let task = self.shows().get(show).cloned();
        if let Some(task) = task {
            // A task that is gone has forgotten the socket already.
            drop(task.send(ToShow::Unwatch(outlet.id)).await);
        }
    }

    /// The shows that are watched from here.
    pub fn watched(&self) -> Vec<ShowId> {
        self.shows().keys().cloned().collect()
    }

    /// Tells a show's task something, if it is watched. Never waits: what does not fit is found missing later.
    pub fn tell(&self, show: &ShowId, message: ToShow) {
        if let Some(task) = self.shows().get(show)
            && task.try_send(message).is_err()
        {
            tracing::debug!(%show, "a show's task is behind");
        }
    }

    /// Tells the sessions concerned what happened.
    pub fn notify(&self, event: Event) {
        let (trace, kind) = (event.trace.clone(), event.fact.kind());
        for (session, notice) in notices(event) {
            if let Some(outlets) = self.sessions().get(&session) {
                let frame = frame(&notice);
                traces::push(trace.as_deref(), kind, || {
                    for outlet in outlets {
                        outlet.send(&frame);
                    }
                });
            }
        }
    }

    /// The task of a show, started when there is none. Redis is asked to tell of it before its first picture is taken.
    async fn task(&self, show: &ShowId) -> mpsc::Sender<ToShow> {
        let alive = |task: &&mpsc::Sender<ToShow>| !task.is_closed();
        if let Some(task) = self.shows().get(show).filter(alive) {
            return task.clone();
        }
        self.wanted.add(show).await;
        let mut shows = self.shows();
        if let Some(task) = shows.get(show).filter(alive) {
            return task.clone();
        }
        // Somebody may have ended another task of this show while we waited.
        self.wanted.keep(show);
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        shows.insert(show.clone(), sender.clone());
        self.app.metrics.shows_watched.set(i64::try_from(shows.len()).unwrap_or(i64::MAX));
        let (hub, ended) = (self.clone(), show.clone());
        let task = ShowTask::new(Arc::clone(&self.app), show.clone(), receiver);
        tokio::spawn(task.run(move |messages| hub.forget(&ended, messages)));
        sender
    }

    /// Lets a show's task end, unless somebody has just come.
    fn forget(&self, show: &ShowId, messages: &mpsc::Receiver<ToShow>) -> bool {
        let mut shows = self.shows();
        if !messages.is_empty() {
            return false;
        }
        shows.remove(show);
        self.app.metrics.shows_watched.set(i64::try_from(shows.len()).unwrap_or(i64::MAX));
        self.wanted.remove(show);
        true
    }

    fn shows(&self) -> MutexGuard<'_, HashMap<ShowId, mpsc::Sender<ToShow>>> {
        self.shows.lock().expect("no holder of this lock panics")
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Vec<Outlet>>> {
        self.sessions.lock().expect("no holder of this lock panics")
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// Whom an event concerns, and how they are told.
fn notices(event: Event) -> Vec<(SessionId, ServerFrame)> {
    let show_id = event.show_id;
    match event.fact {
        Fact::HoldExpired(ended) => {
            let lapsed = ended.entry_id.map(|entry_id| ServerFrame::OfferLapsed { entry_id });
            let expired = ServerFrame::HoldExpired { hold_id: ended.hold_id, show_id, seats: ended.seats };
            let session = ended.session_id;
            [Some(expired), lapsed].into_iter().flatten().map(|frame| (session.clone(), frame)).collect()
        }
        Fact::SeatsOffered(offered) => vec![(
            offered.session_id,
            ServerFrame::Offer {
                entry_id: offered.entry_id,
                hold_id: offered.hold_id,
                show_id,
                seats: offered.seats,
                expires_at: offered.expires_at,
            },
        )],
        Fact::WaitersTold(told) => {
            let sold = ServerFrame::Sold { show_id, seats: told.seats };
            told.session_ids.into_iter().map(|session| (session, sold.clone())).collect()
        }
        Fact::LineMoved(moved) => {
            let place = |told: PlaceTold| {
                let PlaceTold { entry_id, session_id, position, estimate } = told;
                (session_id, ServerFrame::Queue { entry_id, show_id: show_id.clone(), position, estimate })
            };
            moved.places.into_iter().map(place).collect()
        }
        Fact::LineClosed(LineClosed { reason, entries }) => {
            let closed = |told: EntryTold| {
                let EntryTold { entry_id, session_id } = told;
                (session_id, ServerFrame::Closed { entry_id, show_id: show_id.clone(), reason })
            };
            entries.into_iter().map(closed).collect()
        }
        Fact::SeatsHeld(_)
        | Fact::SeatsReleased(_)
        | Fact::BookingConfirmed(_)
        | Fact::BookingCancelled(_)
        | Fact::SeatsEscrowed(_) => Vec::new(),
    }
}
