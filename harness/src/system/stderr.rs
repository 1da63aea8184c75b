//! The stderr of the system's process: its log goes into the record, and the last of everything else is kept for errors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::step_log::LogLine;
use tokio::io::BufReader;
use tokio::process::ChildStderr;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::control::STOPPED;
use super::flow::Flow;
use super::lines::{self, Came};
use crate::trace::{Channel, EventKind, Recorder};

/// How many of the last lines an error shows.
pub(super) const LAST_LINES: usize = 20;

/// The longest line of a log that is kept.
const LOG_LINE_MAX: usize = 1 << 20;

/// How much of a line an error shows.
const SHOWN_MAX: usize = 2000;

/// How long what a process has written may still take to be read.
const END_MAX: Duration = Duration::from_secs(5);

/// The process's stderr: log lines go into the record, the last of all others are kept.
pub(super) struct Stderr {
    last_lines: Arc<Mutex<VecDeque<String>>>,
    /// Told that the system is stopped; dropped without a word if stderr ends before.
    stopped: Option<oneshot::Receiver<()>>,
    reading: JoinHandle<()>,
}

impl Stderr {
    /// Reads from now on; log lines are those of one life of the system. What is too much for its flow is read, so that the
    /// process goes on, and dropped.
    pub(super) fn listen(stderr: ChildStderr, recorder: Recorder, incarnation: u32, flow: Arc<Flow>) -> Self {
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        let others = last_lines.clone();
        let (stop, stopped) = oneshot::channel();
        let mut stop = Some(stop);
        let reading = tokio::spawn(async move {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            loop {
                line.clear();
                let came = lines::next(&mut reader, &mut line, LOG_LINE_MAX).await.unwrap_or(Came::End);
                if came == Came::TooLong && lines::skip(&mut reader).await.is_err()
                    || came == Came::End && line.is_empty()
                {
                    break;
                }
                if flow.comes(line.len()) && line != STOPPED.as_bytes() {
                    continue;
                }
                if line != STOPPED.as_bytes() {
                    recorder.hear(Channel::Stderr, &line);
                }
                if let Ok(line) = serde_json::from_slice::<LogLine>(&line) {
                    recorder.push_in(incarnation, EventKind::Log(Box::new(line)));
                    continue;
                }
                if line == STOPPED.as_bytes() {
                    // The task that stopped it may have given up.
                    stop.take().map(|stop| stop.send(()));
                    continue;
                }
                let mut others = others.lock().expect("no holder of the lines panics");
                if others.len() == LAST_LINES {
                    others.pop_front();
                }
                line.truncate(SHOWN_MAX);
                others.push_back(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { last_lines, stopped: Some(stopped), reading }
    }

    /// Waits until the system has said that it is stopped; false if its stderr ended before.
    pub(super) async fn stopped(&mut self) -> bool {
        match self.stopped.take() {
            Some(stopped) => stopped.await.is_ok(),
            None => false,
        }
    }

    /// Waits until everything is read. Bounded, because a process that the child started may hold the pipe.
    pub(super) async fn end(&mut self) {
        if !self.reading.is_finished() {
            let _ = timeout(END_MAX, &mut self.reading).await;
        }
    }

    /// The last lines that were no log, once it has ended.
    pub(super) async fn last_lines(&mut self) -> Vec<String> {
        self.end().await;
        let lines = self.last_lines.lock().expect("no holder of the lines panics");
        lines.iter().cloned().collect()
    }
}
