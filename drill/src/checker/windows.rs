//! Times at which something was so: intervals, in order and apart.

use crate::history::Nanos;

/// Intervals with both their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Windows(Vec<(Nanos, Nanos)>);

impl Windows {
    /// Whether any of them has a moment in common with this one.
    pub(crate) fn touch(&self, from: Nanos, until: Nanos) -> bool {
        let next = self.0.partition_point(|(_, end)| *end < from);
        self.0.get(next).is_some_and(|(begin, _)| *begin <= until)
    }
}

impl FromIterator<(Nanos, Nanos)> for Windows {
    fn from_iter<T: IntoIterator<Item = (Nanos, Nanos)>>(intervals: T) -> Self {
        let mut intervals: Vec<_> = intervals.into_iter().collect();
        intervals.sort_unstable();
        let mut apart: Vec<(Nanos, Nanos)> = Vec::new();
        for (from, until) in intervals {
            match apart.last_mut() {
                Some((_, end)) if from <= *end => *end = until.max(*end),
                _ => apart.push((from, until)),
            }
        }
        Self(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_one() {
        let windows: Windows = [(5, 7), (1, 2), (2, 4), (9, 9)].into_iter().collect();
        assert_eq!(windows, Windows(vec![(1, 4), (5, 7), (9, 9)]));
        for (from, until, touched) in [
            (0, 0, false),
            (0, 1, true),
            (4, 4, true),
            (8, 8, false),
            (8, 9, true),
            (10, 99, false),
            (0, 99, true),
        ] {
            assert_eq!(windows.touch(from, until), touched, "{from}..{until}");
        }
    }
}
