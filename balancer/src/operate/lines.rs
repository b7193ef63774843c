//! Lines on their way out, written by a thread of their own: a blocked pipe or a full disk costs lines, which are
//! counted, and never holds up who left them.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

/// How long the end of the process waits for lines still in the queue.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Where lines are left.
pub struct Lines {
    queue: SyncSender<Message>,
    lost: IntCounter,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the writer of what is called `name`; so many lines may wait for it, and `lost` counts the others.
    pub fn start(
        name: &'static str,
        output: impl Write + Send + 'static,
        waiting_max: usize,
        lost: IntCounter,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(waiting_max);
        let writer = Writer { name, output: BufWriter::new(output), lost: lost.clone(), failing: false };
        std::thread::Builder::new().name(name.into()).spawn(move || writer.run(&messages))?;
        Ok(Self { queue, lost })
    }

    /// Leaves a line, or counts it as lost.
    pub fn leave(&self, line: Vec<u8>) {
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.lost.inc();
        }
    }

    /// Waits a moment until the lines left so far are written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Whether it was written in time or not, the process ends now.
            let _: Result<(), RecvTimeoutError> = written.recv_timeout(FLUSH_WAIT);
        }
    }
}

/// The thread.
struct Writer<W: Write> {
    name: &'static str,
    /// What it refuses to write for now it keeps, as far as its buffer goes, so that no line is cut in two.
    output: BufWriter<W>,
    lost: IntCounter,
    failing: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Some(message) = self.next(messages) {
            match message {
                Message::Line(line) => self.write(&line),
                Message::Flush(done) => {
                    self.flush();
                    // Nobody waits any more when this fails.
                    let _ = done.send(());
                }
            }
        }
    }

    /// The next message; whenever none is waiting, what was written leaves the buffer.
    fn next(&mut self, messages: &Receiver<Message>) -> Option<Message> {
        match messages.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                self.flush();
                messages.recv().ok()
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        if let Err(error) = self.output.write_all(line) {
            self.lost.inc();
            self.complain(&error);
        }
    }

    fn flush(&mut self) {
        match self.output.flush() {
            Ok(()) => self.failing = false,
            Err(error) => self.complain(&error),
        }
    }

    /// Once, until it can be written again.
    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%error, "the {} cannot be written, its lines are lost and counted", self.name);
        }
    }
}
