//! What is broken, in which order and for how long: all of it from a seed.
//!
//! Kinds are dealt like cards: first one of each, then more of those that have many parts to break, and again. So every kind
//! comes early, and none is left out by chance.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// Before a fault, with everything whole.
const CALM_MS: RangeInclusive<u64> = 300..=1_500;
/// How long a process or a server stands still, a link is cut or slow, a clock wrong.
const LASTS_MS: RangeInclusive<u64> = 300..=4_000;
/// Now and then it outlasts what a fleet waits for: statements, idle transactions, leases, health checks.
const OUTLASTS_MS: RangeInclusive<u64> = 6_000..=12_000;
const OUTLASTS_SHARE: f64 = 0.15;
/// How long a chunk takes over a slow link.
const DELAY_MS: RangeInclusive<u64> = 10..=150;
/// How far a wrong clock is off, either way.
const SKEW_SECONDS: RangeInclusive<i64> = 5..=7_200;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A service or the warmer is killed (-9).
    Kill,
    /// A service or the warmer stands still, and goes on.
    Freeze,
    /// A service or the warmer is asked to stop, and comes back.
    Restart,
    /// All services and the warmer are asked to stop, one after another.
    Roll,
    /// A service or the warmer comes back with a wrong clock, and later with the right one.
    ClockSkew,
    /// The balancer is killed (-9).
    BalancerKill,
    /// The balancer stands still, and goes on.
    BalancerFreeze,
    /// Postgres ends all sessions and restarts.
    PostgresRestart,
    /// Postgres falls over and recovers from its log.
    PostgresImmediate,
    /// Sessions of services end in the middle of a transaction.
    PostgresBackends,
    /// Redis forgets everything.
    RedisFlush,
    /// Redis is killed (-9) and comes back empty.
    RedisRestart,
    /// Redis stands still, and goes on.
    RedisFreeze,
    /// Everybody who is subscribed in Redis is disconnected.
    PubsubDrop,
    /// A link resets what is open and refuses what is new.
    LinkCut,
    /// A link swallows everything.
    LinkStall,
    /// A link takes its time.
    LinkSlow,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How long everything is left whole before.
    pub calm: Duration,
    /// Its kind.
    pub kind: Kind,
    /// What is broken, such as `reservations-1` or `waitlist-2>postgres`.
    pub part: String,
    /// What is done to it.
    pub harm: Harm,
}

/// What is done to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Something that is done and over; the part mends itself.
    Blow,
    /// A state that ends after a time.
    Spell {
        /// How long it lasts.
        lasts: Duration,
    },
    /// A spell of slowness.
    Slowness {
        /// How long it lasts.
        lasts: Duration,
        /// What every chunk waits.
        delay: Duration,
    },
    /// A spell with a wrong clock.
    Skew {
        /// How long it lasts.
        lasts: Duration,
        /// How far it is off, in seconds.
        by_seconds: i64,
    },
}

/// What there is to break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Names of services and the warmer.
    pub services: Vec<String>,
    /// Names of links.
    pub links: Vec<String>,
}

/// Faults without end.
#[derive(Debug)]
pub struct Plan {
    chance: Xoshiro256PlusPlus,
    kinds: Vec<Kind>,
    parts: Parts,
    /// Kinds to come, the next one last.
    hand: Vec<Kind>,
}

impl Kind {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name in histories.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// How often it comes beyond once in a deal.
    fn extra(self) -> usize {
        match self {
            Self::Kill | Self::LinkCut => 4,
            Self::Freeze | Self::LinkStall | Self::LinkSlow => 3,
            Self::Restart | Self::PostgresBackends | Self::RedisFlush | Self::RedisRestart => 1,
            Self::Roll
            | Self::ClockSkew
            | Self::BalancerKill
            | Self::BalancerFreeze
            | Self::PostgresRestart
            | Self::PostgresImmediate
            | Self::RedisFreeze
            | Self::PubsubDrop => 0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl Plan {
    /// The plan of a seed. The same seed, kinds and parts make the same plan.
    pub fn new(seed: u64, kinds: Vec<Kind>, parts: Parts) -> Self {
        Self { chance: Xoshiro256PlusPlus::seed_from_u64(seed), kinds, parts, hand: Vec::new() }
    }

    /// All kinds once, in any order; before them in the hand, so after them in time, the extra ones.
    fn deal(&mut self) {
        let mut once = self.kinds.clone();
        once.shuffle(&mut self.chance);
        self.hand = self.kinds.iter().flat_map(|kind| vec![*kind; kind.extra()]).collect();
        self.hand.shuffle(&mut self.chance);
        self.hand.append(&mut once);
    }

    fn part(&mut self, kind: Kind) -> Option<String> {
        let fixed = match kind {
            Kind::Kill | Kind::Freeze | Kind::Restart | Kind::ClockSkew => {
                return self.parts.services.choose(&mut self.chance).cloned();
            }
            Kind::LinkCut | Kind::LinkStall | Kind::LinkSlow => {
                return self.parts.links.choose(&mut self.chance).cloned();
            }
            Kind::Roll => "fleet",
            Kind::BalancerKill | Kind::BalancerFreeze => "balancer",
            Kind::PostgresRestart | Kind::PostgresImmediate | Kind::PostgresBackends => "postgres",
            Kind::RedisFlush | Kind::RedisRestart | Kind::RedisFreeze | Kind::PubsubDrop => "redis",
        };
        Some(fixed.to_owned())
    }

    fn harm(&mut self, kind: Kind) -> Harm {
        match kind {
            Kind::Kill
            | Kind::Restart
            | Kind::Roll
            | Kind::BalancerKill
            | Kind::PostgresRestart
            | Kind::PostgresImmediate
            | Kind::PostgresBackends
            | Kind::RedisFlush
            | Kind::RedisRestart
            | Kind::PubsubDrop => Harm::Blow,
            Kind::Freeze | Kind::BalancerFreeze | Kind::RedisFreeze | Kind::LinkCut | Kind::LinkStall => {
                Harm::Spell { lasts: self.lasts() }
            }
            Kind::LinkSlow => Harm::Slowness { lasts: self.lasts(), delay: self.time(DELAY_MS) },
            Kind::ClockSkew => {
                let sign = if self.chance.random_bool(0.5) { 1 } else { -1 };
                let by_seconds = sign * self.chance.random_range(SKEW_SECONDS);
                Harm::Skew { lasts: self.lasts(), by_seconds }
            }
        }
    }

    fn lasts(&mut self) -> Duration {
        let long = self.chance.random_bool(OUTLASTS_SHARE);
        self.time(if long { OUTLASTS_MS } else { LASTS_MS })
    }

    fn time(&mut self, ms: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.chance.random_range(ms))
    }
}

impl Iterator for Plan {
    type Item = Fault;

    /// The next fault; none only where there is nothing to break.
    fn next(&mut self) -> Option<Fault> {
        if self.hand.is_empty() {
            self.deal();
        }
        let kind = self.hand.pop()?;
        Some(Fault { calm: self.time(CALM_MS), kind, part: self.part(kind)?, harm: self.harm(kind) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::HashSet;

    fn plan(seed: u64) -> Plan {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let parts = Parts {
            services: names(&["catalog-1", "reservations-1", "reservations-2", "waitlist-1"]),
            links: names(&["balancer>catalog-1", "waitlist-1>postgres", "waitlist-1>redis"]),
        };
        Plan::new(seed, Kind::all().to_vec(), parts)
    }

    fn first(seed: u64, count: usize) -> Vec<Fault> {
        plan(seed).take(count).collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(first(7, 300), first(7, 300));
        assert_eq!(first(7, 300)[..20], first(7, 20)[..]);
        assert_ne!(first(7, 20), first(8, 20));
    }

    #[test]
    fn every_kind_comes_before_any_comes_twice() {
        for seed in 0..50 {
            let kinds: HashSet<Kind> =
                first(seed, Kind::all().len()).into_iter().map(|fault| fault.kind).collect();
            assert_eq!(kinds.len(), Kind::all().len(), "seed {seed}");
        }
    }

    #[test]
    fn every_part_is_broken_in_the_end_in_every_way_that_it_can_be() {
        let broken: HashSet<(Kind, String)> =
            first(1, 2_000).into_iter().map(|fault| (fault.kind, fault.part)).collect();
        let of_one = [Kind::Kill, Kind::Freeze, Kind::Restart, Kind::ClockSkew];
        let of_links = [Kind::LinkCut, Kind::LinkStall, Kind::LinkSlow];
        assert_eq!(broken.len(), of_one.len() * 4 + of_links.len() * 3 + Kind::all().len() - 7);
    }

    #[test]
    fn a_spell_is_short_or_outlasts_what_a_fleet_waits_for() {
        let spell = |fault: Fault| match fault.harm {
            Harm::Blow => None,
            Harm::Spell { lasts } | Harm::Slowness { lasts, .. } | Harm::Skew { lasts, .. } => Some(lasts),
        };
        let spells: Vec<u128> =
            plan(1).take(2_000).filter_map(spell).map(|lasts| lasts.as_millis()).collect();
        let (short, long): (Vec<_>, Vec<_>) = spells.iter().partition(|ms| **ms <= 4_000);
        assert!(long.iter().all(|ms| (6_000..=12_000).contains(*ms)));
        assert!(
            !long.is_empty() && short.len() > 4 * long.len(),
            "{} long, {} short",
            long.len(),
            short.len()
        );
    }

    #[test]
    fn only_the_kinds_that_are_wanted_come_and_each_names_its_part() {
        let plan = Plan { kinds: vec![Kind::PubsubDrop, Kind::BalancerKill], ..plan(3) };
        let faults: Vec<Fault> = plan.take(20).collect();
        assert_eq!(faults.iter().filter(|fault| fault.part == "redis").count(), 10);
        assert_eq!(faults.iter().filter(|fault| fault.part == "balancer").count(), 10);
    }

    #[test]
    fn nothing_to_break_is_no_plan() {
        let nothing = Parts { services: Vec::new(), links: Vec::new() };
        assert_eq!(Plan::new(1, vec![Kind::LinkCut], nothing).next(), None);
        assert_eq!(Plan { kinds: Vec::new(), ..plan(1) }.next(), None);
    }

    #[test]
    fn names_are_those_of_histories() {
        let names: Vec<String> = Kind::all().iter().map(|kind| kind.name()).collect();
        assert_eq!(names[0], "kill");
        assert!(names.contains(&"postgres_immediate".to_owned()), "{names:?}");
    }
}
