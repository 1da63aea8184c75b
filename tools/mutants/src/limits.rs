//! Runs a process under limits: a mutant that loops or eats memory is ended and named, and the machine stays usable.

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
    /// It was still running after all the time that it may take.
    TimedOut,
}

/// Runs `program` with its output in a file. Its whole process group ends with it.
pub(crate) fn run(
    program: &Path,
    words: &[String],
    environment: &[(&str, String)],
    folder: &Path,
    output: &Path,
    time_max: Duration,
) -> Result<Ended, Error> {
    let output = File::create(output).map_err(|error| Error::read(output, error))?;
    let mut command = Command::new("sh");
    // Limits that the shell sets hold for what it becomes, and for all that starts.
    command.arg("-c").arg(r#"ulimit -v "$1" && ulimit -t "$2" && ulimit -c 0 && shift 2 && exec "$@""#).arg("sh");
    command.arg((ADDRESS_SPACE_BYTES_MAX >> 10).to_string()).arg((time_max.as_secs() * 2).to_string());
    command.arg(program).args(words).envs(environment.iter().map(|(name, value)| (*name, value)));
    // A mutant that panics again and again would spend its time on them.
    command.env("RUST_BACKTRACE", "0");
    command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(Stdio::null()).process_group(0);
    let failed = |source| Error::NotStarted { command: program.display().to_string(), source };
    let mut child = command.spawn().map_err(failed)?;
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process has a small number"));
    let until = Instant::now() + time_max;
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break match (status.code(), status.signal()) {
                (Some(code), _) => Ended::Code(code),
                (None, signal) => Ended::Signal(signal.unwrap_or(0)),
            };
        }
        if Instant::now() >= until {
            break Ended::TimedOut;
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

    fn ended(script: &str, time_max: Duration) -> (Ended, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output");
        let words = ["-c".to_owned(), script.to_owned()];
        let environment = [("MUTANT", "7".to_owned())];
        let ended = run(Path::new("sh"), &words, &environment, folder.path(), &output, time_max).expect("it starts");
        (ended, std::fs::read_to_string(output).expect("its output"))
    }

    #[test]
    fn a_process_is_given_its_environment_and_its_end_is_told() {
        let guard = Duration::from_secs(60);
        assert_eq!(ended("echo $MUTANT; exit 3", guard), (Ended::Code(3), "7\n".to_owned()));
        assert_eq!(ended("kill -ABRT $$", guard).0, Ended::Signal(6));
    }

    #[test]
    fn a_process_that_never_ends_is_ended_with_all_that_it_started() {
        // On a busy machine the shell may not have come to its second command by the first of these.
        let output = [1, 4, 16, 64].into_iter().find_map(|seconds| {
            let (ended, output) = ended("sleep 1000 & echo $!; wait", Duration::from_secs(seconds));
            assert_eq!(ended, Ended::TimedOut);
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
        assert_eq!(ended("ulimit -v", Duration::from_secs(60)).1, format!("{}\n", ADDRESS_SPACE_BYTES_MAX >> 10));
    }
}
