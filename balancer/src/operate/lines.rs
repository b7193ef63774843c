//! Lines on their way out, written by a thread of their own: a blocked pipe or a full disk costs lines, which are
//! counted, and never holds up who left them.
//!
//! The writer is woken for the first line that waits and then gathers for a moment, so that under load many lines cost
//! one wake-up and one write.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntCounter;

/// How long lines are gathered, unless half of those that may wait do.
const GATHER: Duration = Duration::from_millis(20);
/// How long the end of the process waits for lines that are not written yet.
const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// Room for waiting lines that is kept when they are gone, in bytes.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Where lines are left.
pub struct Lines {
    shared: Arc<Shared>,
    lost: IntCounter,
}

struct Shared {
    waiting: Mutex<Waiting>,
    waiting_max: usize,
    /// Something waits, or the end is near.
    wake: Condvar,
    /// What waited is written or lost.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    lines: usize,
    /// The writer has taken some that are not written yet.
    writing: bool,
    /// Somebody waits until all is written.
    flush: bool,
    closed: bool,
}

impl Lines {
    /// Starts the writer of what is called `name`; so many lines may wait for it, and `lost` counts the others.
    pub fn start(
        name: &'static str,
        output: impl Write + Send + 'static,
        waiting_max: usize,
        lost: IntCounter,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            waiting_max,
            wake: Condvar::new(),
            written: Condvar::new(),
        });
        let output = Output { name, into: output, rest: Vec::new(), lost: lost.clone(), failing: false };
        let theirs = shared.clone();
        std::thread::Builder::new().name(name.into()).spawn(move || theirs.write_to(output))?;
        Ok(Self { shared, lost })
    }

    /// Leaves a line with its end, or counts it as lost.
    pub fn leave(&self, line: &[u8]) {
        let mut waiting = self.shared.lock();
        if waiting.lines >= self.shared.waiting_max {
            drop(waiting);
            self.lost.inc();
            return;
        }
        waiting.text.extend_from_slice(line);
        waiting.lines += 1;
        let lines = waiting.lines;
        drop(waiting);
        if lines == 1 || lines == self.shared.many() {
            self.shared.wake.notify_one();
        }
    }

    /// Waits a moment until the lines left so far are written.
    pub fn flush(&self) {
        let mut waiting = self.shared.lock();
        waiting.flush = true;
        self.shared.wake.notify_one();
        let unwritten = |waiting: &mut Waiting| waiting.lines > 0 || waiting.writing;
        // Whether they were written in time or not, the process ends now.
        drop(self.shared.written.wait_timeout_while(waiting, FLUSH_WAIT, unwritten));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many are not gathered any longer.
    fn many(&self) -> usize {
        self.waiting_max.div_ceil(2)
    }

    /// The thread.
    fn write_to<W: Write>(&self, mut output: Output<W>) {
        let mut text = Vec::new();
        while self.take(&mut text) {
            output.write(&text);
            text.clear();
            text.shrink_to(KEPT_BYTES_MAX);
            self.lock().writing = false;
            self.written.notify_all();
        }
    }

    /// What waits, once there is something; false when nothing will come any more.
    fn take(&self, text: &mut Vec<u8>) -> bool {
        let nothing = |waiting: &mut Waiting| waiting.lines == 0 && !waiting.closed;
        let few = |waiting: &mut Waiting| waiting.lines < self.many() && !waiting.flush && !waiting.closed;
        let waiting = self.wake.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.wake.wait_timeout_while(waiting, GATHER, few);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.text, text);
        waiting.writing = std::mem::take(&mut waiting.lines) > 0;
        waiting.writing
    }
}

/// Where the writer writes.
struct Output<W> {
    name: &'static str,
    into: W,
    /// What is left of a line that was refused in its middle: it is written first, so that no line is cut in two.
    rest: Vec<u8>,
    lost: IntCounter,
    failing: bool,
}

impl<W: Write> Output<W> {
    fn write(&mut self, lines: &[u8]) {
        let mut text = std::mem::take(&mut self.rest);
        let resumed = !text.is_empty();
        text.extend_from_slice(lines);
        let mut written = 0;
        while written < text.len() {
            match self.into.write(&text[written..]) {
                Ok(0) => return self.give_up(&text, written, resumed, &io::ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.give_up(&text, written, resumed, &error),
            }
        }
        self.failing = self.into.flush().is_err();
    }

    /// All that was not begun is lost. Said once, until it can be written again.
    fn give_up(&mut self, text: &[u8], written: usize, resumed: bool, error: &io::Error) {
        let begun = if written == 0 { resumed } else { text[written - 1] != b'\n' };
        let end = text[written..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(text.len(), |end| written + end + 1);
        let kept = if begun { written..end } else { written..written };
        let lost = text[kept.end..].split_inclusive(|byte| *byte == b'\n').count();
        self.rest = text[kept].to_vec();
        self.lost.inc_by(lost as u64);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%error, "the {} cannot be written, its lines are lost and counted", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then none, until it is given room again.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let bytes = text.len().min(disk.1);
            if bytes == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0.extend_from_slice(&text[..bytes]);
            disk.1 -= bytes;
            Ok(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn counter() -> IntCounter {
        IntCounter::new("lost", "lines").unwrap()
    }

    #[test]
    fn lines_come_out_whole_and_in_their_order() {
        let disk = Disk::default();
        disk.0.lock().unwrap().1 = usize::MAX;
        let lines = Lines::start("test", disk.clone(), 10_000, counter()).unwrap();
        let expected: String = (0..5_000).flat_map(|i| [i.to_string(), "\n".to_owned()]).collect();
        expected.split_inclusive('\n').for_each(|line| lines.leave(line.as_bytes()));
        lines.flush();
        assert_eq!(String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap(), expected);
    }

    #[test]
    fn a_line_that_was_refused_in_its_middle_is_ended_later_and_the_rest_counted() {
        let (disk, lost) = (Disk::default(), counter());
        disk.0.lock().unwrap().1 = 6;
        let mut output =
            Output { name: "test", into: disk.clone(), rest: Vec::new(), lost: lost.clone(), failing: false };
        output.write(b"one\ntwo\nthree\nfour\n");
        assert_eq!(lost.get(), 2);
        output.write(b"five\n");
        assert_eq!(lost.get(), 3);
        disk.0.lock().unwrap().1 = 100;
        output.write(b"six\n");
        assert_eq!(disk.0.lock().unwrap().0, b"one\ntwo\nsix\n");
        assert_eq!(lost.get(), 3);
    }
}
