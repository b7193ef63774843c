//! Contenders in turns: A B C, A B C… so that whatever else the machine does meets them all alike.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;

use super::cpu::{Part, Reading};
use super::figures::Sample;
use super::load::{Loaded, quantile_ms};

/// The first turn of each contender does not count; it is this much shorter than the others.
const WARM_UP_SHARE: u32 = 3;

/// Somebody who does what the row is about.
#[async_trait]
pub trait Contender: Send {
    /// As the table calls it.
    fn name(&self) -> String;

    /// The processes whose time it costs. Those that only ask are not among them.
    fn parts(&self) -> Vec<Part>;

    /// Gets ready for a round. Not measured.
    async fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Works for about so long.
    async fn work(&mut self, length: Duration) -> Result<Work>;

    /// Cleans up behind a round. Not measured.
    async fn tidy(&mut self) -> Result<()> {
        Ok(())
    }

    /// What a reader must know of it, once all rounds are done; may fail it, when it was not what it seemed.
    async fn note(&mut self) -> Result<String> {
        Ok(String::new())
    }
}

/// What was done in one round.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// How many.
    pub done: u64,
    /// In what time.
    pub elapsed: Duration,
    /// Half were faster, in milliseconds.
    pub p50_ms: Option<f64>,
    /// All but one in a hundred were faster, in milliseconds.
    pub p99_ms: Option<f64>,
}

impl Work {
    /// As a load saw it.
    pub fn of<T>(loaded: &Loaded<T>) -> Self {
        let Loaded { done, elapsed, latency, .. } = loaded;
        let (p50_ms, p99_ms) = (quantile_ms(latency, 0.5), quantile_ms(latency, 0.99));
        Self { done: *done, elapsed: *elapsed, p50_ms, p99_ms }
    }
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Turns of each contender.
    pub rounds: usize,
    /// Of one turn.
    pub length: Duration,
}

/// One contender with what it did, or why it could not.
pub struct Measured {
    /// The contender, for its name and its note.
    pub contender: Box<dyn Contender>,
    /// A sample a round.
    pub samples: Result<Vec<Sample>>,
}

/// Lets all of them warm up, then take their turns. One that fails is left out from then on; the others go on.
pub async fn in_turns(contenders: Vec<Box<dyn Contender>>, plan: Plan) -> Vec<Measured> {
    let fresh = |contender| Measured { contender, samples: Ok(Vec::new()) };
    let mut all: Vec<_> = contenders.into_iter().map(fresh).collect();
    for one in &mut all {
        if let Err(error) = turn(one.contender.as_mut(), plan.length / WARM_UP_SHARE).await {
            one.samples = Err(error);
        }
    }
    for _ in 0..plan.rounds {
        for one in &mut all {
            let Ok(samples) = &mut one.samples else { continue };
            match turn(one.contender.as_mut(), plan.length).await {
                Ok(sample) => samples.push(sample),
                Err(error) => one.samples = Err(error),
            }
        }
    }
    all
}

async fn turn(contender: &mut dyn Contender, length: Duration) -> Result<Sample> {
    contender.prepare().await?;
    let parts = contender.parts();
    let before = Reading::of(&parts)?;
    let work = contender.work(length).await?;
    let used = Reading::of(&parts)?.since(&before);
    contender.tidy().await?;
    ensure!(work.done > 0 && !work.elapsed.is_zero(), "it did nothing in {length:?}");
    Ok(Sample {
        done: work.done,
        seconds: work.elapsed.as_secs_f64(),
        cpu_seconds: used.into_iter().map(|(part, seconds)| (part.to_owned(), seconds)).collect(),
        p50_ms: work.p50_ms,
        p99_ms: work.p99_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Scripted {
        name: &'static str,
        done: u64,
        fails_at: usize,
        said: Arc<Mutex<Vec<String>>>,
        turns: usize,
    }

    impl Scripted {
        fn say(&self, what: &str) {
            self.said.lock().expect("nobody panicked").push(format!("{}{what}", self.name));
        }
    }

    #[async_trait]
    impl Contender for Scripted {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn parts(&self) -> Vec<Part> {
            vec![Part::of("own", std::process::id().cast_signed())]
        }

        async fn prepare(&mut self) -> Result<()> {
            self.say("<");
            Ok(())
        }

        async fn work(&mut self, length: Duration) -> Result<Work> {
            self.turns += 1;
            ensure!(self.turns != self.fails_at, "scripted");
            Ok(Work { done: self.done, elapsed: length, p50_ms: None, p99_ms: None })
        }

        async fn tidy(&mut self) -> Result<()> {
            self.say(">");
            Ok(())
        }
    }

    fn scripted(name: &'static str, fails_at: usize, said: &Arc<Mutex<Vec<String>>>) -> Box<dyn Contender> {
        Box::new(Scripted { name, done: 7, fails_at, said: Arc::clone(said), turns: 0 })
    }

    const PLAN: Plan = Plan { rounds: 2, length: Duration::from_secs(3) };

    #[tokio::test]
    async fn they_alternate_and_the_warm_up_does_not_count() {
        let said = Arc::default();
        let all = in_turns(vec![scripted("a", 0, &said), scripted("b", 0, &said)], PLAN).await;
        assert_eq!(said.lock().expect("nobody panicked").concat(), "a<a>b<b>".repeat(3));
        for one in all {
            let samples = one.samples.expect("it worked");
            assert_eq!(
                samples.iter().map(|sample| (sample.done, sample.seconds)).collect::<Vec<_>>(),
                [(7, 3.0); 2]
            );
        }
    }

    #[tokio::test]
    async fn one_that_fails_is_left_out_and_the_others_go_on() {
        let said = Arc::default();
        let all = in_turns(vec![scripted("a", 2, &said), scripted("b", 0, &said)], PLAN).await;
        assert_eq!(said.lock().expect("nobody panicked").concat(), "a<a>b<b>a<b<b>b<b>");
        assert!(all[0].samples.is_err() && all[1].samples.is_ok());
    }

    #[tokio::test]
    async fn one_that_does_nothing_has_failed() {
        let idle = Scripted { name: "a", done: 0, fails_at: 0, said: Arc::default(), turns: 0 };
        let all = in_turns(vec![Box::new(idle)], PLAN).await;
        assert!(all[0].samples.as_ref().is_err_and(|error| error.to_string().contains("nothing")));
    }
}
