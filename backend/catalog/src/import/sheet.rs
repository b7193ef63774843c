//! Rows of comma-separated values under a header. A row is one line: none of our shapes has line breaks in a field.

use std::collections::HashMap;

use super::tidy;

/// Which column stands where.
#[derive(Debug)]
pub(super) struct Header {
    columns: HashMap<String, usize>,
    width: usize,
}

impl Header {
    /// Reads the first row.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let names = fields(text)?;
        let columns = names.iter().enumerate().map(|(at, name)| (name.trim().to_lowercase(), at)).collect();
        Ok(Self { columns, width: names.len() })
    }

    /// Whether it has all of these columns, in any order, besides others.
    pub(super) fn has_all(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| self.columns.contains_key(*column))
    }

    /// Reads a row under it.
    pub(super) fn row(&self, text: &str) -> Result<Fields<'_>, String> {
        let values = fields(text)?;
        if values.len() != self.width {
            return Err(format!("{} fields where the header has {}", values.len(), self.width));
        }
        Ok(Fields { header: self, values })
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    header: &'a Header,
    values: Vec<String>,
}

impl Fields<'_> {
    /// A field as tidy text; nothing when it is empty or not in this file.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let at = self.header.columns.get(column)?;
        let text = tidy::text(&self.values[*at].replace("\"\"", "\""));
        (!text.is_empty()).then_some(text)
    }

    /// A field that must not be empty.
    pub(super) fn required(&self, column: &str) -> Result<String, String> {
        self.text(column).ok_or_else(|| format!("`{column}` is missing"))
    }

    /// A number within bounds; nothing when the field is empty.
    pub(super) fn number<N>(&self, column: &str, least: N, most: N) -> Result<Option<N>, String>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(column) else { return Ok(None) };
        let number = text.parse::<N>().map_err(|_| format!("`{column}` is not a number: {text:?}"))?;
        if number >= least && number <= most {
            Ok(Some(number))
        } else {
            Err(format!("`{column}` is {text}, not from {least} to {most}"))
        }
    }
}

fn fields(text: &str) -> Result<Vec<String>, String> {
    // An open quote would take the next lines into this row: the reader sees only one, and would not say so.
    if !text.matches('"').count().is_multiple_of(2) {
        return Err("a quote is opened and not closed".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(text.len().max(1))
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record.iter().map(str::to_owned).collect()),
        Ok(false) => Err("there is nothing in it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_other_orders_are_read_as_meant() {
        let header = Header::read("b,A ,extra").expect("a header");
        let row = header.row("\"say \"\"hi\"\", you\",  2 ,").expect("a row");
        assert_eq!(row.text("b"), Some("say \"hi\", you".to_owned()));
        assert_eq!(row.number("a", 0, 9), Ok(Some(2)));
        assert_eq!((row.text("extra"), row.text("none")), (None, None));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let header = Header::read("a,b").expect("a header");
        assert_eq!(header.row("1,2,3").err(), Some("3 fields where the header has 2".to_owned()));
        assert_eq!(header.row("1,\"2").err(), Some("a quote is opened and not closed".to_owned()));
        let row = header.row("x,99").expect("a row");
        assert_eq!(row.number("a", 0, 9), Err("`a` is not a number: \"x\"".to_owned()));
        assert_eq!(row.number("b", 0, 9), Err("`b` is 99, not from 0 to 9".to_owned()));
        for odd in ["NaN", "inf", "1e400"] {
            let row = header.row(&format!("{odd},")).expect("a row");
            assert!(row.number("a", 0.0, 10.0).is_err(), "{odd}");
        }
    }
}
