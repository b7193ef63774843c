//! Readers race with writers: whoever comes after a purge was heard never sees what was true before it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::purge::{Channel, SUBSCRIBED};
use crate::rig::{Answer, Rig};
use crate::upstream::Upstream;
use crate::way::{State, Way, redis_url};

const PATH: &str = "/cached/version-slow?tags=show:1";
const HELD: &str = "/cached/version-held?tags=show:1";
const IN_FLIGHT: &str = "marquee_balancer_requests_in_flight";
const READERS: usize = 8;
const CROWD: u64 = 20;
const CHANGES: u64 = 150;
/// Longer than the test: what is seen is the work of purges alone.
const LONG: u64 = 3_600_000;

/// Readers at two balancers, without pause; a writer who changes what is true, purges it, and waits until both have heard.
#[tokio::test]
async fn no_reader_sees_what_was_purged_before_it_came() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let section = channel.section(&redis_url(), LONG);
    let (one, two) = (Rig::hearing(&up, &section).await, Rig::hearing(&up, &section).await);
    // What every reader must see: all balancers have heard that nothing before it is true.
    let floor = Arc::new(AtomicU64::new(1));
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let rig = if number % 2 == 0 { &one } else { &two };
        let (client, url) = (rig.client.clone(), rig.url(PATH));
        readers.spawn(read(client, url, floor.clone(), over.clone()));
    }
    for purges in 1..=CHANGES {
        let now = up.change();
        channel.say(&json!({ "tags": ["show:1"] })).await;
        for rig in [&one, &two] {
            rig.until("it is heard", || async { rig.heard().await == purges }).await;
        }
        floor.store(now, Ordering::SeqCst);
    }
    over.store(true, Ordering::SeqCst);
    let reads: u64 = readers.join_all().await.into_iter().sum();
    assert!(reads > CHANGES, "{reads} reads do not race with {CHANGES} changes");
    let fetches = up.seen().len() as u64;
    assert!(fetches < reads, "{fetches} fetches for {reads} reads");
}

async fn read(client: reqwest::Client, url: String, floor: Arc<AtomicU64>, over: Arc<AtomicBool>) -> u64 {
    let mut reads = 0;
    while !over.load(Ordering::SeqCst) {
        let least = floor.load(Ordering::SeqCst);
        let answer = Answer::of(client.get(&url)).await;
        let seen: u64 = answer.body.parse().expect("a number");
        assert!(seen >= least, "{seen} was seen, and {least} was told to all: {answer:?}");
        reads += 1;
    }
    reads
}

#[tokio::test]
async fn a_late_answer_brings_nothing_back_and_those_who_came_after_the_purge_do_not_have_it() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let rig = Rig::hearing(&up, &channel.section(&redis_url(), LONG)).await;
    let ask = || tokio::spawn(Answer::of(rig.client.get(rig.url(HELD))));
    let early = ask();
    rig.until("its answer is on its way", || async { up.seen().len() == 1 }).await;
    up.change();
    channel.say(&json!({ "tags": ["show:1"] })).await;
    rig.until("it is heard", || async { rig.heard().await == 1 }).await;
    // They wait for the fetch that is under way, as it may be good enough.
    let late: Vec<_> = (0..3).map(|_| ask()).collect();
    rig.until("they wait", || async { rig.metric(IN_FLIGHT).await == 4 }).await;
    up.release(1);
    assert_eq!(early.await.expect("answered").body, "1");
    // Enough for each of them: who looks before the next answer is there may ask after it is.
    up.release(3);
    for late in late {
        assert_eq!(late.await.expect("answered").body, "2");
    }
    assert_eq!(rig.version(HELD).await, 2);
}

/// Where a tag is purged all the time, those who come together are still answered together.
#[tokio::test]
async fn a_purge_during_the_fetch_does_not_send_everybody_to_the_origin() {
    let (up, channel) = (Upstream::start("a").await, Channel::open().await);
    let rig = Rig::hearing(&up, &channel.section(&redis_url(), LONG)).await;
    let mut crowd: JoinSet<_> = (0..CROWD).map(|_| Answer::of(rig.client.get(rig.url(HELD)))).collect();
    rig.until("they wait", || async { rig.metric(IN_FLIGHT).await == CROWD }).await;
    let mut purges = 0;
    while !crowd.is_empty() {
        rig.until("one of them asks, or is answered", || async {
            let asked = up.seen().len() as u64;
            asked > purges || rig.metric(IN_FLIGHT).await < CROWD
        })
        .await;
        if up.seen().len() as u64 > purges {
            purges += 1;
            channel.say(&json!({ "tags": ["show:1"] })).await;
            rig.until("it is heard", || async { rig.heard().await == purges }).await;
            up.release(1);
        }
        while let Some(answer) = crowd.try_join_next() {
            assert_eq!(answer.expect("answered").body, "1");
        }
    }
    assert!(purges <= 3, "{purges} fetches for {CROWD} who came together");
}

/// When each version was replaced, and that told in Redis; the first one is version 1.
#[derive(Default)]
struct Replaced(Mutex<Vec<Instant>>);

impl Replaced {
    fn now(&self) {
        self.0.lock().expect("lock").push(Instant::now());
    }

    fn since(&self, version: u64) -> Option<Instant> {
        self.0.lock().expect("lock").get(usize::try_from(version).ok()? - 1).copied()
    }
}

const LEASE: Duration = Duration::from_millis(300);

/// The promise: no answer that was replaced for longer than the lease when it was asked for. Each balancer's way to Redis is frozen
/// and cut again and again, while the writer's is not.
#[tokio::test]
async fn however_redis_is_lost_no_answer_is_older_than_the_lease() {
    let (up, channel) = (Arc::new(Upstream::start("a").await), Channel::open().await);
    let ways = [Way::to_redis().await, Way::to_redis().await];
    let section = |way: &Way| channel.section(&way.url, LEASE.as_millis() as u64);
    let rigs = [Rig::hearing(&up, &section(&ways[0])).await, Rig::hearing(&up, &section(&ways[1])).await];
    let replaced = Arc::new(Replaced::default());
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let rig = &rigs[number % 2];
        readers.spawn(read_in_time(rig.client.clone(), rig.url(PATH), replaced.clone(), over.clone()));
    }
    let (writer, stop) = ((up.clone(), replaced), over.clone());
    let writing = tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            writer.0.change();
            channel.say(&json!({ "tags": ["show:1"] })).await;
            writer.1.now();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    for (at, harm) in [State::Frozen, State::Cut, State::Frozen, State::Cut].into_iter().enumerate() {
        let (way, rig) = (&ways[at % 2], &rigs[at % 2]);
        way.set(harm);
        rig.until_metric(SUBSCRIBED, 0).await;
        let lapsed = rig.unused("lease").await;
        rig.until("the lease has lapsed", || async { rig.unused("lease").await > lapsed + 1 }).await;
        way.set(State::Open);
        rig.until_metric(SUBSCRIBED, 1).await;
        let heard = rig.heard().await;
        rig.until("purges are heard again", || async { rig.heard().await > heard + 5 }).await;
    }
    over.store(true, Ordering::SeqCst);
    writing.await.expect("it wrote");
    assert!(readers.join_all().await.into_iter().sum::<u64>() > 100, "few reads prove little");
}

async fn read_in_time(
    client: reqwest::Client,
    url: String,
    replaced: Arc<Replaced>,
    over: Arc<AtomicBool>,
) -> u64 {
    let mut reads = 0;
    while !over.load(Ordering::SeqCst) {
        let asked = Instant::now();
        let answer = Answer::of(client.get(&url)).await;
        let seen: u64 = answer.body.parse().expect("a number");
        let age = replaced.since(seen).map(|at| asked.saturating_duration_since(at)).unwrap_or_default();
        assert!(age <= LEASE, "{seen} was replaced {age:?} before it was asked for");
        reads += 1;
    }
    reads
}
