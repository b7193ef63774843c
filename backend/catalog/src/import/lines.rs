//! A file as numbered rows, one line each. A line that is too long or not UTF-8 spoils itself only.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;

/// The longest line read; the rest of a longer one is passed over.
const LINE_BYTES_MAX: usize = 256 * 1024;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A row and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1, counting empty lines too.
    pub(super) number: u64,
    /// What stands there, or why it cannot be read.
    pub(super) text: Result<String, String>,
}

/// The rows of a file; lines with nothing but spaces are none.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
}

impl Lines<BufReader<File>> {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).context("cannot be opened")?;
        Ok(Self::of(BufReader::new(file)))
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn of(reader: R) -> Self {
        Self { reader, number: 0 }
    }

    /// Passes over some rows.
    pub(super) fn skip_rows(&mut self, rows: usize) -> io::Result<()> {
        for _ in 0..rows {
            self.next_row()?;
        }
        Ok(())
    }

    /// The next row, or nothing at the end.
    pub(super) fn next_row(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(text) = self.next_line()? else { return Ok(None) };
            if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                continue;
            }
            return Ok(Some(Line { number: self.number, text }));
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Result<String, String>>> {
        let mut bytes = Vec::new();
        let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        if bounded.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > LINE_BYTES_MAX {
            skip_line(&mut self.reader)?;
            return Ok(Some(Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))));
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        // Some programs end lines with nothing but this; the rest of such a "line" would be lost without a word.
        if let Some(at) = bytes.iter().position(|byte| *byte == b'\r') {
            return Ok(Some(Err(format!(
                "a carriage return at byte {} is not the end of the line; end lines with a line feed",
                at + 1
            ))));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            format!("the line is not UTF-8 from byte {}", error.utf8_error().valid_up_to() + 1)
        });
        Ok(Some(text.map(|text| text.trim_start_matches(BYTE_ORDER_MARK).to_owned())))
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let chunk = reader.fill_buf()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(chunk.len(), |end| end + 1);
        let over = used == 0 || end.is_some();
        reader.consume(used);
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines::of(bytes);
        let mut all = Vec::new();
        while let Some(line) = lines.next_row().expect("memory can be read") {
            all.push((line.number, line.text));
        }
        all
    }

    #[test]
    fn rows_keep_their_line_numbers_and_blank_lines_are_none() {
        let good = |number, text: &str| (number, Ok(text.to_owned()));
        assert_eq!(all("\u{feff}a\r\n\n  \nb\nc".as_bytes()), [good(1, "a"), good(4, "b"), good(5, "c")]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_bad_line_spoils_itself_only() {
        let mut bytes = b"a\n\xff\xfe\n".to_vec();
        bytes.extend(vec![b'x'; LINE_BYTES_MAX * 3]);
        bytes.extend(b"\nd");
        let read = all(&bytes);
        assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(read.iter().map(|(_, text)| text.is_ok()).collect::<Vec<_>>(), [true, false, false, true]);
        assert_eq!(read[3].1, Ok("d".to_owned()));
    }

    #[test]
    fn a_carriage_return_inside_a_line_is_refused_with_its_place() {
        let read = all(b"a,b\r\n1,2\r3,4\n5,6\r\n");
        assert_eq!(read.iter().map(|(_, text)| text.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert!(read[1].1.as_ref().is_err_and(|why| why.contains("byte 4")), "{:?}", read[1]);
    }

    #[test]
    fn the_longest_line_is_read_and_one_byte_more_is_not() {
        for (extra, good) in [(0, true), (1, false)] {
            let line = vec![b'x'; LINE_BYTES_MAX + extra];
            assert_eq!(all(&line)[0].1.is_ok(), good);
            assert_eq!(all(&[line, b"\nb".to_vec()].concat()).len(), 2);
        }
    }
}
