//! One world, from its first step to its rest.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use crate::invariants::{self, QUIET_MS};
use crate::planted::Bug;
use crate::process::{Process, Shared};
use crate::world::{CROWD_STEPS, World};
use crate::{books, crowd, freeing, mirroring, serving, settling, telling, visitors, watching};

/// How long visitors come and faults happen.
const BUSY_MS: i64 = 9_000;
/// The same where there is a crowd.
const CROWD_BUSY_MS: i64 = 30_000;
/// All is at rest so long after that.
const REST_MS_MAX: i64 = 51_000;
/// Whoever has waited so long is next.
const STARVED_MS: i64 = 40;
/// Steps that are shown with a violation.
const STEPS_SHOWN: usize = 30;

/// What happened in a world.
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    /// Entries of the line, and how many of them were offered seats.
    pub(crate) waited: usize,
    pub(crate) offered: usize,
    pub(crate) violation: Option<String>,
    pub(crate) lines: Vec<String>,
}

impl Story {
    /// Where it went wrong, and what came before.
    pub(crate) fn ending(&self) -> String {
        let shown = &self.lines[self.lines.len().saturating_sub(STEPS_SHOWN)..];
        format!(
            "seed {} is violated in step {}: {}\n{}\nMARQUEE_SIM_SEED={} tells it all",
            self.seed,
            self.steps,
            self.violation.as_deref().unwrap_or("nothing"),
            shown.join("\n"),
            self.seed
        )
    }
}

/// The smallest of so many seeds that violates something.
pub(crate) fn first_violation(seeds: u64, bug: Option<Bug>) -> Option<u64> {
    first(seeds, |seed| run(seed, 0, bug, false).violation.is_some())
}

/// The smallest of so many seeds of which something is said; on all processors.
pub(crate) fn first(seeds: u64, said: impl Fn(u64) -> bool + Sync) -> Option<u64> {
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.min(found.load(Ordering::Relaxed)) {
                return;
            }
            if said(seed) {
                found.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    Some(found.into_inner()).filter(|seed| *seed < u64::MAX)
}

/// One seed with its whole story.
pub(crate) fn tell(seed: u64, bug: Option<Bug>) -> Story {
    run(seed, 0, bug, true)
}

/// One world, with a crowd of so many in line.
pub(crate) fn run(seed: u64, crowd: u32, bug: Option<Bug>, told: bool) -> Story {
    let world = World::new(seed, crowd, bug, told);
    let shared =
        Rc::new(Shared { world: RefCell::new(world), sleep_ms: Cell::new(0), spawned: RefCell::default() });
    let mut run = Run { shared, machines: Vec::new(), watchers: Vec::new(), restarts: Vec::new(), steps: 0 };
    run.begin();
    run.until_violated_or_at_rest();
    let mut world = run.shared.world.borrow_mut();
    let lines = world.story.take().unwrap_or_default();
    let waited = world.database.line.entries.len();
    let offered = world.database.holds.values().filter(|hold| hold.entry.is_some()).count();
    Story { seed, steps: run.steps, waited, offered, violation: world.violation.take(), lines }
}

/// A machine between two steps.
pub(crate) struct Machine {
    pub(crate) process: Process,
    wakes_ms: i64,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// Starts a machine; it takes its first step when it is its turn.
pub(crate) fn spawn(process: Process, future: impl Future<Output = ()> + 'static) {
    let wakes_ms = process.shared.world.borrow().now_ms;
    let shared = Rc::clone(&process.shared);
    shared.spawned.borrow_mut().push(Machine { process, wakes_ms, future: Box::pin(future) });
}

pub(crate) struct Run {
    pub(crate) shared: Rc<Shared>,
    pub(crate) machines: Vec<Machine>,
    /// Where each watcher is connected.
    pub(crate) watchers: Vec<Option<usize>>,
    /// Services that are down, and when they come back.
    pub(crate) restarts: Vec<(i64, usize)>,
    steps: u64,
}

impl Run {
    fn begin(&mut self) {
        let (services, watchers, sessions, crowd) = {
            let mut world = self.shared.world.borrow_mut();
            let sessions = world.chance.between(4, 8);
            (world.services.len(), world.watchers.len(), sessions, world.crowd)
        };
        for at in 0..services {
            self.start_service(at);
        }
        for session in 0..sessions as u32 {
            let process = self.process(None, format!("visitor {session}"));
            spawn(process.clone(), visitors::visit(process, session));
        }
        for (at, sessions) in crowd::parts(crowd).enumerate() {
            let process = self.process(None, format!("crowd {at}"));
            spawn(process.clone(), crowd::attend(process, sessions));
        }
        self.watchers = vec![None; watchers];
        self.connect_watchers();
    }

    fn process(&self, service: Option<usize>, name: String) -> Process {
        Process { shared: Rc::clone(&self.shared), service, name: name.into() }
    }

    pub(crate) fn start_service(&mut self, at: usize) {
        self.shared.world.borrow_mut().is_up(at);
        let process = |name: &str| self.process(Some(at), format!("{name} {at}"));
        let start = |process: Process, future: Pin<Box<dyn Future<Output = ()>>>| spawn(process, future);
        let [sweeper, reconciler, relay, listener, backstop, settler] =
            ["sweeper", "reconciler", "relay", "listener", "backstop", "settler"].map(process);
        start(sweeper.clone(), Box::pin(freeing::sweep(sweeper)));
        start(reconciler.clone(), Box::pin(mirroring::reconcile(reconciler)));
        start(relay.clone(), Box::pin(telling::relay(relay)));
        start(listener.clone(), Box::pin(telling::listen(listener)));
        start(backstop.clone(), Box::pin(serving::backstop(backstop)));
        start(settler.clone(), Box::pin(settling::settle(settler)));
    }

    fn connect_watchers(&mut self) {
        for at in 0..self.watchers.len() {
            if self.watchers[at].is_some() {
                continue;
            }
            let service = {
                let mut world = self.shared.world.borrow_mut();
                let up = world.up();
                if up.is_empty() {
                    return;
                }
                world.chance.of(&up)
            };
            self.watchers[at] = Some(service);
            let process = self.process(Some(service), format!("watcher {at} at {service}"));
            spawn(process.clone(), watching::watch(process, at));
        }
    }

    fn until_violated_or_at_rest(&mut self) {
        let (begun_ms, busy_ms) = {
            let world = self.shared.world.borrow();
            (world.now_ms, if world.crowd == 0 { BUSY_MS } else { CROWD_BUSY_MS })
        };
        loop {
            self.step();
            let mut world = self.shared.world.borrow_mut();
            if world.violation.is_some() {
                return;
            }
            let lasted_ms = world.now_ms - begun_ms;
            if lasted_ms > busy_ms && !world.faults_are_over {
                world.close_the_doors();
            }
            if world.faults_are_over && self.steps.is_multiple_of(64) {
                let quiet_ms = world.now_ms - world.invariants.changed_ms.max(world.invariants.fault_ms);
                let unfinished = books::unfinished(&world);
                if quiet_ms > QUIET_MS && unfinished.is_none() {
                    return;
                }
                if lasted_ms > busy_ms + REST_MS_MAX {
                    let why = unfinished.unwrap_or_else(|| "claims go on changing".to_owned());
                    world.violate(format!("it does not come to rest: {why}"));
                }
            }
        }
    }

    /// Time passes, something may break, one machine takes a step, and all is checked.
    fn step(&mut self) {
        self.steps += 1;
        self.machines.append(&mut self.shared.spawned.borrow_mut());
        self.let_time_pass();
        self.break_something();
        self.restart();
        self.connect_watchers();
        if let Some(at) = self.whose_turn() {
            self.take_turn(at);
        }
        invariants::check(&mut self.shared.world.borrow_mut());
    }

    fn first_to_wake(&self) -> Option<i64> {
        self.machines.iter().map(|machine| machine.wakes_ms).min()
    }

    fn let_time_pass(&mut self) {
        let first_ms = self.first_to_wake();
        let mut world = self.shared.world.borrow_mut();
        let now_ms = world.now_ms;
        match first_ms {
            Some(first_ms) if first_ms > now_ms => world.now_ms = first_ms,
            Some(first_ms) if first_ms + STARVED_MS > now_ms => {
                let steps = if world.crowd == 0 { 1 } else { CROWD_STEPS };
                if world.chance.one_in(3 * steps) {
                    world.now_ms += world.chance.between(1, 12);
                }
            }
            Some(_) => {}
            None => world.now_ms += 100,
        }
    }

    fn whose_turn(&mut self) -> Option<usize> {
        let mut world = self.shared.world.borrow_mut();
        let now_ms = world.now_ms;
        let ready: Vec<_> =
            (0..self.machines.len()).filter(|at| self.machines[*at].wakes_ms <= now_ms).collect();
        let longest = ready.iter().copied().min_by_key(|at| self.machines[*at].wakes_ms)?;
        let starved = self.machines[longest].wakes_ms + STARVED_MS <= now_ms;
        Some(if starved { longest } else { world.chance.of(&ready) })
    }

    fn take_turn(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let mut context = Context::from_waker(Waker::noop());
        if machine.future.as_mut().poll(&mut context).is_ready() {
            self.machines.swap_remove(at);
        } else {
            machine.wakes_ms = self.shared.world.borrow().now_ms + self.shared.sleep_ms.get();
        }
    }
}
