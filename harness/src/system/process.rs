//! The system's process, seen from misrule: started, listened to, stopped, and never left behind.
//!
//! Dropping a [`Process`] kills it; if misrule itself is killed, the child sees its stdin end and goes too. It is put
//! into a process group of its own, so that ctrl-c reaches misrule alone and the order of the end is misrule's.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::step_log::LogLine;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::child::SUBCOMMAND;
use super::control::{Announcement, Decision, FromChild, STOPPED, Settings, ToChild};
use crate::error::RunError;
use crate::trace::{EventKind, Recorder};

/// How long a process may take until it listens: far beyond what a loaded machine needs.
const START_MAX: Duration = Duration::from_secs(20);

/// How long a process may take to stop.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How often, and how many times, a dropped process is looked at until it is gone: half a second in all.
const KILL_POLL: Duration = Duration::from_millis(1);
const KILL_POLLS_MAX: u32 = 500;

/// How many of the last lines on stderr an error shows.
const LAST_LINES: usize = 20;

/// Decides an announced request.
pub type Decide = Arc<dyn Fn(Announcement) -> Decision + Send + Sync>;

/// A running system.
pub struct Process {
    program: PathBuf,
    child: Child,
    address: SocketAddr,
    lines: mpsc::UnboundedSender<ToChild>,
    /// `None` once its end was told.
    control: Option<JoinHandle<Result<(), RunError>>>,
    stderr: Stderr,
}

impl Process {
    /// Starts misrule's executable `program` as the system, and waits until it listens. Its log goes to `recorder`, its
    /// provider requests are asked of `decide`.
    pub async fn start(
        program: &Path,
        settings: Settings,
        recorder: Recorder,
        decide: Decide,
    ) -> Result<Self, RunError> {
        let mut command = Command::new(program);
        command.arg(SUBCOMMAND).arg(&settings.folder);
        Self::start_command(program, command, START_MAX, settings, recorder, decide).await
    }

    async fn start_command(
        program: &Path,
        mut command: Command,
        start_max: Duration,
        settings: Settings,
        recorder: Recorder,
        decide: Decide,
    ) -> Result<Self, RunError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|source| RunError::Spawn { program: program.to_owned(), source })?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            unreachable!("all three were asked for as pipes");
        };
        let (lines, to_child) = mpsc::unbounded_channel();
        lines.send(ToChild::Start(Box::new(settings))).expect("the receiver is at hand");
        let (listening, listens) = oneshot::channel();
        let control = tokio::spawn(converse(stdin, stdout, to_child, listening, decide));
        let mut process = Self {
            program: program.to_owned(),
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines,
            control: Some(control),
            stderr: Stderr::listen(stderr, recorder),
        };
        match timeout(start_max, listens).await {
            Ok(Ok(address)) => {
                process.address = address;
                Ok(process)
            }
            Ok(Err(_)) => Err(process.fell_silent().await),
            Err(_) => {
                process.end_now().await;
                Err(RunError::NeverSpoke {
                    program: process.program.clone(),
                    waited: start_max,
                    last_lines: process.stderr.last_lines().await,
                })
            }
        }
    }

    /// Where it serves.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The operating system's number of it, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs and speaks; the error otherwise.
    pub async fn check(&mut self) -> Result<(), RunError> {
        let silent = self.control.as_ref().is_none_or(JoinHandle::is_finished);
        if silent || !matches!(self.child.try_wait(), Ok(None)) {
            return Err(self.fell_silent().await);
        }
        Ok(())
    }

    /// Stops it in good order: calls in flight are answered, open work stays in the journal. When this returns, all its
    /// log is recorded and nothing of the system acts any more; what is left of the process only sees to the run's folder,
    /// until it is dropped.
    pub async fn stop(&mut self) -> Result<(), RunError> {
        self.check().await?;
        // If it is gone meanwhile, the end of its stderr says so.
        let _ = self.lines.send(ToChild::Stop);
        match timeout(STOP_MAX, self.stderr.stopped()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.fell_silent().await),
            Err(_) => {
                self.end_now().await;
                Err(RunError::WouldNotStop {
                    program: self.program.clone(),
                    waited: STOP_MAX,
                    last_lines: self.stderr.last_lines().await,
                })
            }
        }
    }

    /// Kills it, as a crash would. All its log is recorded when this returns.
    pub async fn kill(mut self) {
        self.end_now().await;
        self.stderr.end().await;
    }

    async fn end_now(&mut self) {
        // It fails only for a process that is gone already.
        let _ = self.child.kill().await;
    }

    /// Why the control channel ended: a line that is none, or the end of the process.
    async fn fell_silent(&mut self) -> RunError {
        if let Some(control) = self.control.take()
            && let Ok(Ok(Err(error))) = timeout(STOP_MAX, control).await
        {
            self.end_now().await;
            return error;
        }
        let status = if let Ok(status) = timeout(STOP_MAX, self.child.wait()).await {
            status
        } else {
            self.end_now().await;
            self.child.wait().await
        };
        self.died(status).await
    }

    async fn died(&mut self, status: std::io::Result<ExitStatus>) -> RunError {
        RunError::Died {
            program: self.program.clone(),
            status: status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            last_lines: self.stderr.last_lines().await,
        }
    }
}

impl Drop for Process {
    /// Kills it where it was not stopped, and waits until it is gone, so that the run's folder can be removed and no
    /// process is left unreaped. A killed process is gone within milliseconds; the bound is for a machine that hangs.
    fn drop(&mut self) {
        if self.child.id().is_none() || self.child.start_kill().is_err() {
            return;
        }
        for _ in 0..KILL_POLLS_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(KILL_POLL);
        }
    }
}

/// Speaks the control channel until one side ends it. stdin is closed when misrule's side ends.
async fn converse(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    mut to_child: mpsc::UnboundedReceiver<ToChild>,
    listening: oneshot::Sender<SocketAddr>,
    decide: Decide,
) -> Result<(), RunError> {
    let mut listening = Some(listening);
    let mut from_child = BufReader::new(stdout).lines();
    loop {
        let line = tokio::select! {
            biased;
            line = from_child.next_line() => line,
            line = to_child.recv() => {
                let Some(line) = line else { return Ok(()) };
                write(&mut stdin, &line).await;
                continue;
            }
        };
        let Ok(Some(line)) = line else { return Ok(()) };
        match serde_json::from_str(&line) {
            Ok(FromChild::Listening(address)) => {
                if let Some(listening) = listening.take() {
                    // Whoever started it may have given up.
                    let _ = listening.send(address);
                }
            }
            Ok(FromChild::Announce(announcement)) => {
                let id = announcement.id;
                let decision = decide(announcement);
                write(&mut stdin, &ToChild::Decide { id, decision }).await;
            }
            Err(error) => return Err(RunError::Control { line, reason: error.to_string() }),
        }
    }
}

/// Writes a line. A child that does not read is gone, which its stdout says.
async fn write(stdin: &mut ChildStdin, line: &ToChild) {
    let mut line = serde_json::to_vec(line).expect("control lines hold nothing that JSON cannot");
    line.push(b'\n');
    let _ = stdin.write_all(&line).await;
}

/// The process's stderr: log lines go into the record, the last of all others are kept.
struct Stderr {
    last_lines: Arc<Mutex<VecDeque<String>>>,
    /// Told that the system is stopped; dropped without a word if stderr ends before.
    stopped: Option<oneshot::Receiver<()>>,
    reading: JoinHandle<()>,
}

impl Stderr {
    fn listen(stderr: ChildStderr, recorder: Recorder) -> Self {
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        let others = last_lines.clone();
        let (stop, stopped) = oneshot::channel();
        let mut stop = Some(stop);
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                if let Ok(line) = serde_json::from_slice::<LogLine>(&line) {
                    recorder.push(EventKind::Log(Box::new(line)));
                    continue;
                }
                if line == STOPPED.as_bytes() {
                    // Whoever stopped it may have given up.
                    stop.take().map(|stop| stop.send(()));
                    continue;
                }
                let mut others = others.lock().expect("no holder of the lines panics");
                if others.len() == LAST_LINES {
                    others.pop_front();
                }
                others.push_back(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { last_lines, stopped: Some(stopped), reading }
    }

    /// Waits until the system has said that it is stopped; false if its stderr ended before.
    async fn stopped(&mut self) -> bool {
        match self.stopped.take() {
            Some(stopped) => stopped.await.is_ok(),
            None => false,
        }
    }

    /// Waits until everything is read. Bounded, because a process that the child started may hold the pipe.
    async fn end(&mut self) {
        if !self.reading.is_finished() {
            let _ = timeout(STOP_MAX, &mut self.reading).await;
        }
    }

    async fn last_lines(&mut self) -> Vec<String> {
        self.end().await;
        let lines = self.last_lines.lock().expect("no holder of the lines panics");
        lines.iter().cloned().collect()
    }
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
