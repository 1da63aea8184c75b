//! The system's process, seen from misrule: started, listened to, stopped, killed, and never left behind.
//!
//! Dropping a [`Process`] kills it; if misrule itself is killed, the child sees its stdin end and goes too. It is put
//! into a process group of its own, so that ctrl-c reaches misrule alone and the order of the end is misrule's.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::child::SUBCOMMAND;
use super::control::{Settings, ToChild};
use super::conversation::{Begun, Decide, Line, Remote, converse};
use super::flow::Flow;
use super::stderr::Stderr;
use crate::error::RunError;
use crate::trace::Recorder;
use crate::vitals;

/// How long a process may take until it listens: far beyond what a loaded machine needs.
const START_MAX: Duration = Duration::from_secs(20);

/// How long a process may take to stop.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How much processor time a process may take, all its threads together. A run of some seconds takes a part of one.
const PROCESSOR_TIME_MAX: Duration = Duration::from_secs(10);

/// How much memory it may hold, in bytes. An ordinary one holds some ten megabytes.
const MEMORY_MAX: u64 = 1 << 30;

/// How often, and how many times, a dropped process is looked at until it is gone: half a second in all.
const KILL_POLL: Duration = Duration::from_millis(1);
const KILL_POLLS_MAX: u32 = 500;

/// A process that stands by to become the system. It knows the run's folder, which it removes if misrule dies.
pub struct Standby {
    program: PathBuf,
    child: Leash,
}

impl Standby {
    /// Starts misrule's executable `program`.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, RunError> {
        let mut command = Command::new(program);
        command.arg(SUBCOMMAND).arg(folder);
        Self::start_command(program, command)
    }

    fn start_command(program: &Path, command: Command) -> Result<Self, RunError> {
        Ok(Self { program: program.to_owned(), child: Leash::start(program, command)? })
    }
}

/// A running system.
pub struct Process {
    program: PathBuf,
    child: Leash,
    lines: mpsc::UnboundedSender<Line>,
    /// Where it serves, or why it does not; `None` once that was asked.
    begun: Option<oneshot::Receiver<Begun>>,
    /// `None` once its end was told.
    control: Option<JoinHandle<Result<(), RunError>>>,
    stderr: Stderr,
    flow: Arc<Flow>,
}

impl Process {
    /// Tells a process that stands by what to be. Its log goes to `recorder`, and what it is about to do is asked of
    /// `decide`. That it begins is [`Self::begins`].
    pub fn begin(standby: Standby, settings: Settings, recorder: Recorder, decide: Arc<dyn Decide>) -> Self {
        let Standby { program, mut child } = standby;
        let (stdin, stdout, stderr) = child.pipes();
        let flow = Arc::new(Flow::begin());
        let stderr = Stderr::listen(stderr, recorder, settings.incarnation, flow.clone());
        let (lines, to_child) = mpsc::unbounded_channel();
        lines.send((ToChild::Start(Box::new(settings)), None)).expect("the receiver is at hand");
        let (begins, begun) = oneshot::channel();
        let control = tokio::spawn(converse(stdin, stdout, to_child, begins, decide, flow.clone()));
        Self { program, child, lines, begun: Some(begun), control: Some(control), stderr, flow }
    }

    /// Waits until it serves, or says why it cannot. To be asked once.
    pub async fn begins(&mut self) -> Result<Begun, RunError> {
        self.begins_within(START_MAX).await
    }

    async fn begins_within(&mut self, start_max: Duration) -> Result<Begun, RunError> {
        let Some(begun) = self.begun.take() else { unreachable!("it is asked once") };
        match timeout(start_max, begun).await {
            Ok(Ok(begun)) => Ok(begun),
            Ok(Err(_)) => Err(self.fell_silent().await),
            Err(_) => {
                self.end_now().await;
                Err(RunError::NeverSpoke {
                    program: self.program.clone(),
                    waited: start_max,
                    last_lines: self.stderr.last_lines().await,
                })
            }
        }
    }

    /// A way to speak to it while it runs.
    pub fn remote(&self) -> Remote {
        Remote::new(self.lines.clone())
    }

    /// The operating system's number of it, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.child.id()
    }

    /// Whether it still runs and speaks, within bounds; the error otherwise.
    pub async fn check(&mut self) -> Result<(), RunError> {
        if let Some(flood) = self.flow.flood() {
            self.end_now().await;
            return Err(RunError::Flooded { program: self.program.clone(), flood });
        }
        let silent = self.control.as_ref().is_none_or(JoinHandle::is_finished);
        if silent || !matches!(self.child.child.try_wait(), Ok(None)) {
            return Err(self.fell_silent().await);
        }
        Ok(())
    }

    /// Whether it takes more than a machine has to give: it is ended, with all that it started, and the error says what it
    /// took.
    pub async fn exceeds(&mut self) -> Option<RunError> {
        let id = self.id()?;
        let program = self.program.clone();
        let took = vitals::processor_time(id).filter(|took| *took > PROCESSOR_TIME_MAX);
        let held = vitals::memory(id).filter(|held| *held > MEMORY_MAX);
        let error = if let Some(flood) = self.flow.flood() {
            RunError::Flooded { program, flood }
        } else if let Some(held) = held {
            RunError::TooMuchMemory { program, held_mib: held >> 20, bound_mib: MEMORY_MAX >> 20 }
        } else {
            RunError::TooMuchWork { program, took: took?, bound: PROCESSOR_TIME_MAX }
        };
        self.end_now().await;
        Some(error)
    }

    /// Stops it in good order: calls in flight are answered, open work stays in the journal. When this returns, all its
    /// log is recorded and nothing of the system acts any more; what is left of the process only sees to the run's folder,
    /// until it is dropped.
    pub async fn stop(&mut self) -> Result<(), RunError> {
        self.check().await?;
        // If it is gone meanwhile, the end of its stderr says so.
        let _ = self.lines.send((ToChild::Stop, None));
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
        self.child.kill_group();
        // It fails only for a process that is gone already.
        let _ = self.child.child.kill().await;
    }

    /// Why the control channel ended: a line that is none, or the end of the process.
    async fn fell_silent(&mut self) -> RunError {
        if let Some(control) = self.control.take()
            && let Ok(Ok(Err(error))) = timeout(STOP_MAX, control).await
        {
            self.end_now().await;
            return error;
        }
        let status = if let Ok(status) = timeout(STOP_MAX, self.child.child.wait()).await {
            status
        } else {
            self.end_now().await;
            self.child.child.wait().await
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

/// A child that does not outlive its holder, with all that it starts.
pub(super) struct Leash {
    child: Child,
    /// The group that it leads: known also when the child itself has ended and only what it started is left.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Leash {
    /// Starts a command of `program`'s, with its three streams as pipes.
    pub(super) fn start(program: &Path, mut command: Command) -> Result<Self, RunError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().map_err(|source| RunError::Spawn { program: program.to_owned(), source })?;
        Ok(Self {
            #[cfg(unix)]
            group: child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())),
            child,
        })
    }

    /// Kills the process and all that it started: they share its group, which nothing but a process that left it on
    /// purpose escapes.
    fn kill_group(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group {
            // It fails only for a group that is gone already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    /// Its stdin, stdout and stderr. To be asked once.
    pub(super) fn pipes(&mut self) -> (ChildStdin, ChildStdout, ChildStderr) {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            unreachable!("all three were asked for as pipes, and are asked for once");
        };
        (stdin, stdout, stderr)
    }

    /// Waits until it has ended.
    pub(super) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Leash {
    /// Kills it where it has not ended, and waits until it is gone, so that the run's folder can be removed and no
    /// process is left unreaped. A killed process is gone within milliseconds; the bound is for a machine that hangs.
    fn drop(&mut self) {
        self.kill_group();
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

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
