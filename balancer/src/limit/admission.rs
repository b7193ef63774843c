//! Who may go to a pool now, who waits, who is refused. One request has one permit, for all its tries.
//!
//! Two limits hold: the hard one for everybody, and the adaptive one, which the critical class is let past.
//! A permit gives its place back when it is dropped, wherever that happens: also when whoever waited for it has gone in the
//! same moment. So no place is lost, and nobody waits while there is room.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::concurrency::{Adaptive, Bounds};
use super::priority::{Priority, Pushed, Queue, Ticket};

/// The limits of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Requests that may wait.
    pub queue_max: usize,
    /// The adaptive limit, when it is on.
    pub adaptive: Option<Bounds>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many wait as may.
    QueueFull,
    /// Somebody of a higher class took its place.
    Displaced,
}

/// What can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Permits that are out.
    pub in_flight: usize,
    /// How many may be, the critical class apart.
    pub limit: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

/// The door of one pool. Clones are the same.
#[derive(Clone)]
pub struct Admission(Arc<Mutex<State>>);

struct State {
    in_flight: usize,
    /// As whoever asked last saw it: endpoints come and go.
    hard_max: usize,
    adaptive: Option<Adaptive>,
    queue: Queue<oneshot::Sender<Result<Permit, Refused>>>,
}

impl Admission {
    /// Nobody is in.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            in_flight: 0,
            hard_max: usize::MAX,
            adaptive: settings.adaptive.map(|bounds| Adaptive::new(bounds, now)),
            queue: Queue::new(settings.queue_max),
        })))
    }

    /// Other limits; who is in stays in, and who waits goes on waiting.
    pub fn reconfigure(&self, settings: Settings, now: Instant) {
        let mut state = self.state();
        state.queue.resize(settings.queue_max);
        match (&mut state.adaptive, settings.adaptive) {
            (Some(adaptive), Some(bounds)) => adaptive.rebound(bounds, now),
            (adaptive, bounds) => *adaptive = bounds.map(|bounds| Adaptive::new(bounds, now)),
        }
        drop(state);
        self.let_in();
    }

    /// A permit at once, or a place to wait for one. Not more than `hard_max` are out at the same time.
    pub fn ask(&self, class: Priority, hard_max: usize) -> Result<Permit, Waiting> {
        self.widen(hard_max);
        let mut state = self.state();
        // Whoever waits does so because there is no room for its class; so nobody is overtaken by an equal here.
        if state.has_room(class) {
            return Ok(self.permit(&mut state));
        }
        let (sender, answer) = oneshot::channel();
        let ticket = match state.queue.push(class, sender) {
            Pushed::Waits(ticket, displaced) => {
                refuse(displaced, Refused::Displaced);
                Some(ticket)
            }
            Pushed::Full(sender) => {
                refuse(Some(sender), Refused::QueueFull);
                None
            }
        };
        Err(Waiting { admission: self.clone(), ticket, answer })
    }

    /// For the metrics, where not more than `hard_max` permits may be out.
    pub fn load(&self, hard_max: usize) -> Load {
        let state = self.state();
        let limit = state.limit().min(hard_max);
        Load { in_flight: state.in_flight, limit, waiting: state.queue.len() }
    }

    /// When endpoints have come back, whoever waits goes first.
    fn widen(&self, hard_max: usize) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.hard_max, hard_max);
        let wider = hard_max > before && !state.queue.is_empty();
        drop(state);
        if wider {
            self.let_in();
        }
    }

    fn permit(&self, state: &mut State) -> Permit {
        state.in_flight += 1;
        let in_flight = state.in_flight;
        if let Some(adaptive) = &mut state.adaptive {
            adaptive.entered(in_flight);
        }
        Permit { admission: Some(self.clone()), answer: None }
    }

    /// Lets in whoever waits, as far as there is room.
    fn let_in(&self) {
        while let Some((waiter, permit)) = self.next() {
            // Outside of the lock: when nobody is there to take it, the permit comes back and takes the lock itself.
            if let Err(Ok(permit)) = waiter.send(Ok(permit)) {
                permit.forget();
            }
        }
    }

    fn next(&self) -> Option<(oneshot::Sender<Result<Permit, Refused>>, Permit)> {
        let mut state = self.state();
        let class = state.queue.first_class()?;
        if !state.has_room(class) {
            return None;
        }
        let waiter = state.queue.pop()?;
        Some((waiter, self.permit(&mut state)))
    }

    fn leave(&self, answer: Option<Answer>) {
        let mut state = self.state();
        state.in_flight -= 1;
        if let (Some(adaptive), Some(answer)) = (&mut state.adaptive, answer) {
            adaptive.answered(answer.kind, answer.latency, answer.at);
        }
        let waiting = !state.queue.is_empty();
        drop(state);
        if waiting {
            self.let_in();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn limit(&self) -> usize {
        self.adaptive.as_ref().map_or(self.hard_max, |adaptive| adaptive.limit().min(self.hard_max))
    }

    fn has_room(&self, class: Priority) -> bool {
        let limit = if class == Priority::Critical { self.hard_max } else { self.limit() };
        self.in_flight < limit
    }
}

fn refuse(waiter: Option<oneshot::Sender<Result<Permit, Refused>>>, reason: Refused) {
    if let Some(waiter) = waiter {
        // Whoever has just left needs no answer. No permit is in this one, so nothing happens under the lock.
        let _ = waiter.send(Err(reason));
    }
}

/// One request that may go to the pool, until it is dropped.
pub struct Permit {
    /// There until it is given back.
    admission: Option<Admission>,
    answer: Option<Answer>,
}

/// What a permit tells the adaptive limit at its end.
#[derive(Debug, Clone, Copy)]
struct Answer {
    kind: usize,
    latency: Duration,
    at: Instant,
}

impl Permit {
    /// The pool answered a request of this kind after so long. Without this, nothing is learned.
    pub fn answered(&mut self, kind: usize, latency: Duration, now: Instant) {
        self.answer = Some(Answer { kind, latency, at: now });
    }

    /// Given back by the loop that gives it to the next one.
    fn forget(mut self) {
        if let Some(admission) = self.admission.take() {
            admission.state().in_flight -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.leave(self.answer);
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Permit").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// A place in the queue; to drop it is to leave.
pub struct Waiting {
    admission: Admission,
    /// None when there was no place.
    ticket: Option<Ticket>,
    answer: oneshot::Receiver<Result<Permit, Refused>>,
}

impl Future for Waiting {
    type Output = Result<Permit, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nobody drops a sender without a word.
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or(Err(Refused::Displaced)))
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Waiting").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A permit that is already on its way is dropped with the channel.
        if let Some(ticket) = self.ticket {
            let waiter = self.admission.state().queue.remove(ticket);
            drop(waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use Priority::{Critical, High, Low, Normal};

    use super::*;

    const HARD: usize = 3;

    fn fixed(limit: usize, queue_max: usize) -> Admission {
        let bounds = Bounds { initial: limit, min: limit, max: limit, tolerance_percent: 150 };
        Admission::new(Settings { queue_max, adaptive: Some(bounds) }, Instant::now())
    }

    fn waits(admission: &Admission, class: Priority) -> Waiting {
        admission.ask(class, HARD).expect_err("there is no room")
    }

    #[test]
    fn a_place_that_comes_free_goes_to_the_highest_class() {
        let admission = fixed(1, 8);
        let permit = admission.ask(Normal, HARD).expect("room");
        let (mut low, mut high) = (waits(&admission, Low), waits(&admission, High));
        assert!(high.poll_now().is_none());
        drop(permit);
        let permit = high.poll_now().expect("its turn").expect("let in");
        assert!(low.poll_now().is_none());
        drop(permit);
        assert!(low.poll_now().expect("its turn").is_ok());
    }

    #[test]
    fn the_critical_class_passes_the_adaptive_limit_and_stops_at_the_hard_one() {
        let admission = fixed(1, 8);
        let permits: Vec<_> = (0..HARD).map(|_| admission.ask(Critical, HARD).expect("room")).collect();
        let (mut normal, mut critical) = (waits(&admission, Normal), waits(&admission, Critical));
        let mut permits = permits.into_iter();
        drop(permits.next());
        let last = critical.poll_now().expect("its turn").expect("let in");
        drop(permits);
        assert!(normal.poll_now().is_none(), "the adaptive limit is still reached");
        drop(last);
        assert!(normal.poll_now().expect("its turn").is_ok());
    }

    #[test]
    fn a_newcomer_of_a_higher_class_takes_the_place_of_the_newest_of_the_lowest() {
        let admission = fixed(1, 2);
        let _permit = admission.ask(Normal, HARD).expect("room");
        let (mut old, mut new) = (waits(&admission, Low), waits(&admission, Low));
        assert_eq!(waits(&admission, Low).poll_now().expect("an answer").err(), Some(Refused::QueueFull));
        let mut high = waits(&admission, High);
        assert_eq!(new.poll_now().expect("an answer").err(), Some(Refused::Displaced));
        assert!(old.poll_now().is_none() && high.poll_now().is_none());
    }

    #[test]
    fn whoever_leaves_with_a_permit_on_its_way_gives_it_back() {
        let admission = fixed(1, 8);
        let permit = admission.ask(Normal, HARD).expect("room");
        let (first, mut second) = (waits(&admission, Normal), waits(&admission, Normal));
        drop(permit);
        drop(first);
        assert!(second.poll_now().expect("its turn").is_ok());
    }

    #[test]
    fn who_waits_is_let_in_when_the_limit_is_raised() {
        let admission = fixed(1, 8);
        let _permit = admission.ask(Normal, HARD).expect("room");
        let mut waiting = waits(&admission, Normal);
        admission.reconfigure(Settings { queue_max: 8, adaptive: None }, Instant::now());
        assert!(waiting.poll_now().expect("its turn").is_ok());
    }

    #[test]
    fn a_newcomer_does_not_overtake_when_there_is_room_for_more() {
        let admission = Admission::new(Settings { queue_max: 8, adaptive: None }, Instant::now());
        let _permit = admission.ask(Normal, 1).expect("room");
        let mut first = admission.ask(Normal, 1).expect_err("no room");
        let second = admission.ask(Normal, 2).expect_err("the room is for who came first");
        assert!(first.poll_now().expect("its turn").is_ok());
        drop(second);
    }

    trait PollNow: Future + Unpin {
        fn poll_now(&mut self) -> Option<Self::Output> {
            self.now_or_never()
        }
    }

    impl PollNow for Waiting {}

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask(Priority),
        Finish(usize),
        Leave(usize),
        Poll(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let class = prop_oneof![Just(Low), Just(Normal), Just(High), Just(Critical)];
        prop_oneof![
            4 => class.prop_map(Step::Ask),
            2 => any::<usize>().prop_map(Step::Finish),
            1 => any::<usize>().prop_map(Step::Leave),
            2 => any::<usize>().prop_map(Step::Poll),
        ]
    }

    /// Everybody who has asked and is not gone.
    #[derive(Default)]
    struct World {
        in_hand: Vec<Permit>,
        waiting: Vec<(Priority, Waiting)>,
    }

    impl World {
        fn take(&mut self, admission: &Admission, step: Step) {
            match step {
                Step::Ask(class) => match admission.ask(class, HARD) {
                    Ok(permit) => self.in_hand.push(permit),
                    Err(waiting) => self.waiting.push((class, waiting)),
                },
                Step::Finish(which) if !self.in_hand.is_empty() => {
                    drop(self.in_hand.swap_remove(which % self.in_hand.len()));
                }
                Step::Leave(which) if !self.waiting.is_empty() => {
                    drop(self.waiting.swap_remove(which % self.waiting.len()));
                }
                Step::Poll(which) if !self.waiting.is_empty() => {
                    let which = which % self.waiting.len();
                    if let Some(answer) = self.waiting[which].1.poll_now() {
                        self.waiting.swap_remove(which);
                        self.in_hand.extend(answer);
                    }
                }
                _ => {}
            }
        }

        /// Polls everybody: who is left waits truly.
        fn settle(&mut self) {
            let waiting = std::mem::take(&mut self.waiting);
            for (class, mut waiter) in waiting {
                match waiter.poll_now() {
                    None => self.waiting.push((class, waiter)),
                    Some(answer) => self.in_hand.extend(answer),
                }
            }
        }
    }

    proptest! {
        /// Whatever happens in whichever order, places are neither lost nor given twice, and nobody waits beside a free one.
        #[test]
        fn no_place_is_lost_and_nobody_waits_beside_a_free_one(
            steps in prop::collection::vec(step(), 0..200),
            settle_every in 1_usize..20,
        ) {
            let admission = fixed(2, 4);
            let mut world = World::default();
            for (number, step) in steps.into_iter().enumerate() {
                world.take(&admission, step);
                prop_assert!(admission.load(HARD).in_flight <= HARD && admission.load(HARD).waiting <= 4);
                if number % settle_every == 0 {
                    world.settle();
                    let load = admission.load(HARD);
                    prop_assert_eq!((load.in_flight, load.waiting), (world.in_hand.len(), world.waiting.len()));
                    let critical = world.waiting.iter().any(|(class, _)| *class == Critical);
                    let full = if critical { HARD } else { 2 };
                    prop_assert!(world.waiting.is_empty() || load.in_flight >= full);
                }
            }
            drop(world);
            prop_assert_eq!((admission.load(HARD).in_flight, admission.load(HARD).waiting), (0, 0));
        }
    }

    /// The same with threads: each asks, works or gives up, many times.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn under_threads_the_limit_holds_and_everybody_comes_to_an_end() {
        let (admission, inside) = (fixed(2, 64), Arc::new(AtomicUsize::new(0)));
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..32_u64 {
            let (admission, inside) = (admission.clone(), inside.clone());
            clients.spawn(async move {
                for round in 0..200 {
                    let class = [Low, Normal, High][client as usize % 3];
                    let patience = Duration::from_micros((client * 37 + round * 11) % 400);
                    let permit = match admission.ask(class, 2) {
                        Ok(permit) => permit,
                        Err(waiting) => match tokio::time::timeout(patience, waiting).await {
                            Ok(Ok(permit)) => permit,
                            Ok(Err(_)) | Err(_) => continue,
                        },
                    };
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 2, "more than the limit");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
        clients.join_all().await;
        assert_eq!((admission.load(HARD).in_flight, admission.load(HARD).waiting), (0, 0));
    }
}
