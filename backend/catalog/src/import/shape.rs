//! Which kind of file it is: by what stands in it, whatever its name.

use std::io::BufRead;
use std::path::Path;

use super::Item;
use super::box_office::BoxOffice;
use super::lines::Lines;
use super::sheet::Header;
use super::{box_office, cities, films, theaters};

/// How many rows are looked at for a film, so that one broken line does not hide what a file is.
const ROWS_LOOKED_AT: usize = 20;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Films,
    BoxOffice,
    Cities,
    Theaters,
}

impl Shape {
    /// What one row is.
    pub(super) fn row_name(self) -> &'static str {
        match self {
            Self::Films | Self::BoxOffice => "film",
            Self::Cities => "city",
            Self::Theaters => "theater",
        }
    }

    /// What reads the rows of this file.
    pub(super) fn parser(self, path: &Path) -> anyhow::Result<Parser> {
        let header = || -> anyhow::Result<Header> {
            let first = Lines::open(path)?.next_row()?.and_then(|line| line.text.ok()).unwrap_or_default();
            Header::read(&first).map_err(anyhow::Error::msg)
        };
        Ok(match self {
            Self::Films => Parser::Films,
            Self::BoxOffice => Parser::BoxOffice(BoxOffice::of(header()?, Lines::open(path)?)?),
            Self::Cities => Parser::Cities(header()?),
            Self::Theaters => Parser::Theaters(header()?),
        })
    }
}

/// Reads rows of one file.
pub(super) enum Parser {
    Films,
    BoxOffice(BoxOffice),
    Cities(Header),
    Theaters(Header),
}

impl Parser {
    /// Rows before the first that counts.
    pub(super) fn header_rows(&self) -> usize {
        match self {
            Self::Films => 0,
            Self::BoxOffice(_) | Self::Cities(_) | Self::Theaters(_) => 1,
        }
    }

    /// What a row says, or why it says nothing.
    pub(super) fn parse(&self, text: &str) -> Result<Item, String> {
        match self {
            Self::Films => films::parse(text).map(Item::Film),
            Self::BoxOffice(sheet) => sheet.parse(text).map(Item::Film),
            Self::Cities(header) => cities::parse(header, text).map(Item::City),
            Self::Theaters(header) => theaters::parse(header, text).map(Item::Theater),
        }
    }
}

/// The kind of a file, or nothing when it is none of ours.
pub(super) fn recognise(mut lines: Lines<impl BufRead>) -> anyhow::Result<Option<Shape>> {
    for row in 0..ROWS_LOOKED_AT {
        let Some(line) = lines.next_row()? else { break };
        let Ok(text) = line.text else { continue };
        if row == 0
            && let Ok(header) = Header::read(&text)
        {
            if header.has_all(box_office::COLUMNS) {
                return Ok(Some(Shape::BoxOffice));
            }
            if header.has_all(cities::COLUMNS) {
                return Ok(Some(Shape::Cities));
            }
            if header.has_all(theaters::COLUMNS) {
                return Ok(Some(Shape::Theaters));
            }
        }
        if films::looks_like(&text) {
            return Ok(Some(Shape::Films));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_stands_in_it() {
        let shape = |text: &str| recognise(Lines::of(text.as_bytes())).expect("memory can be read");
        assert_eq!(shape("not json\n\n{\"title\":\"Alien\",\"year\":1979}\n"), Some(Shape::Films));
        assert_eq!(shape("{\"name\":\"x\"}\n"), None);
        assert_eq!(shape("\u{feff}\"title\",Released_On,us_gross\r\n"), Some(Shape::BoxOffice));
        assert_eq!(shape("timezone,name,state,latitude,longitude,population\n"), Some(Shape::Cities));
        assert_eq!(shape("theater,city,state\n"), Some(Shape::Theaters));
        assert_eq!(shape("title,year\n"), None);
        assert_eq!(shape(""), None);
    }
}
