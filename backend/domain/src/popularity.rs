//! Which new releases are popular: seats sold, weighted by how long ago (exponential decay).

/// How popularity is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Popularity {
    /// A film counts as a new release for this many days from its first screening in our theaters.
    pub window_days: u32,
    /// After this many hours a sold seat counts half.
    pub half_life_hours: f64,
}

impl Popularity {
    /// What `seats` sold `age_hours` ago add to the score. A sale from the future counts as one of now.
    pub fn weight(&self, seats: i64, age_hours: f64) -> f64 {
        seats as f64 * 0.5_f64.powf(age_hours.max(0.0) / self.half_life_hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_counts_half_after_each_half_life() {
        let popularity = Popularity { window_days: 60, half_life_hours: 48.0 };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(popularity.weight(8, 0.0), 8.0));
        assert!(close(popularity.weight(8, 48.0), 4.0));
        assert!(close(popularity.weight(8, 96.0), 2.0));
        assert!(close(popularity.weight(8, -5.0), 8.0));
    }
}
