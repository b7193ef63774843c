//! What a buyer is going to do, drawn before they come: it depends on the plan and on their number, never on an answer.

use std::time::Duration;

use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Exp1, Zipf};

use super::plan::Plan;

/// No thought takes longer than this many times the mean.
const THINK_MAX: f64 = 5.0;
/// How long a slow bank takes: less than the product waits for it.
const SLOW_MS: std::ops::Range<u64> = 300..4_000;
/// Who pays at the last moment does so less than this before the deadline.
const BEFORE_MS_MAX: u64 = 2_000;
/// Mixed with the seed, so that the first buyer's choices are not the arrivals' draws.
const STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// Who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody who wants to see the film.
    Person,
    /// A program that takes seats and pays for none.
    Robot,
}

/// What becomes of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is paid.
    Pay,
    /// The first card is declined.
    Declined,
    /// The payment provider does not answer.
    PaymentTimeout,
    /// It is given back.
    Release,
    /// It is left to lapse.
    Abandon,
}

/// What becomes of a place in line, as far as its owner decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// They wait as long as their patience lasts, and take what is offered.
    Take,
    /// They let the offer lapse.
    Lapse,
    /// They leave halfway.
    Leave,
}

/// A bank that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow {
    /// How long.
    pub(super) takes: Duration,
    /// How long before the hold's deadline they pay, when that is near.
    pub(super) before: Duration,
}

/// One buyer's choices.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one yes or no of one person")]
pub(super) struct Choices {
    /// Who they are.
    pub(super) kind: Kind,
    /// Which show of the sale they want, by its rank from 0.
    pub(super) show: usize,
    /// How many they are.
    pub(super) party: usize,
    /// Whether the best seats are good enough, instead of picking.
    pub(super) best: bool,
    /// What becomes of their hold.
    pub(super) end: End,
    /// Whether a failed payment is tried again with another card; else the hold is given back.
    pub(super) second_card: bool,
    /// Whether they send an answered hold, or their joining of a line, once more.
    pub(super) replay_hold: bool,
    /// Whether they send an answered confirmation once more.
    pub(super) replay_confirm: bool,
    /// Whether they send something else under a used key.
    pub(super) reuse: bool,
    /// Whether they ask for more time.
    pub(super) extend: bool,
    /// Whether their bank takes its time.
    pub(super) slow: Option<Slow>,
    /// Whether they take their booking back.
    pub(super) cancel: bool,
    /// What they do when it is sold out, if they stay at all.
    pub(super) waiting: Option<Waiting>,
    /// Whether they wait for certain seats only.
    pub(super) picky: bool,
    /// Whether they wait for seats beside each other only.
    pub(super) together: bool,
    /// Whether they need room for a wheelchair.
    pub(super) wheelchair: bool,
    /// Where the rest of their chance comes from: which seats, how long a thought takes.
    pub(super) seed: u64,
}

/// Draws the choices of a plan's buyers.
#[derive(Debug)]
pub(super) struct Draw<'plan> {
    plan: &'plan Plan,
    shows: Zipf<f64>,
    parties: WeightedIndex<u32>,
}

impl<'plan> Draw<'plan> {
    /// For a checked plan and a sale of so many shows.
    pub(super) fn new(plan: &'plan Plan, shows: usize) -> Self {
        Self {
            plan,
            shows: Zipf::new(shows as f64, plan.skew).expect("a checked plan has shows and no negative skew"),
            parties: WeightedIndex::new(&plan.parties).expect("a checked plan has parties"),
        }
    }

    /// Of one buyer.
    pub(super) fn of(&self, buyer: u32) -> Choices {
        let plan = self.plan;
        let mut chance =
            Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ STREAM.wrapping_mul(u64::from(buyer) + 1));
        Choices {
            kind: if chance.random_bool(plan.bots) { Kind::Robot } else { Kind::Person },
            show: self.shows.sample(&mut chance) as usize - 1,
            party: self.parties.sample(&mut chance) + 1,
            best: chance.random_bool(plan.best),
            end: end(plan, chance.random()),
            second_card: chance.random_bool(0.5),
            replay_hold: chance.random_bool(plan.replay),
            replay_confirm: chance.random_bool(plan.replay),
            reuse: chance.random_bool(plan.reuse),
            cancel: chance.random_bool(plan.cancel),
            waiting: chance.random_bool(plan.join).then_some(waiting(plan, chance.random())),
            picky: chance.random_bool(plan.picky),
            seed: chance.random(),
            // Drawn last: what came before them is what it was before there were these.
            extend: chance.random_bool(plan.extend),
            slow: chance.random_bool(plan.slow).then(|| slow(&mut chance)),
            together: chance.random_bool(plan.together),
            wheelchair: chance.random_bool(plan.wheelchair),
        }
    }
}

fn end(plan: &Plan, mut point: f64) -> End {
    let shares = [
        (End::Abandon, plan.abandon),
        (End::Release, plan.release),
        (End::Declined, plan.declined),
        (End::PaymentTimeout, plan.payment_timeout),
    ];
    for (end, share) in shares {
        if point < share {
            return end;
        }
        point -= share;
    }
    End::Pay
}

/// Some have enough of the hold left, some begin in time and are paid too late, and some are given time.
fn slow(chance: &mut Xoshiro256PlusPlus) -> Slow {
    Slow {
        takes: Duration::from_millis(chance.random_range(SLOW_MS)),
        before: Duration::from_millis(chance.random_range(0..BEFORE_MS_MAX)),
    }
}

fn waiting(plan: &Plan, point: f64) -> Waiting {
    if point < plan.leave {
        Waiting::Leave
    } else if point < plan.leave + plan.lapse {
        Waiting::Lapse
    } else {
        Waiting::Take
    }
}

/// How long one thought takes: mostly short, now and then long.
pub(super) fn thought(mean: Duration, chance: &mut Xoshiro256PlusPlus) -> Duration {
    let times: f64 = chance.sample(Exp1);
    mean.mul_f64(times.min(THINK_MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn crowd(plan: &Plan) -> Vec<Choices> {
        let draw = Draw::new(plan, plan.shows);
        (0..10_000).map(|buyer| draw.of(buyer)).collect()
    }

    fn share(crowd: &[Choices], chosen: impl Fn(&Choices) -> bool) -> f64 {
        crowd.iter().filter(|choices| chosen(choices)).count() as f64 / crowd.len() as f64
    }

    fn near(share: f64, planned: f64) -> bool {
        (share - planned).abs() < 0.02
    }

    #[test]
    fn a_seed_has_its_choices_and_another_has_others() {
        let plan = Plan::default();
        assert_eq!(crowd(&plan), crowd(&plan));
        assert_ne!(crowd(&plan), crowd(&Plan { seed: 2, ..plan }));
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let crowd = crowd(&Plan::default());
        let seeds: std::collections::HashSet<u64> = crowd.iter().map(|choices| choices.seed).collect();
        assert_eq!(seeds.len(), crowd.len());
        let same = crowd.windows(2).filter(|pair| pair[0].party == pair[1].party).count();
        // Two independent parties are equal as often as the squares of their shares add up to.
        assert!(near(same as f64 / crowd.len() as f64, 0.283), "{same}");
    }

    #[test]
    fn shares_are_as_planned() {
        let plan =
            Plan { together: 0.4, bots: 0.3, abandon: 0.2, release: 0.1, declined: 0.1, ..Plan::default() };
        let crowd = crowd(&plan);
        assert!(near(share(&crowd, |choices| choices.kind == Kind::Robot), 0.3));
        assert!(near(share(&crowd, |choices| choices.end == End::Abandon), 0.2));
        assert!(near(share(&crowd, |choices| choices.end == End::Release), 0.1));
        assert!(near(share(&crowd, |choices| choices.end == End::Pay), 0.58));
        assert!(near(share(&crowd, |choices| choices.party == 2), 0.45));
        assert!(near(share(&crowd, |choices| choices.extend), plan.extend));
        assert!(near(share(&crowd, |choices| choices.slow.is_some()), plan.slow));
        assert!(near(share(&crowd, |choices| choices.waiting.is_some()), plan.join));
        assert!(near(share(&crowd, |choices| choices.together), plan.together));
        assert!(near(share(&crowd, |choices| choices.wheelchair), plan.wheelchair));
        assert!(near(
            share(&crowd, |choices| choices.waiting == Some(Waiting::Lapse)),
            plan.join * plan.lapse
        ));
    }

    #[test]
    fn the_first_show_is_wanted_most_and_none_is_beyond_the_last() {
        let crowd = crowd(&Plan { shows: 10, skew: 1.0, ..Plan::default() });
        let mut wanted: HashMap<usize, usize> = HashMap::new();
        for choices in &crowd {
            *wanted.entry(choices.show).or_default() += 1;
        }
        // The harmonic number of 10 is 2.93: the first show has a share of 0.34, the last a tenth of that.
        assert_eq!(wanted.len(), 10);
        assert!(near(wanted[&0] as f64 / 1e4, 0.341) && near(wanted[&9] as f64 / 1e4, 0.034), "{wanted:?}");
        let even = self::crowd(&Plan { shows: 10, skew: 0.0, ..Plan::default() });
        assert!(near(share(&even, |choices| choices.show == 0), 0.1));
    }

    #[test]
    fn thoughts_have_their_mean_and_an_end() {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(1);
        let mean = Duration::from_secs(1);
        let thoughts: Vec<f64> = (0..10_000).map(|_| thought(mean, &mut chance).as_secs_f64()).collect();
        assert!(
            near(thoughts.iter().sum::<f64>() / 1e4, 1.0) && thoughts.iter().all(|one| *one <= THINK_MAX)
        );
        assert_eq!(thought(Duration::ZERO, &mut chance), Duration::ZERO);
    }
}
