//! How a machine takes its steps: whatever touches a store is one step, and the world goes on between any two.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::bank::Bank;
use crate::database::Database;
use crate::redis::Redis;
use crate::run::Machine;
use crate::world::{Service, World};

/// So many requests to a store are slow …
const SLOW_ONE_IN: usize = 12;
/// … by so much: sweepers are in time all the same, and nothing differs in two looks for drift.
const SLOW_MS_MAX: i64 = 180;

/// No answer came: what was asked for may have happened or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// The world, and where a machine says for how long it sleeps.
pub(crate) struct Shared {
    pub(crate) world: RefCell<World>,
    pub(crate) sleep_ms: Cell<i64>,
    /// Machines that were started in this step.
    pub(crate) spawned: RefCell<Vec<Machine>>,
}

/// One machine's hands.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) shared: Rc<Shared>,
    /// The service it runs in and dies with; visitors run in none.
    pub(crate) service: Option<usize>,
    pub(crate) name: Rc<str>,
}

impl Process {
    /// Lets the others go on for so long.
    pub(crate) async fn sleep(&self, milliseconds: i64) {
        Turn { shared: &self.shared, sleep_ms: Some(milliseconds) }.await;
    }

    /// Most requests are there at once; some processes stand still for a moment.
    async fn on_its_way(&self) {
        let slow_ms = {
            let mut world = self.shared.world.borrow_mut();
            if world.chance.one_in(SLOW_ONE_IN) { world.chance.between(10, SLOW_MS_MAX) } else { 0 }
        };
        self.sleep(slow_ms).await;
    }

    /// One step on the world itself: what is in a process's memory, or seen from outside.
    pub(crate) async fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        self.sleep(0).await;
        work(&mut self.shared.world.borrow_mut())
    }

    /// One transaction.
    pub(crate) async fn postgres<T: Debug>(
        &self,
        what: &str,
        work: impl FnOnce(&mut Database) -> T,
    ) -> Result<T, Lost> {
        self.on_its_way().await;
        let mut world = self.shared.world.borrow_mut();
        let fate = world.fate_of_transaction();
        let answer = fate.decide(|| {
            let now = world.now();
            let redis_there = !world.redis.away;
            world.database.begin(now, redis_there);
            work(&mut world.database)
        });
        world.note(|| format!("{}: postgres: {what}: {}", self.name, told(&answer)));
        answer
    }

    /// One script or command.
    pub(crate) async fn redis<T: Debug>(
        &self,
        what: &str,
        work: impl FnOnce(&mut Redis) -> T,
    ) -> Result<T, Lost> {
        self.on_its_way().await;
        let mut world = self.shared.world.borrow_mut();
        let fate = world.fate_of_command();
        let answer = fate.decide(|| {
            let now_ms = world.now_ms;
            world.redis.begin(now_ms);
            work(&mut world.redis)
        });
        world.deliver_frames();
        world.note(|| format!("{}: redis: {what}: {}", self.name, told(&answer)));
        answer
    }

    /// One call of the provider.
    pub(crate) async fn bank<T: Debug>(
        &self,
        what: &str,
        work: impl FnOnce(&mut Bank) -> T,
    ) -> Result<T, Lost> {
        let thinks_ms = self.shared.world.borrow_mut().chance.of(&[0, 0, 30, 300, 1_000, 1_700]);
        self.sleep(thinks_ms).await;
        let mut world = self.shared.world.borrow_mut();
        let fate = world.fate_of_call();
        let answer = fate.decide(|| work(&mut world.bank));
        world.note(|| format!("{}: bank: {what}: {}", self.name, told(&answer)));
        answer
    }

    /// What the process remembers; gone when it crashes. No step of its own.
    pub(crate) fn memory<T>(&self, work: impl FnOnce(&mut Service) -> T) -> T {
        let mut world = self.shared.world.borrow_mut();
        work(&mut world.services[self.service.expect("a machine of a service")])
    }
}

/// What becomes of a request to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Done, and answered.
    Answered,
    /// Done, and the answer is lost.
    Silent,
    /// Not done.
    Refused,
}

impl Fate {
    fn decide<T>(self, work: impl FnOnce() -> T) -> Result<T, Lost> {
        match self {
            Self::Answered => Ok(work()),
            Self::Silent => {
                work();
                Err(Lost)
            }
            Self::Refused => Err(Lost),
        }
    }
}

fn told<T: Debug>(answer: &Result<T, Lost>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(Lost) => "no answer".to_owned(),
    }
}

/// Pending once.
struct Turn<'a> {
    shared: &'a Shared,
    sleep_ms: Option<i64>,
}

impl Future for Turn<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.sleep_ms.take() {
            Some(milliseconds) => {
                self.shared.sleep_ms.set(milliseconds);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}
