//! Whatever happens, and in whatever order it is written, committed, told, told again, counted and swapped, by whomever: the lists
//! say what adding everything up by brute force says.

use std::collections::{HashMap, HashSet};

use catalog::popular::{Live, Unrefreshed};
use deadpool_postgres::Object;
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::demand::{Did, Show, book, cancel, heard, interest, scores as brute_force, shows};
use crate::warm::{Leader, Warm, scores};

const SEEDS: u64 = 6;
const STEPS: usize = 150;
/// Events that wait to be told.
const TOLD_AT_ONCE: usize = 6;
const AGE_SECONDS_MAX: f64 = 40.0 * 86_400.0;

/// What is told of a change, and what it changes.
type Change = (Did, Option<String>);

struct Story {
    warm: Warm,
    live: Live,
    stale: Option<Leader>,
    shows: Vec<Show>,
    random: SmallRng,
    next: usize,
    /// Committed.
    did: Vec<Did>,
    /// Sales that can be taken back.
    sales: Vec<(String, Did)>,
    /// Committed, and perhaps told already.
    events: Vec<String>,
    /// How many of what was committed the last count saw.
    counted: usize,
    /// Told since then, by name.
    told: HashSet<String>,
    /// Transactions that go on, with what they did.
    open: Vec<(Object, Vec<Change>)>,
}

#[tokio::test]
async fn the_lists_are_what_brute_force_finds_whatever_happens() {
    for seed in 0..SEEDS {
        let mut story = Story::begin(seed).await;
        for step in 0..STEPS {
            story.step().await;
            if step % 5 == 4 {
                story.check(&format!("seed {seed}, step {step}")).await;
            }
        }
        story.end(&format!("seed {seed}, the end")).await;
    }
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let mut warm = Warm::fresh().await;
        warm.world.execute("UPDATE catalog.cities SET country = 'CA' WHERE name = 'Seattle'").await;
        // Nobody waits for another's transaction because both are the first of a line.
        warm.world.execute("INSERT INTO waitlist.shows (id) SELECT id FROM catalog.shows").await;
        let shows = shows(&warm.pool).await;
        warm.refresh().await;
        Self {
            live: warm.leader.warming.live(),
            warm,
            stale: None,
            shows,
            random: SmallRng::seed_from_u64(seed),
            next: 0,
            did: Vec::new(),
            sales: Vec::new(),
            events: Vec::new(),
            counted: 0,
            told: HashSet::new(),
            open: Vec::new(),
        }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..100_u32) {
            0..40 => {
                let client = self.warm.pool.get().await.expect("the test database answers");
                let change = self.change(&client).await;
                self.commit(change);
            }
            40..50 => self.begin_or_go_on().await,
            50..58 => self.end_one().await,
            58..78 => self.tell().await,
            78..90 => self.refresh().await,
            90..95 => self.refresh_while_it_is_told().await,
            95..98 => self.follow().await,
            _ => self.lose_something().await,
        }
    }

    /// Somebody does something.
    async fn change(&mut self, client: &Object) -> Change {
        self.next += 1;
        let id = format!("n{}", self.next);
        let at = self.random.random_range(0..self.shows.len());
        let show = self.shows[at].clone();
        let (seats, age) =
            (self.random.random_range(1..9_i64), self.random.random_range(0.0..AGE_SECONDS_MAX));
        match self.random.random_range(0..10_u32) {
            0..4 => {
                let (sale, event) = book(client, &id, &show, seats, age).await;
                (Did { show: at, ..sale }, Some(event))
            }
            4..7 if !self.sales.is_empty() => {
                let which = self.random.random_range(0..self.sales.len());
                let (id, sale) = self.sales.swap_remove(which);
                let (back, event) = cancel(client, &id, &self.shows[sale.show], &sale).await;
                (back, Some(event))
            }
            4..9 => (Did { show: at, ..interest(client, "held", &id, &show, seats, age).await }, None),
            _ => (Did { show: at, ..interest(client, "joined", &id, &show, seats, age).await }, None),
        }
    }

    fn commit(&mut self, (did, event): Change) {
        if let Some(id) = did.told.as_ref().and_then(|told| told.strip_prefix('+')) {
            self.sales.push((id.to_owned(), did.clone()));
        }
        self.did.push(did);
        self.events.extend(event);
    }

    async fn begin_or_go_on(&mut self) {
        if self.open.len() < 3 {
            let client = self.warm.pool.get().await.expect("the test database answers");
            client
                .batch_execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
                .await
                .expect("it begins");
            self.open.push((client, Vec::new()));
        }
        let which = self.random.random_range(0..self.open.len());
        let (client, mut changes) = self.open.swap_remove(which);
        // Only new things: two transactions that take one sale back would wait for each other.
        let taken = std::mem::take(&mut self.sales);
        let change = self.change(&client).await;
        self.sales = taken;
        changes.push(change);
        self.open.push((client, changes));
    }

    /// A transaction ends, one way or the other.
    async fn end_one(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let which = self.random.random_range(0..self.open.len());
        let (client, changes) = self.open.swap_remove(which);
        if self.random.random_bool(0.7) {
            client.batch_execute("COMMIT").await.expect("it commits");
            for change in changes {
                self.commit(change);
            }
        } else {
            client.batch_execute("ROLLBACK").await.expect("it is rolled back");
        }
    }

    /// Some of what was committed, in any order, some of it again.
    fn some_events(&mut self) -> Vec<String> {
        let many = self.random.random_range(0..=TOLD_AT_ONCE.min(self.events.len()));
        let mut some = Vec::new();
        for _ in 0..many {
            // Mostly of late.
            let from = if self.random.random_bool(0.8) { self.events.len().saturating_sub(12) } else { 0 };
            some.push(self.events[self.random.random_range(from..self.events.len())].clone());
        }
        some
    }

    async fn tell(&mut self) {
        let some = self.some_events();
        self.live
            .add(&some.iter().map(|event| heard(event)).collect::<Vec<_>>())
            .await
            .expect("they are added");
        self.note_told(&some);
    }

    fn note_told(&mut self, events: &[String]) {
        let name = |did: &Did| did.told.clone();
        for event in events {
            let one = heard(event);
            let told = self
                .did
                .iter()
                .filter_map(name)
                .find(|name| format!("{one:?}").contains(&format!("\"{name}\"")));
            self.told.extend(told);
        }
    }

    async fn refresh(&mut self) {
        self.warm.refresh().await;
        self.counted = self.did.len();
    }

    /// What is told while it is counted and swapped is in the list afterwards, once.
    async fn refresh_while_it_is_told(&mut self) {
        let some = self.some_events();
        let happened: Vec<_> = some.iter().map(|event| heard(event)).collect();
        let telling = async {
            for one in &happened {
                self.live.add(std::slice::from_ref(one)).await.expect("it is added");
            }
        };
        let ((), refreshed) = tokio::join!(telling, self.warm.leader.refresh());
        refreshed.expect("it is counted");
        self.counted = self.did.len();
        self.note_told(&some);
    }

    /// Another leads; the one before tries once more.
    async fn follow(&mut self) {
        let next = self.warm.another().await;
        self.stale = Some(std::mem::replace(&mut self.warm.leader, next));
        self.refresh().await;
        self.live = self.warm.leader.warming.live();
        if let Some(stale) = &mut self.stale {
            assert!(matches!(stale.refresh().await, Err(Unrefreshed::Fenced)));
        }
    }

    /// Redis loses a part, or all of it.
    async fn lose_something(&mut self) {
        let some: &[&str] = match self.random.random_range(0..3_u32) {
            0 => &["list:country:US"],
            1 => &["members", "directory"],
            _ => {
                &["meta", "members", "directory", "pending", "list:all", "list:country:US", "list:country:CA"]
            }
        };
        self.warm.forget(some).await;
        self.refresh().await;
    }

    /// What the lists must say: what the last count saw, and what was told since.
    fn known(&self) -> Vec<&Did> {
        let told = |did: &&Did| did.told.as_ref().is_some_and(|name| self.told.contains(name));
        self.did[..self.counted].iter().chain(self.did[self.counted..].iter().filter(told)).collect()
    }

    async fn check(&self, when: &str) {
        let city = self.shows[0].city.clone();
        let in_city = format!("&city={city}");
        self.check_place(when, "", |_| true).await;
        self.check_place(when, "&country=US", |show| show.country == "US").await;
        self.check_place(when, "&country=CA", |show| show.country == "CA").await;
        self.check_place(when, &in_city, |show| show.city == city).await;
    }

    async fn check_place(&self, when: &str, query: &str, here: impl Fn(&Show) -> bool) {
        let answer = self.warm.list(query).await;
        let as_of: Timestamp = answer.text("as_of").parse().expect("a time");
        let known = self.known();
        let expected = brute_force(known.into_iter(), &self.shows, &self.warm.config, as_of, here);
        let list = scores(&answer.body);
        assert!(list.is_sorted_by(|a, b| a.1 >= b.1), "{when}{query}: {list:?}");
        let found: HashMap<&str, f64> = list.iter().map(|(id, score)| (id.as_str(), *score)).collect();
        for (movie, score) in &expected {
            let shown =
                found.get(movie.as_str()).copied().unwrap_or_else(|| panic!("{when}{query}: no {movie}"));
            assert!(
                (shown - score).abs() < 2e-6 * score.max(1.0),
                "{when}{query}: {movie} {shown}, not {score}"
            );
        }
        let others = list.iter().filter(|(movie, _)| !expected.contains_key(movie));
        assert!(others.clone().all(|(_, score)| score.to_bits() == 0), "{when}{query}: {list:?}");
    }

    /// All transactions end; who begins with nothing finds the same.
    async fn end(mut self, when: &str) {
        while !self.open.is_empty() {
            self.end_one().await;
        }
        self.refresh().await;
        self.check(when).await;
        self.warm.world.execute("UPDATE catalog.demand_state SET half_life_seconds = 0").await;
        self.warm.leader = self.warm.another().await;
        self.refresh().await;
        self.check(&format!("{when}, added up anew")).await;
        let seen = self.warm.list("").await.body;
        let explained = self.warm.list("&explain=true").await.body;
        let films = |body| scores(body).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(films(&seen), films(&explained), "{when}");
    }
}
