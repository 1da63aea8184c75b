//! The mock providers and GiftGenius's own binary, both as real processes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::command;

/// A test that waits longer than this has failed; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// GiftGenius's own binary: beside misrule's, where a test of the workspace has put it. It is built if it is not there, or
/// is older than its source: a test of misrule alone builds no other binary.
pub(crate) fn giftgenius() -> PathBuf {
    static THERE: OnceLock<PathBuf> = OnceLock::new();
    THERE.get_or_init(up_to_date).clone()
}

fn up_to_date() -> PathBuf {
    let misrule = PathBuf::from(env!("CARGO_BIN_EXE_misrule"));
    let binary = misrule.with_file_name("giftgenius");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("giftgenius").join("src");
    let built = fs::metadata(&binary).and_then(|it| it.modified());
    if !built.is_ok_and(|built| newest(&source) <= built) {
        let profile = misrule.parent().expect("a folder");
        let target = profile.parent().expect("a folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--offline", "-p", "giftgenius", "-p", "misrule", "--target-dir"]).arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo starts").success(), "giftgenius could not be built");
    }
    binary
}

/// When the latest file below a folder was changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let changed = |path: PathBuf| {
        if path.is_dir() {
            newest(&path)
        } else {
            fs::metadata(path).and_then(|it| it.modified()).expect("a file system that keeps times")
        }
    };
    entries.map(changed).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What is written there, line by line; it is read whether or not anyone asks, so that the writer never blocks.
pub(crate) fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A process; killed when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill starts").success());
    }
}

/// The mock providers, with the settings that they printed.
pub(crate) struct Shop {
    process: Running,
    lines: Receiver<String>,
    pub(crate) settings: Vec<(String, String)>,
    /// The words of the printed command after the program's name.
    pub(crate) serve: Vec<String>,
}

impl Shop {
    pub(crate) fn start(folder: &TempDir, words: &[&str]) -> Self {
        let words = [&["providers", "--port", "0"], words].concat();
        let mut process = Running(command(folder.path(), &words).stdout(Stdio::piped()).spawn().expect("it starts"));
        let stdout: ChildStdout = process.0.stdout.take().expect("stdout is piped");
        let lines = lines(stdout);
        let (mut settings, mut serve) = (Vec::new(), Vec::new());
        loop {
            let line = lines.recv_timeout(PATIENCE).expect("it prints its settings");
            if let Some((name, value)) = line.trim().strip_prefix("export ").and_then(|set| set.split_once('=')) {
                settings.push((name.to_owned(), value.to_owned()));
            } else if let Some((_, words)) = line.split_once(" serve ") {
                serve = words.split(' ').map(str::to_owned).collect();
            } else if line.contains("Ctrl-C") {
                return Self { process, lines, settings, serve };
            }
        }
    }

    /// Ctrl-C; gives the exit code and all that was said since the settings.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.process.signal("-INT");
        let status = self.process.0.wait().expect("it ends");
        (status.code(), self.lines.iter().collect::<Vec<_>>().join("\n"))
    }
}
