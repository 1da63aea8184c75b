//! Runs a process under limits: a mutant that loops or eats memory is ended and named, and the machine stays usable.
//!
//! What loops is told by the time of a processor that it takes, which no load of the machine changes. Wall time is a guard
//! against what hangs, and says nothing of a mutant: a busy machine looks the same.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;

/// The address space of a process. A run of misrule takes a tenth of it.
const ADDRESS_SPACE_BYTES_MAX: u64 = 6 << 30;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
    /// It took more of a processor than it may.
    OutOfTime,
    /// It was still there after all the time that it is waited for.
    Hung,
}

/// How much time a process may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimeMax {
    /// Of a processor, for each process that there is.
    pub(crate) processor: Duration,
    /// In which it has to end.
    pub(crate) wall: Duration,
}

/// A process at its limit is told so, and ended if it goes on for as long again.
const CPU_LIMIT_SECONDS_MORE: u64 = 5;

/// The signal of a process that took all the time it may.
const TIME_SIGNAL: i32 = Signal::XCPU.as_raw();

/// Runs `program` with its output in a file. Its whole process group ends with it.
pub(crate) fn run(
    program: &Path,
    words: &[String],
    environment: &[(&str, String)],
    folder: &Path,
    output: &Path,
    time_max: TimeMax,
) -> Result<Ended, Error> {
    let output = File::create(output).map_err(|error| Error::read(output, error))?;
    let mut command = Command::new("sh");
    // Limits that the shell sets hold for what it becomes, and for all that starts.
    // At its soft limit on time a process is told by a signal of its own; at the hard one it is killed like by anybody else.
    let limits = r#"ulimit -v "$1" && ulimit -S -t "$2" && ulimit -H -t "$3" && ulimit -c 0 && shift 3 && exec "$@""#;
    command.arg("-c").arg(limits).arg("sh").arg((ADDRESS_SPACE_BYTES_MAX >> 10).to_string());
    let seconds = time_max.processor.as_secs();
    command.args([seconds, seconds + CPU_LIMIT_SECONDS_MORE].map(|seconds| seconds.to_string()));
    command.arg(program).args(words).envs(environment.iter().map(|(name, value)| (*name, value)));
    // A mutant that panics again and again would spend its time on them.
    command.env("RUST_BACKTRACE", "0");
    command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(Stdio::null()).process_group(0);
    let failed = |source| Error::NotStarted { command: program.display().to_string(), source };
    let mut child = command.spawn().map_err(failed)?;
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process has a small number"));
    let until = Instant::now() + time_max.wall;
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break match (status.code(), status.signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, Some(TIME_SIGNAL)) => Ended::OutOfTime,
                (None, signal) => Ended::Signal(signal.unwrap_or(0)),
            };
        }
        if Instant::now() >= until {
            break Ended::Hung;
        }
        thread::sleep(Duration::from_millis(10));
    };
    // Also what a process that ended left behind.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: TimeMax = TimeMax { processor: Duration::from_secs(60), wall: Duration::from_secs(600) };

    fn ended(script: &str, time_max: TimeMax) -> (Ended, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output");
        let words = ["-c".to_owned(), script.to_owned()];
        let environment = [("MUTANT", "7".to_owned())];
        let ended = run(Path::new("sh"), &words, &environment, folder.path(), &output, time_max).expect("it starts");
        (ended, std::fs::read_to_string(output).expect("its output"))
    }

    #[test]
    fn a_process_is_given_its_environment_and_its_end_is_told() {
        assert_eq!(ended("echo $MUTANT; exit 3", GUARD), (Ended::Code(3), "7\n".to_owned()));
        assert_eq!(ended("kill -ABRT $$", GUARD).0, Ended::Signal(6));
    }

    #[test]
    fn what_loops_is_out_of_time_however_long_that_takes() {
        let second = TimeMax { processor: Duration::from_secs(1), ..GUARD };
        assert_eq!(ended("while :; do :; done", second).0, Ended::OutOfTime);
        assert_eq!(ended("sleep 2", second).0, Ended::Code(0));
    }

    #[test]
    fn a_process_that_never_ends_is_ended_with_all_that_it_started() {
        // On a busy machine the shell may not have come to its second command by the first of these.
        let output = [1, 4, 16, 64].into_iter().find_map(|seconds| {
            let (ended, output) =
                ended("sleep 1000 & echo $!; wait", TimeMax { wall: Duration::from_secs(seconds), ..GUARD });
            assert_eq!(ended, Ended::Hung);
            output.ends_with('\n').then_some(output)
        });
        let output = output.expect("a shell that starts");
        let child: i32 = output.trim().parse().expect("a number");
        let child = Pid::from_raw(child).expect("a process");
        // Its parent is gone; until its new one has taken note it may still be listed.
        while rustix::process::test_kill_process(child).is_ok() {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                break;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn memory_has_a_bound() {
        assert_eq!(ended("ulimit -v", GUARD).1, format!("{}\n", ADDRESS_SPACE_BYTES_MAX >> 10));
    }
}
