//! Box office figures as comma-separated values: a film's release day, length, director and grosses.
//!
//! Such files give some silent films the wrong century (`Intolerance`, 1916, as 2016). Nothing in the row tells; the file
//! does: a handful of films years after all others. They are refused rather than filed under a year known to be wrong.

use std::collections::BTreeMap;
use std::io::BufRead;

use jiff::civil::Date;

use super::lines::Lines;
use super::sheet::Header;
use super::tidy;
use crate::merging::Row;
use crate::store::records::Record;

/// What a file must have to be one of these; it may have `runtime_minutes`, `mpaa_rating`, `genre`, `director`,
/// `distributor`, `us_gross`, `worldwide_gross`, `imdb_rating` and `imdb_votes` besides.
pub(super) const COLUMNS: &[&str] = &["title", "released_on"];
/// Empty years between the films of a file and those of a wrong century.
const EMPTY_YEARS_MIN: i16 = 3;
/// One row of so many, at most, is of a wrong century.
const STRAY_ONE_OF: u64 = 100;
/// The longest film ever shown took about that long, in minutes.
const RUNTIME_MINUTES_MAX: i16 = 1_500;
const DOLLARS_MAX: i64 = 100_000_000_000;
const VOTES_MAX: i64 = 1_000_000_000;

/// Reads the rows of one file.
pub(super) struct BoxOffice {
    header: Header,
    /// The last year that is believed.
    year_last: Option<i16>,
}

impl BoxOffice {
    /// Looks through the years of the whole file first.
    pub(super) fn of(header: Header, mut lines: Lines<impl BufRead>) -> anyhow::Result<Self> {
        let mut sheet = Self { header, year_last: None };
        let mut films_by_year: BTreeMap<i16, u64> = BTreeMap::new();
        lines.skip_rows(1)?;
        while let Some(line) = lines.next_row()? {
            if let Ok(row) = line.text.and_then(|text| sheet.parse(&text)) {
                *films_by_year.entry(row.record.year).or_default() += 1;
            }
        }
        sheet.year_last = year_last(&films_by_year);
        Ok(sheet)
    }

    /// Reads a row.
    pub(super) fn parse(&self, text: &str) -> Result<Row, String> {
        let row = self.header.row(text)?;
        let released_on = released_on(&row.required("released_on")?)?;
        let year = tidy::year(released_on.year().into())?;
        if let Some(last) = self.year_last.filter(|last| year > *last) {
            return Err(format!(
                "`released_on` is {released_on}, years after all other films of the file, which end in {last}: its century looks wrong"
            ));
        }
        let one = |column: &str| row.text(column).into_iter().collect::<Vec<String>>();
        let record = Record {
            title: tidy::title(row.text("title").as_deref())?,
            year,
            released_on: Some(released_on),
            runtime_minutes: row.number("runtime_minutes", 1, RUNTIME_MINUTES_MAX)?,
            mpaa_rating: row.text("mpaa_rating"),
            genres: tidy::genres(&one("genre")),
            directors: one("director"),
            distributor: row.text("distributor"),
            us_gross: row.number("us_gross", 0, DOLLARS_MAX)?,
            worldwide_gross: row.number("worldwide_gross", 0, DOLLARS_MAX)?,
            imdb_rating: row.number("imdb_rating", 0.0, 10.0)?,
            imdb_votes: row.number("imdb_votes", 0, VOTES_MAX)?,
            ..Record::default()
        };
        Ok(Row { article: String::new(), record })
    }
}

fn released_on(text: &str) -> Result<Date, String> {
    let plain = text.len() == "1979-05-25".len();
    let day = text.parse::<Date>().ok().filter(|_| plain);
    day.ok_or_else(|| format!("`released_on` is not a day such as 1979-05-25: {text:?}"))
}

/// The last year before a gap that only strays lie behind; nothing when all years are believed.
fn year_last(films_by_year: &BTreeMap<i16, u64>) -> Option<i16> {
    let all: u64 = films_by_year.values().sum();
    let years: Vec<i16> = films_by_year.keys().copied().collect();
    let stray =
        |from: i16| films_by_year.range(from..).map(|(_, films)| films).sum::<u64>() * STRAY_ONE_OF <= all;
    let gap = years.windows(2).find(|pair| pair[1] - pair[0] > EMPTY_YEARS_MIN && stray(pair[1]));
    gap.map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handful_of_films_years_after_all_others_is_of_another_century() {
        let years = |counts: &[(i16, u64)]| year_last(&counts.iter().copied().collect());
        assert_eq!(years(&[(1990, 900), (2011, 90), (2015, 1), (2016, 2), (2020, 1)]), Some(2011));
        // Too many to be strays, too near, or too small a file to tell.
        assert_eq!(years(&[(1990, 900), (2011, 90), (2015, 20)]), None);
        assert_eq!(years(&[(1990, 900), (2011, 90), (2014, 1)]), None);
        assert_eq!(years(&[(1990, 2), (2019, 1)]), None);
        assert_eq!(years(&[]), None);
    }

    #[test]
    fn a_row_is_read_or_refused_with_the_reason() {
        let header = Header::read("title,released_on,runtime_minutes,imdb_rating").expect("a header");
        let sheet = BoxOffice { header, year_last: Some(2011) };
        let row = sheet.parse("\"Hell's Angels\",1929-12-31,,7.9").expect("a film");
        assert_eq!((row.record.year, row.record.runtime_minutes), (1929, None));
        for (text, reason) in [
            ("X,,90,", "`released_on` is missing"),
            (",1990-01-01,90,", "`title` is missing"),
            ("X,1990-02-30,90,", "`released_on` is not a day such as 1979-05-25: \"1990-02-30\""),
            ("X,1990-01-01,soon,", "`runtime_minutes` is not a number: \"soon\""),
            ("X,1990-01-01,0,", "`runtime_minutes` is 0, not from 1 to 1500"),
            ("X,1990-01-01,90,11", "`imdb_rating` is 11, not from 0 to 10"),
        ] {
            assert_eq!(sheet.parse(text), Err(reason.to_owned()), "{text}");
        }
        assert!(sheet.parse("Intolerance,2016-09-05,,").is_err_and(|reason| reason.contains("century")));
    }
}
