//! How many requests a pool can work on at once, found from their latency alone.
//!
//! A server answers in its own time until all it has is busy: the knee. From there on more requests at once are not answered
//! sooner, they wait, and latency grows with each. So the limit follows the gradient, the latency of a quiet pool over
//! that of the last window: `limit = limit × gradient + √limit`, as in Netflix's concurrency-limits (Gradient2) and Envoy's
//! adaptive concurrency filter; the root is the queue that keeps a server busy.
//!
//! The latency of a quiet pool is the lowest of the last windows. So that a limit which is always used up does not hide it,
//! every epoch begins with a probe, as BBR does it (Cardwell et al. 2016): for a moment the limit steps back by
//! what should be its queue. When fewer at once are answered just as fast, the limit was past the knee, and stays there.
//!
//! Requests of different kinds (routes) take different times, so each is compared with its own.

use std::time::{Duration, Instant};

/// Latency is compared over at least this time, and over twice the latency itself, so that a change has had its effect.
const WINDOW_MIN: Duration = Duration::from_millis(100);
const WINDOW_MAX: Duration = Duration::from_secs(2);
/// Fewer answers than this say nothing: the window goes on.
const SAMPLES_MIN: u32 = 16;
/// Between two probes; a quiet pool's latency is forgotten after two of these.
const EPOCH: Duration = Duration::from_secs(10);
/// One window changes the limit by at most this share.
const GRADIENT_MIN: f64 = 0.5;
/// How much of a change is made at once.
const SMOOTHING: f64 = 0.5;
/// A probe has cost nothing when so much of the throughput stays.
const THROUGHPUT_KEPT: f64 = 0.95;

/// What a limit may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At the start, high: what is not known to be slow is let through.
    pub initial: usize,
    /// Never lower.
    pub min: usize,
    /// Never higher.
    pub max: usize,
    /// Latency may be this much of that of a quiet pool before the limit goes down.
    pub tolerance_percent: u32,
}

impl Bounds {
    fn tolerance(self) -> f64 {
        f64::from(self.tolerance_percent) / 100.0
    }
}

/// The limit of one pool.
#[derive(Debug)]
pub struct Adaptive {
    bounds: Bounds,
    limit: f64,
    phase: Phase,
    window: Window,
    /// By kind.
    kinds: Vec<Kind>,
    epoch_started: Instant,
}

/// What the current window is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// The limit is adjusted at its end.
    Steady,
    /// The limit has stepped back, and what was queued is worked off.
    Draining { from: f64, throughput: f64 },
    /// What is seen now is what a quiet pool does.
    Probing { from: f64, throughput: f64 },
}

/// What was seen since the last adjustment.
#[derive(Debug)]
struct Window {
    started: Instant,
    length: Duration,
    samples: u32,
    in_flight_max: usize,
}

/// Latencies of one kind of request, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    samples: u32,
    sum: f64,
    /// The lowest window of this epoch, and of the one before.
    quiet: [Option<f64>; 2],
}

impl Adaptive {
    /// A limit that knows nothing yet.
    pub fn new(bounds: Bounds, now: Instant) -> Self {
        Self {
            bounds,
            limit: bounds.initial.clamp(bounds.min, bounds.max) as f64,
            phase: Phase::Steady,
            window: Window::new(now, WINDOW_MIN),
            kinds: Vec::new(),
            epoch_started: now,
        }
    }

    /// Other bounds. The limit is kept as far as they allow; kinds may have changed, so what they took is forgotten.
    pub fn rebound(&mut self, bounds: Bounds, now: Instant) {
        *self = Self { limit: self.limit, ..Self::new(bounds, now) };
        self.set(self.limit);
    }

    /// Requests that may be in flight.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request was let in, and now so many are in flight.
    pub fn entered(&mut self, in_flight: usize) {
        self.window.in_flight_max = self.window.in_flight_max.max(in_flight);
    }

    /// A request of this kind was answered after so long.
    pub fn answered(&mut self, kind: usize, latency: Duration, now: Instant) {
        if self.kinds.len() <= kind {
            self.kinds.resize(kind + 1, Kind::default());
        }
        self.kinds[kind].samples += 1;
        self.kinds[kind].sum += latency.as_secs_f64();
        self.window.samples += 1;
        let age = now.saturating_duration_since(self.window.started);
        if age >= self.window.length && self.window.samples >= SAMPLES_MIN {
            self.end_window(age, now);
        }
    }

    fn end_window(&mut self, age: Duration, now: Instant) {
        let throughput = f64::from(self.window.samples) / age.as_secs_f64();
        let (used, full) = (self.used(0.5), self.used(1.0));
        let epoch_over = now.saturating_duration_since(self.epoch_started) >= EPOCH;
        let latency = self.kinds.iter().map(|kind| kind.sum).sum::<f64>() / f64::from(self.window.samples);
        let gradient = self.gradient();
        self.phase = match self.phase {
            // Where the limit is not reached, it hides nothing.
            Phase::Steady if epoch_over && full => self.step_back(throughput),
            // Little in flight is not what makes it slow, and needs no higher limit.
            Phase::Steady if !used => Phase::Steady,
            Phase::Steady => self.adjust(gradient),
            Phase::Draining { from, throughput } => Phase::Probing { from, throughput },
            Phase::Probing { from, throughput: before } => self.end_probe(from, before, throughput),
        };
        if epoch_over {
            self.start_epoch(now);
        }
        let length = Duration::from_secs_f64(2.0 * latency).clamp(WINDOW_MIN, WINDOW_MAX);
        self.window = Window::new(now, length);
    }

    /// What the window's requests would have taken in a quiet pool, over what they took; and remembers their latency.
    fn gradient(&mut self) -> f64 {
        let (mut quiet, mut taken) = (0.0, 0.0);
        for kind in self.kinds.iter_mut().filter(|kind| kind.samples > 0) {
            quiet += kind.remember() * f64::from(kind.samples);
            taken += kind.sum;
            (kind.samples, kind.sum) = (0, 0.0);
        }
        // Answers that took no time at all are not slow.
        if taken > 0.0 { (self.bounds.tolerance() * quiet / taken).clamp(GRADIENT_MIN, 1.0) } else { 1.0 }
    }

    fn adjust(&mut self, gradient: f64) -> Phase {
        let wanted = self.limit * gradient + self.limit.sqrt();
        self.set(self.limit + (wanted - self.limit) * SMOOTHING);
        Phase::Steady
    }

    /// Whether so much of the limit was reached in this window.
    fn used(&self, share: f64) -> bool {
        self.window.in_flight_max as f64 >= (self.limit * share).floor()
    }

    fn start_epoch(&mut self, now: Instant) {
        self.epoch_started = now;
        for kind in &mut self.kinds {
            kind.quiet = [None, kind.quiet[0]];
        }
    }

    /// Begins a probe: to where the gradient says the queue begins, and by the root that was added to it.
    fn step_back(&mut self, throughput: f64) -> Phase {
        let from = self.limit;
        self.set((from - 2.0 * from.sqrt()) / self.bounds.tolerance());
        Phase::Draining { from, throughput }
    }

    fn end_probe(&mut self, from: f64, before: f64, throughput: f64) -> Phase {
        let cost_nothing = throughput >= before * THROUGHPUT_KEPT;
        if cost_nothing && self.limit() > self.bounds.min {
            return self.step_back(throughput);
        }
        if !cost_nothing {
            self.set(from);
        }
        Phase::Steady
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.max(self.bounds.min as f64).min(self.bounds.max as f64);
    }
}

impl Window {
    fn new(started: Instant, length: Duration) -> Self {
        Self { started, length, samples: 0, in_flight_max: 0 }
    }
}

impl Kind {
    /// What it takes in a quiet pool, this window included.
    fn remember(&mut self) -> f64 {
        let mean = self.sum / f64::from(self.samples);
        // A single answer may be fast by chance.
        if self.samples >= SAMPLES_MIN / 2 {
            self.quiet[0] = Some(self.quiet[0].map_or(mean, |lowest| lowest.min(mean)));
        }
        self.quiet.into_iter().flatten().reduce(f64::min).unwrap_or(mean)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    const BOUNDS: Bounds = Bounds { initial: 1_000, min: 4, max: 5_000, tolerance_percent: 150 };
    /// Work of one request, on average, in seconds.
    const SERVICE: f64 = 0.010;
    /// How many times that each kind takes.
    const KINDS: [f64; 3] = [1.0, 0.2, 6.0];
    const ONE_KIND: &[usize] = &[0];

    /// A modelled server with so many workers and one queue, and a stream of requests to it, in simulated time.
    struct Simulation {
        random: StdRng,
        start: Instant,
        now: f64,
        /// When each worker is free.
        workers: Vec<f64>,
        service: f64,
        /// End and beginning of every request in flight, in nanoseconds.
        in_flight: BinaryHeap<Reverse<(u64, u64, usize)>>,
        adaptive: Option<Adaptive>,
    }

    #[derive(Default)]
    struct Seen {
        latencies: Vec<f64>,
        shed: usize,
        limits: Vec<usize>,
    }

    impl Seen {
        fn percentile(&mut self, share: f64) -> f64 {
            self.latencies.sort_by(f64::total_cmp);
            self.latencies[(self.latencies.len() as f64 * share) as usize]
        }

        fn limit(&self) -> f64 {
            self.limits.iter().sum::<usize>() as f64 / self.limits.len() as f64
        }
    }

    impl Simulation {
        fn new(workers: usize, bounds: Option<Bounds>) -> Self {
            let start = Instant::now();
            Self {
                random: StdRng::seed_from_u64(7),
                start,
                now: 0.0,
                workers: vec![0.0; workers],
                service: SERVICE,
                in_flight: BinaryHeap::new(),
                adaptive: bounds.map(|bounds| Adaptive::new(bounds, start)),
            }
        }

        /// So many workers from now on; who is worked on stays.
        fn resize(&mut self, workers: usize) {
            let now = self.now;
            self.workers.sort_by(f64::total_cmp);
            self.workers.resize(workers, now);
        }

        /// So many requests a second for so long, each of one of these kinds.
        fn run(&mut self, seconds: f64, per_second: f64, kinds: &[usize]) -> Seen {
            let mut seen = Seen::default();
            let end = self.now + seconds;
            while self.now < end {
                let pause = -self.random.random::<f64>().max(1e-12).ln() / per_second;
                self.now += pause;
                self.complete(&mut seen);
                self.arrive(kinds, &mut seen);
            }
            seen
        }

        fn complete(&mut self, seen: &mut Seen) {
            while let Some(Reverse((ended, began, kind))) = self.in_flight.peek().copied() {
                if ended as f64 / 1e9 > self.now {
                    return;
                }
                self.in_flight.pop();
                let latency = Duration::from_nanos(ended - began);
                seen.latencies.push(latency.as_secs_f64());
                if let Some(adaptive) = &mut self.adaptive {
                    adaptive.answered(kind, latency, self.start + Duration::from_nanos(ended));
                    seen.limits.push(adaptive.limit());
                }
            }
        }

        fn arrive(&mut self, kinds: &[usize], seen: &mut Seen) {
            let in_flight = self.in_flight.len() + 1;
            if let Some(adaptive) = &mut self.adaptive {
                if in_flight > adaptive.limit() {
                    seen.shed += 1;
                    return;
                }
                adaptive.entered(in_flight);
            }
            let kind = kinds[self.random.random_range(0..kinds.len())];
            let work = self.service * KINDS[kind] * self.random.random_range(0.5..1.5);
            let free = self.workers.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("a worker");
            *free = free.max(self.now) + work;
            let nanoseconds = |seconds: f64| (seconds * 1e9) as u64;
            self.in_flight.push(Reverse((nanoseconds(*free), nanoseconds(self.now), kind)));
        }
    }

    /// Capacity of so many workers, in requests a second.
    fn capacity(workers: usize) -> f64 {
        workers as f64 / SERVICE
    }

    /// The knee is where every worker has one request.
    fn assert_near(limit: f64, knee: usize) {
        let ratio = limit / knee as f64;
        assert!((0.8..3.0).contains(&ratio), "the limit is {limit} where the knee is {knee}");
    }

    #[test]
    fn it_settles_near_the_knee_and_latency_stays_bounded_where_it_would_explode() {
        let mut unlimited = Simulation::new(20, None);
        unlimited.run(30.0, 1.5 * capacity(20), ONE_KIND);
        let exploded = unlimited.run(10.0, 1.5 * capacity(20), ONE_KIND).percentile(0.5);
        assert!(exploded > 5.0, "without a limit the median is only {exploded} s");

        let mut limited = Simulation::new(20, Some(BOUNDS));
        limited.run(30.0, 1.5 * capacity(20), ONE_KIND);
        let mut seen = limited.run(30.0, 1.5 * capacity(20), ONE_KIND);
        assert_near(seen.limit(), 20);
        let p99 = seen.percentile(0.99);
        assert!(p99 < 6.0 * SERVICE, "p99 is {p99} s");
        let throughput = seen.latencies.len() as f64 / 30.0;
        assert!(throughput > 0.9 * capacity(20), "only {throughput} a second");
    }

    #[test]
    fn it_follows_when_capacity_halves_and_doubles() {
        let mut simulation = Simulation::new(40, Some(BOUNDS));
        let demand = 2.0 * capacity(80);
        for workers in [40, 20, 40, 80] {
            simulation.resize(workers);
            simulation.run(20.0, demand, ONE_KIND);
            let seen = simulation.run(20.0, demand, ONE_KIND);
            assert_near(seen.limit(), workers);
            let throughput = seen.latencies.len() as f64 / 20.0;
            assert!(throughput > 0.9 * capacity(workers), "{workers} workers do only {throughput} a second");
        }
    }

    #[test]
    fn it_does_not_creep_up_while_it_is_always_used_up() {
        let mut simulation = Simulation::new(20, Some(BOUNDS));
        simulation.run(30.0, 1.5 * capacity(20), ONE_KIND);
        for _ in 0..10 {
            let seen = simulation.run(60.0, 1.5 * capacity(20), ONE_KIND);
            assert_near(seen.limit(), 20);
        }
    }

    #[test]
    fn a_server_that_becomes_slower_altogether_is_not_starved() {
        let mut simulation = Simulation::new(20, Some(BOUNDS));
        simulation.run(30.0, 1.5 * capacity(20), ONE_KIND);
        simulation.service = 3.0 * SERVICE;
        simulation.run(40.0, 1.5 * capacity(20), ONE_KIND);
        let seen = simulation.run(20.0, 1.5 * capacity(20), ONE_KIND);
        assert_near(seen.limit(), 20);
    }

    #[test]
    fn a_pool_that_copes_sheds_nothing_whatever_the_mix() {
        let bounds = Bounds { initial: 70, max: 70, ..BOUNDS };
        let mut simulation = Simulation::new(100, Some(bounds));
        // The short and the long kind come in turns, and always so many that at times half of the limit is in flight.
        for round in 0..10 {
            let (per_second, kinds) = if round % 2 == 0 { (14_000.0, &[1]) } else { (467.0, &[2]) };
            let seen = simulation.run(2.0, per_second, kinds);
            assert_eq!(seen.shed, 0, "round {round}");
        }
    }

    #[test]
    fn a_probe_that_costs_something_is_over_at_once() {
        let mut simulation = Simulation::new(200, Some(BOUNDS));
        simulation.run(20.0, 1.5 * capacity(200), ONE_KIND);
        let seen = simulation.run(20.0, 1.5 * capacity(200), ONE_KIND);
        let below = seen.limits.iter().filter(|limit| **limit < 180).count();
        let share = below as f64 / seen.limits.len() as f64;
        assert!((0.001..0.05).contains(&share), "below the knee for {share} of the time");
    }

    #[test]
    fn it_grows_only_when_it_is_used() {
        let bounds = Bounds { initial: 100, ..BOUNDS };
        let mut simulation = Simulation::new(100, Some(bounds));
        let seen = simulation.run(60.0, 1_000.0, ONE_KIND);
        assert_eq!((seen.limits.last(), seen.shed), (Some(&100), 0));
        let seen = simulation.run(20.0, 8_000.0, ONE_KIND);
        assert!(seen.limit() > 100.0, "{}", seen.limit());
    }

    #[test]
    fn other_bounds_keep_the_limit_within_them() {
        let now = Instant::now();
        let mut adaptive = Adaptive::new(BOUNDS, now);
        adaptive.rebound(Bounds { initial: 50, min: 10, max: 2_000, ..BOUNDS }, now);
        assert_eq!(adaptive.limit(), 1_000);
        adaptive.rebound(Bounds { initial: 50, min: 10, max: 200, ..BOUNDS }, now);
        assert_eq!(adaptive.limit(), 200);
    }
}
