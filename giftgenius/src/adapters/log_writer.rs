//! The log's way out of the process: a bounded queue and a thread of its own that writes it, so that a reader that stops
//! reading stderr stops neither a call nor the end of the server.
//!
//! What must not be lost (alerts and told sales, [`LogLine::is_kept`]) always finds room. Other lines are dropped while the
//! queue is full, and a line in their place says how many.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::json_lines::{Sink, line_of};
use crate::ports::BoxFuture;
use crate::step_log::{LogLine, ServiceEvent, ServiceLine, StepLog};

/// The most bytes of droppable lines that are queued while stderr is not read: some ten thousand lines.
const HELD_BYTES_MAX: usize = 4 << 20;

/// The queue and the thread behind it. A clone is the same queue.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// A line was put in.
    grown: Condvar,
    /// Lines have been written.
    shrunk: Condvar,
    /// How many kept lines have been written.
    kept_written: watch::Sender<u64>,
    held_bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Bytes of waiting lines that may be dropped.
    held_bytes: usize,
    /// Whether the thread has lines in hand that are not written yet.
    writing: bool,
    /// How many kept lines were put in.
    kept: u64,
    /// How many lines were dropped in this process's life.
    dropped: u64,
}

#[derive(Debug)]
enum Waiting {
    Line {
        text: String,
        kept: bool,
    },
    /// So many lines were dropped here.
    Gap(u64),
}

impl LogWriter {
    /// Writes to `out` from a thread of its own. A reader that is gone loses the lines: there is nowhere left to say so.
    pub fn new(out: impl io::Write + Send + 'static) -> io::Result<Self> {
        Self::holding(HELD_BYTES_MAX, out)
    }

    fn holding(held_bytes_max: usize, mut out: impl io::Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            grown: Condvar::new(),
            shrunk: Condvar::new(),
            kept_written: watch::Sender::new(0),
            held_bytes_max,
        });
        let served = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                served.write_once(&mut out);
            }
        })?;
        Ok(Self { shared })
    }

    /// Waits until everything that was put in has been written, at most for `patience`; answers whether it was.
    pub fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.writing || !state.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.shrunk.wait_timeout(state, left).expect("no holder of the queue panics").0;
        }
        true
    }
}

impl Sink for LogWriter {
    fn take(&self, text: String, kept: bool) {
        let mut state = self.shared.lock();
        if kept {
            state.kept += 1;
        } else if state.held_bytes + text.len() > self.shared.held_bytes_max {
            state.dropped += 1;
            match state.waiting.back_mut() {
                Some(Waiting::Gap(lines)) => *lines += 1,
                Some(Waiting::Line { .. }) | None => state.waiting.push_back(Waiting::Gap(1)),
            }
            return;
        } else {
            state.held_bytes += text.len();
        }
        state.waiting.push_back(Waiting::Line { text, kept });
        drop(state);
        self.shared.grown.notify_one();
    }
}

impl StepLog for LogWriter {
    fn record(&self, line: LogLine) {
        self.take(line_of(&line), line.is_kept());
    }

    fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    fn written(&self) -> BoxFuture<'_, ()> {
        let kept = self.shared.lock().kept;
        let mut written = self.shared.kept_written.subscribe();
        Box::pin(async move {
            // The sender lives as long as the queue does.
            let _ = written.wait_for(|written| *written >= kept).await;
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the queue panics")
    }

    /// Waits for lines and writes those that are there. The queue is not held meanwhile: writing may take for ever.
    fn write_once(&self, out: &mut impl io::Write) {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state = self.grown.wait(state).expect("no holder of the queue panics");
        }
        let next = state.waiting.pop_front().expect("it is not empty");
        state.writing = true;
        drop(state);
        let (text, kept, freed) = match next {
            Waiting::Line { text, kept } => {
                let freed = if kept { 0 } else { text.len() };
                (text, kept, freed)
            }
            Waiting::Gap(lines) => (line_of(&LogLine::Service(gap(lines))), false, 0),
        };
        let mut text = text.into_bytes();
        text.push(b'\n');
        let _ = out.write_all(&text).and_then(|()| out.flush());
        let mut state = self.lock();
        // Room is made by what has left the process, not by what is about to.
        state.held_bytes -= freed;
        state.writing = false;
        drop(state);
        if kept {
            self.kept_written.send_modify(|written| *written += 1);
        }
        self.shrunk.notify_all();
    }
}

fn gap(lines: u64) -> ServiceLine {
    let mut line = ServiceLine::new(ServiceEvent::LogLinesDropped, jiff::Timestamp::now());
    line.count = Some(lines);
    line
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::step_log::{Alert, AlertKind};

    /// A reader that takes a line only when it is asked to.
    struct Valve {
        open: Receiver<()>,
        lines: Sender<String>,
    }

    impl io::Write for Valve {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().map_err(io::Error::other)?;
            self.lines.send(String::from_utf8_lossy(bytes).trim_end().to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Read {
        open: Sender<()>,
        lines: Receiver<String>,
    }

    impl Read {
        /// The next line that leaves.
        fn next(&self) -> String {
            self.open.send(()).unwrap();
            self.lines.recv_timeout(Duration::from_secs(60)).expect("the thread writes")
        }
    }

    fn writer(held_bytes_max: usize) -> (LogWriter, Read) {
        let ((open, valve_open), (valve_lines, lines)) = (channel(), channel());
        let writer = LogWriter::holding(held_bytes_max, Valve { open: valve_open, lines: valve_lines }).unwrap();
        (writer, Read { open, lines })
    }

    fn alert() -> LogLine {
        let time = "2026-01-02T03:04:05Z".parse().unwrap();
        LogLine::Alert(Alert::new(AlertKind::OrderParked, "ord_1", "look", &"c1".into(), time))
    }

    #[test]
    fn lines_leave_in_their_order_and_a_gap_says_how_many_are_missing() {
        let (writer, read) = writer(8);
        for line in ["a", "b", "123456", "lost", "lost"] {
            writer.take(line.into(), false);
        }
        writer.take("kept".into(), true);
        writer.take("lost".into(), false);
        assert_eq!(writer.dropped(), 3);
        assert_eq!([read.next(), read.next(), read.next()], ["a", "b", "123456"]);
        let first: LogLine = serde_json::from_str(&read.next()).unwrap();
        assert!(matches!(&first, LogLine::Service(line) if line.count == Some(2)), "{first:?}");
        assert_eq!(read.next(), "kept");
        let second: LogLine = serde_json::from_str(&read.next()).unwrap();
        assert!(matches!(&second, LogLine::Service(line) if line.count == Some(1)), "{second:?}");
        // There is room again.
        writer.take("c".into(), false);
        assert_eq!(read.next(), "c");
        assert_eq!(writer.dropped(), 3);
    }

    #[test]
    fn what_must_not_be_lost_finds_room_however_long_nobody_reads() {
        let (writer, read) = writer(0);
        for _ in 0..1_000 {
            writer.record(alert());
            writer.take("lost".into(), false);
        }
        let alerts = (0..2_000).filter(|_| matches!(serde_json::from_str(&read.next()), Ok(LogLine::Alert(_)))).count();
        assert_eq!(alerts, 1_000);
    }

    #[tokio::test]
    async fn a_line_counts_as_written_once_it_has_left() {
        use futures_util::FutureExt as _;
        let (writer, read) = writer(100);
        writer.take("before".into(), false);
        writer.record(alert());
        let mut written = writer.written();
        assert!((&mut written).now_or_never().is_none());
        read.next();
        assert!((&mut written).now_or_never().is_none());
        read.next();
        written.await;
        // Nothing more to wait for.
        writer.written().await;
        assert!(writer.flush(Duration::from_secs(60)));
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_for_ever() {
        let (writer, read) = writer(100);
        writer.take("a".into(), false);
        assert!(!writer.flush(Duration::from_millis(1)));
        read.next();
        assert!(writer.flush(Duration::from_secs(60)));
    }
}
