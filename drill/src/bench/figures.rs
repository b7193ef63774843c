//! What rounds come to: medians, and ratios between contenders of the same run. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

/// What one contender did in one round.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Requests answered, or whatever the row counts.
    pub done: u64,
    /// How long the round took.
    pub seconds: f64,
    /// Processor seconds by part.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// Half were faster, in milliseconds.
    pub p50_ms: Option<f64>,
    /// All but one in a hundred were faster, in milliseconds.
    pub p99_ms: Option<f64>,
}

impl Sample {
    fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Processor microseconds for each one done, of all parts; nothing where no process was watched.
    fn cpu_us(&self) -> Option<f64> {
        let sum: f64 = self.cpu_seconds.values().sum();
        (!self.cpu_seconds.is_empty()).then(|| sum * 1e6 / self.done as f64)
    }

    fn part_us(&self, part: &str) -> Option<f64> {
        self.cpu_seconds.get(part).map(|seconds| seconds * 1e6 / self.done as f64)
    }
}

/// Medians over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Done a second.
    pub rate: f64,
    /// Processor microseconds for each one done.
    pub cpu_us: Option<f64>,
    /// The same by part.
    pub cpu_us_by_part: BTreeMap<String, f64>,
    /// Of the rounds' medians.
    pub p50_ms: Option<f64>,
    /// Of the rounds' 99th percentiles.
    pub p99_ms: Option<f64>,
}

impl Figures {
    /// Nothing when there was no round.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let parts = samples.first()?.cpu_seconds.keys();
        let by_part =
            parts.filter_map(|part| Some((part.clone(), median_of(samples, |sample| sample.part_us(part))?)));
        Some(Self {
            rate: median_of(samples, |sample| Some(sample.rate()))?,
            cpu_us: median_of(samples, Sample::cpu_us),
            cpu_us_by_part: by_part.collect(),
            p50_ms: median_of(samples, |sample| sample.p50_ms),
            p99_ms: median_of(samples, |sample| sample.p99_ms),
        })
    }
}

/// One contender over another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// Above one is faster.
    pub rate: f64,
    /// Above one is dearer.
    pub cpu: Option<f64>,
}

impl Ratio {
    /// The median of the rounds' own ratios: what slowed the machine down in one round slowed both down.
    pub fn between(samples: &[Sample], base: &[Sample]) -> Option<Self> {
        let pairs: Vec<_> = samples.iter().zip(base).collect();
        let rates = pairs.iter().map(|(own, base)| own.rate() / base.rate());
        let cpus = pairs.iter().filter_map(|(own, base)| Some(own.cpu_us()? / base.cpu_us()?));
        Some(Self { rate: median(rates.collect())?, cpu: median(cpus.collect()) })
    }
}

fn median_of(samples: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    median(samples.iter().filter_map(value).collect())
}

/// The middle value; of an even number, the mean of the two in the middle. What is not a number does not count.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().wrapping_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(done: u64, seconds: f64, cpu: &[(&str, f64)]) -> Sample {
        let cpu_seconds = cpu.iter().map(|(part, seconds)| ((*part).to_owned(), *seconds)).collect();
        Sample { done, seconds, cpu_seconds, p50_ms: None, p99_ms: Some(done as f64) }
    }

    #[test]
    fn the_median_is_the_middle_and_the_mean_of_two_middles() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(median(vec![f64::NAN, 5.0, f64::INFINITY]), Some(5.0));
    }

    #[test]
    fn figures_are_medians_by_part_and_in_all() {
        let rounds = [
            sample(100, 1.0, &[("a", 0.001), ("b", 0.003)]),
            sample(300, 1.0, &[("a", 0.003), ("b", 0.003)]),
            sample(200, 2.0, &[("a", 0.001), ("b", 0.001)]),
        ];
        let figures = Figures::of(&rounds).expect("three rounds");
        assert_eq!((figures.rate, figures.p50_ms, figures.p99_ms), (100.0, None, Some(200.0)));
        assert_eq!(figures.cpu_us.map(f64::round), Some(20.0));
        let parts: Vec<_> =
            figures.cpu_us_by_part.iter().map(|(part, us)| (part.as_str(), us.round())).collect();
        assert_eq!(parts, [("a", 10.0), ("b", 10.0)]);
        assert_eq!(Figures::of(&[]), None);
    }

    #[test]
    fn a_contender_without_processes_has_no_processor_time() {
        let watched = [sample(10, 1.0, &[("a", 1.0)])];
        let unwatched = [sample(20, 1.0, &[])];
        assert_eq!(Figures::of(&unwatched).and_then(|figures| figures.cpu_us), None);
        assert_eq!(Ratio::between(&unwatched, &watched), Some(Ratio { rate: 2.0, cpu: None }));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine got slower from round to round, for both.
        let own = [200.0, 100.0, 50.0].map(|done| sample(done as u64, 1.0, &[("a", 1.0)]));
        let base = [100.0, 50.0, 10.0].map(|done| sample(done as u64, 1.0, &[("b", 1.0)]));
        assert_eq!(Ratio::between(&own, &base), Some(Ratio { rate: 2.0, cpu: Some(0.5) }));
        assert_eq!(Ratio::between(&own, &[]), None);
    }
}
