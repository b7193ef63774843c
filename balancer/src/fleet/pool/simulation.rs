//! Pools under a seeded clock: who is ejected, for how long, and who never is.

use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use super::tests::pool_of;
use super::*;

/// A request comes every so many milliseconds.
const PACE_MS: u64 = 10;

/// The chance that a request to this endpoint fails at this second.
type Chance = fn(endpoint: usize, second: u64) -> f64;

/// What came of it.
struct Course {
    /// Of each endpoint, each ejection's begin and length in seconds.
    ejections: Vec<Vec<(u64, u64)>>,
    /// The most that were ejected at once.
    ejected_max: usize,
    /// The least that served.
    serving_min: usize,
    /// Requests that failed, though another endpoint might not have.
    failed: usize,
}

impl Course {
    /// The share of the time that an endpoint was ejected.
    fn out(&self, endpoint: usize, seconds: u64) -> f64 {
        self.ejections[endpoint].iter().map(|(_, lasts)| lasts).sum::<u64>() as f64 / seconds as f64
    }
}

/// Keys in no order come for so many seconds.
fn run(seed: u64, endpoints: usize, seconds: u64, chance: Chance) -> Course {
    let pool = pool_of(endpoints, "");
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let begin = Instant::now();
    let mut ending: Vec<(Instant, usize)> = Vec::new();
    let mut course =
        Course { ejections: vec![Vec::new(); endpoints], ejected_max: 0, serving_min: endpoints, failed: 0 };
    for step in 0..seconds * 1_000 / PACE_MS {
        let now = begin + Duration::from_millis(step * PACE_MS);
        let second = step * PACE_MS / 1_000;
        ending.retain(|(until, index)| *until > now || pool.endpoints[*index].readmit(now).is_none());
        let index = pool.pick(dice.random(), Tried::default(), now).expect("somebody is always picked");
        let failed = dice.random_bool(chance(index, second));
        course.failed += usize::from(failed);
        let outcome = if failed { Outcome::Failed } else { Outcome::Answered };
        if let Some(ejection) = pool.record(index, outcome, now, now) {
            ending.push((now + ejection.lasts, index));
            course.ejections[index].push((second, ejection.lasts.as_secs()));
        }
        course.ejected_max = course.ejected_max.max(ending.len());
        course.serving_min = course.serving_min.min(pool.serving());
    }
    course
}

#[test]
fn one_that_only_fails_is_out_nearly_always() {
    for seed in 0..10 {
        let course = run(seed, 3, 600, |endpoint, _| if endpoint == 0 { 1.0 } else { 0.001 });
        assert!(course.out(0, 600) > 0.97, "seed {seed}: out {}", course.out(0, 600));
        assert!(course.ejections[1..].iter().all(Vec::is_empty), "seed {seed}");
        let lasted: Vec<u64> = course.ejections[0].iter().map(|(_, lasts)| *lasts).collect();
        assert_eq!(lasted[..6], [5, 10, 20, 40, 60, 60], "seed {seed}");
        assert!(course.failed < 600, "seed {seed}: {} of 60,000 failed", course.failed);
    }
}

#[test]
fn one_that_flaps_is_out_most_of_the_time() {
    for seed in 0..10 {
        let flaps: Chance = |endpoint, second| if endpoint == 0 && second % 6 < 3 { 1.0 } else { 0.001 };
        let course = run(seed, 3, 600, flaps);
        assert!(course.out(0, 600) > 0.8, "seed {seed}: out {}", course.out(0, 600));
    }
}

/// An instance that can answer from memory what it could not write: one in four of its requests fails, never many in a row.
#[test]
fn one_that_fails_in_part_is_found_by_its_share() {
    for seed in 0..10 {
        let course = run(seed, 2, 600, |endpoint, _| if endpoint == 0 { 0.25 } else { 0.001 });
        assert!(course.out(0, 600) > 0.8, "seed {seed}: out {}", course.out(0, 600));
        assert!(course.ejections[1].is_empty(), "seed {seed}");
    }
}

#[test]
fn a_stray_failure_ejects_nobody() {
    for seed in 0..5 {
        let course = run(seed, 3, 3_600, |_, _| 0.02);
        assert!(course.ejections.iter().all(Vec::is_empty), "seed {seed}: {:?}", course.ejections);
    }
}

/// What all of them need is away for a minute, such as a database. Chance can make one look worse, for the shortest time.
#[test]
fn when_all_fail_nearly_all_stay() {
    let away: Chance = |_, second| if (60..120).contains(&second) { 1.0 } else { 0.001 };
    let courses: Vec<Course> = (0..50).map(|seed| run(seed, 2, 180, away)).collect();
    let ejections = || courses.iter().flat_map(|course| course.ejections.iter().flatten());
    assert!(ejections().count() <= 10, "{} ejections in 50 outages", ejections().count());
    assert!(ejections().all(|(_, lasts)| *lasts == 5));
    assert!(courses.iter().all(|course| course.serving_min >= 1));
}

#[test]
fn never_more_than_the_cap_are_ejected() {
    for (endpoints, most) in [(2, 1), (3, 1), (6, 3), (7, 3)] {
        let course =
            run(endpoints as u64, endpoints, 300, |endpoint, _| if endpoint == 0 { 0.001 } else { 0.9 });
        assert_eq!(course.ejected_max, most, "{endpoints} endpoints");
        assert!(course.serving_min >= endpoints - most);
    }
}

#[test]
fn who_behaves_for_long_enough_begins_from_the_start() {
    let course = run(1, 2, 1_000, |endpoint, second| {
        let bad = endpoint == 0 && !(30..=900).contains(&second);
        if bad { 1.0 } else { 0.0 }
    });
    let lasted = |when: fn(u64) -> bool| -> Vec<u64> {
        course.ejections[0].iter().filter(|(begin, _)| when(*begin)).map(|(_, lasts)| *lasts).collect()
    };
    assert_eq!(lasted(|begin| begin < 100), [5, 10, 20]);
    assert_eq!(lasted(|begin| begin > 900)[..3], [5, 10, 20]);
}
