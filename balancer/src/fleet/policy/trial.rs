//! What the tests of all policies share: endpoints whose state is a number, and what became of many keys.

use super::{Candidates, Policy, hash};

const KEYS: u64 = 20_000;

/// Endpoints as a policy sees them.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) eligible: Vec<bool>,
    pub(super) in_flight: Vec<usize>,
    pub(super) warmth: Vec<f64>,
}

impl Trial {
    /// So many, all eligible, idle and warm.
    pub(super) fn of(count: usize) -> Self {
        Self { eligible: vec![true; count], in_flight: vec![0; count], warmth: vec![1.0; count] }
    }

    /// Without this one.
    pub(super) fn out(&mut self, endpoint: usize) -> &mut Self {
        self.eligible[endpoint] = false;
        self
    }
}

impl Candidates for Trial {
    fn eligible(&self, endpoint: usize) -> bool {
        self.eligible[endpoint]
    }

    fn in_flight(&self, endpoint: usize) -> usize {
        self.in_flight[endpoint]
    }

    fn warmth(&self, endpoint: usize) -> f64 {
        self.warmth[endpoint]
    }
}

/// Names that last as long as the tests, with these weights.
pub(super) fn endpoints(weights: &[u32]) -> Vec<(&'static str, u32)> {
    let name = |index: usize| &*format!("10.0.0.{index}:7101").leak();
    weights.iter().enumerate().map(|(index, weight)| (name(index), *weight)).collect()
}

/// Keys as clients have them.
pub(super) fn keys() -> impl Iterator<Item = u64> {
    (0..KEYS).map(|number| hash::hash(&number.to_le_bytes()))
}

/// Who has each key.
pub(super) fn owners(policy: &dyn Policy, candidates: &Trial) -> Vec<usize> {
    keys().map(|key| policy.pick(key, candidates).expect("one is eligible")).collect()
}

/// Each endpoint has this share of the keys, give or take.
pub(super) fn assert_shares(owners: &[usize], shares: &[f64], within: f64) {
    for (endpoint, due) in shares.iter().enumerate() {
        let share = owners.iter().filter(|owner| **owner == endpoint).count() as f64 / owners.len() as f64;
        assert!((share - due).abs() <= within, "endpoint {endpoint} has {share}, due is {due}");
    }
}

/// What moved when one endpoint went.
#[derive(Debug)]
pub(super) struct Moves {
    /// Keys it had.
    pub(super) own: usize,
    /// Other keys that moved nevertheless.
    pub(super) others: usize,
    /// Of its own: who took how many.
    pub(super) taken: [usize; 64],
    keys: usize,
}

impl Moves {
    /// The share it had.
    pub(super) fn own_share(&self) -> f64 {
        self.own as f64 / self.keys as f64
    }
}

/// Compares who had each key and who has it after `gone` went.
pub(super) fn moves(before: &[usize], after: &[usize], gone: usize) -> Moves {
    let mut moves = Moves { own: 0, others: 0, taken: [0; 64], keys: before.len() };
    for (old, new) in before.iter().zip(after) {
        if *old == gone {
            moves.own += 1;
            moves.taken[*new] += 1;
        } else if old != new {
            moves.others += 1;
        }
    }
    moves
}

/// The largest load, as a multiple of the endpoint's share, while 400 requests are in flight and half of all that come
/// have the same key.
pub(super) fn skewed_maximum(policy: &dyn Policy, weights: &[u32]) -> f64 {
    const IN_FLIGHT: usize = 400;
    let all = f64::from(weights.iter().sum::<u32>());
    let mut trial = Trial::of(weights.len());
    let mut running = std::collections::VecDeque::new();
    let mut most: f64 = 0.0;
    for (number, key) in keys().enumerate() {
        let popular = number % 2 == 0;
        let endpoint = policy.pick(if popular { 1 } else { key }, &trial).expect("all are eligible");
        trial.in_flight[endpoint] += 1;
        running.push_back(endpoint);
        if running.len() > IN_FLIGHT {
            trial.in_flight[running.pop_front().expect("more than none")] -= 1;
        }
        if running.len() == IN_FLIGHT {
            let share = IN_FLIGHT as f64 * f64::from(weights[endpoint]) / all;
            most = most.max(trial.in_flight[endpoint] as f64 / share);
        }
    }
    most
}
