//! The report for people.

use std::collections::BTreeMap;
use std::fmt;

use super::{Latency, Report, Row};
use crate::history::Step;

/// Answers shown in a row, the most frequent first; JSON has them all.
const ANSWERS_MAX: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(self, out)?;
        for row in &self.steps {
            step(row, out)?;
        }
        writeln!(out)?;
        sold(self, out)?;
        watched(self, out)?;
        unexpected(self, out)
    }
}

fn head(report: &Report, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Report { seconds, requests, requests_per_second: rate, arrivals, .. } = report;
    write!(out, "{} buyers came", arrivals.came)?;
    if arrivals.missed > 0 {
        write!(out, ", {} of them found it full and were missed", arrivals.missed)?;
    }
    writeln!(out, "; {requests} requests in {seconds:.1} s, {rate:.0} a second")?;
    writeln!(out)?;
    writeln!(
        out,
        "{:<9}{:>9}{:>9}  {}  answers",
        "step",
        "count",
        "rate/s",
        columns(["p50", "p90", "p99", "p99.9", "max ms"].map(str::to_owned))
    )
}

fn step(row: &Row, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        out,
        "{:<9}{:>9}{:>9.1}  {}  {}",
        row.step.name(),
        row.count,
        row.per_second,
        percentiles(&row.latency),
        answers(&row.answers)
    )
}

fn sold(report: &Report, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sold = &report.sold;
    writeln!(
        out,
        "sold      {} seats in {} bookings, {:.1} seats a second, {} in the best second; {} seats taken back",
        sold.seats,
        sold.bookings,
        sold.seats_per_second,
        sold.series.iter().max().copied().unwrap_or_default(),
        sold.cancelled_seats
    )
}

fn watched(report: &Report, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seen = &report.change_to_watcher;
    writeln!(
        out,
        "{:<9}{:>9}{:>9}  {}  from a buyer's request to a watcher",
        "seen",
        seen.count,
        "",
        percentiles(seen)
    )?;
    if report.out_of_step > 0 {
        writeln!(out, "          {} frames out of step", report.out_of_step)?;
    }
    Ok(())
}

fn unexpected(report: &Report, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    if report.as_expected() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "unexpected of a whole fleet:")?;
    for (what, count) in &report.unexpected {
        writeln!(out, "  {what} × {count}")?;
    }
    Ok(())
}

impl Step {
    /// As a row is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Popular => "popular",
            Self::Movie => "movie",
            Self::Shows => "shows",
            Self::SeatMap => "seat map",
            Self::Seats => "seats",
            Self::Live => "live",
            Self::Hold => "hold",
            Self::Extend => "extend",
            Self::GetHold => "get hold",
            Self::Release => "release",
            Self::Confirm => "confirm",
            Self::Bookings => "bookings",
            Self::Cancel => "cancel",
            Self::Join => "join",
            Self::Lines => "lines",
            Self::Entry => "entry",
            Self::Leave => "leave",
        }
    }
}

fn percentiles(latency: &Latency) -> String {
    let Latency { p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms, .. } = latency;
    columns([p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms].map(|ms| format!("{ms:.1}")))
}

fn columns(cells: [String; 5]) -> String {
    cells.map(|cell| format!("{cell:>8}")).concat()
}

fn answers(answers: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = answers.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown = sorted.iter().take(ANSWERS_MAX).map(|(answer, count)| format!("{answer} × {count}"));
    let text = shown.collect::<Vec<_>>().join(", ");
    let more = sorted.len().saturating_sub(ANSWERS_MAX);
    if more > 0 { format!("{text}, {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::{Arrivals, Sold};
    use super::*;

    #[test]
    fn a_report_reads_as_a_table() {
        let latency =
            Latency { count: 3, p50_ms: 1.0, p90_ms: 2.0, p99_ms: 3.0, p99_9_ms: 3.0, max_ms: 12.34 };
        let answers =
            [("201", 2), ("409 seats_unavailable", 7)].map(|(answer, count)| (answer.to_owned(), count));
        let row = Row {
            step: Step::Hold,
            count: 9,
            per_second: 4.5,
            latency: latency.clone(),
            answers: answers.into(),
        };
        let report = Report {
            seconds: 2.0,
            arrivals: Arrivals { came: 5, missed: 1 },
            requests: 9,
            requests_per_second: 4.5,
            steps: vec![row],
            sold: Sold {
                bookings: 1,
                seats: 4,
                cancelled_seats: 2,
                seats_per_second: 2.0,
                series: vec![1, 3],
            },
            change_to_watcher: latency,
            out_of_step: 0,
            faults: 0,
            unexpected: [("hold: 500 internal".to_owned(), 1)].into(),
        };
        assert_eq!(
            report.to_string(),
            "\
5 buyers came, 1 of them found it full and were missed; 9 requests in 2.0 s, 4 a second

step         count   rate/s       p50     p90     p99   p99.9  max ms  answers
hold             9      4.5       1.0     2.0     3.0     3.0    12.3  409 seats_unavailable × 7, 201 × 2

sold      4 seats in 1 bookings, 2.0 seats a second, 3 in the best second; 2 seats taken back
seen             3                1.0     2.0     3.0     3.0    12.3  from a buyer's request to a watcher

unexpected of a whole fleet:
  hold: 500 internal × 1
"
        );
    }
}
