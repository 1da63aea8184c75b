//! GiftGenius's command line as a process of misrule's executable: started with settings, its log read line by line, told to end.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{ORIGIN, OTHER_TOKEN, SECRET, TOKEN};
use crate::system::stdio::SUBCOMMAND;

/// How long a process may take to listen, and to end: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the end takes at most where nothing holds it up: calls in flight would be given a second more than their deadline.
pub(super) const ENDS_AT_ONCE: Duration = Duration::from_secs(15);

/// A port where nobody listens, so that providers are asked for nothing.
const NOBODY: &str = "http://127.0.0.1:9";

pub(super) struct Served {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    heard: Vec<String>,
    began: Instant,
    _folder: TempDir,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) after: Duration,
}

fn command(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIFTGENIUS_")) {
        command.env_remove(name);
    }
    command
        .args([SUBCOMMAND, "serve", "--http", "127.0.0.1:0"])
        .env("GIFTGENIUS_JOURNAL", folder.join("journal.db"))
        .env("GIFTGENIUS_USERS", format!("ann={TOKEN},bob={OTHER_TOKEN}"))
        .env("GIFTGENIUS_PAYMENT_WEBHOOK_SECRET", SECRET)
        .env("GIFTGENIUS_ALLOWED_ORIGINS", ORIGIN);
    for name in ["GIFTGENIUS_PAYMENT_URL", "GIFTGENIUS_CATALOG_URL", "GIFTGENIUS_INVENTORY_URL"] {
        command.env(name, NOBODY);
    }
    command.envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn folder() -> Result<TempDir, String> {
    tempfile::Builder::new().prefix("misrule-faces-").tempdir().map_err(|error| format!("no folder: {error}"))
}

/// What a process that refuses its settings says, and its exit code.
pub(super) fn refused(program: &Path, settings: &[(&str, &str)]) -> Result<(Option<i32>, String), String> {
    let folder = folder()?;
    let mut child = command(program, folder.path(), settings)
        .spawn()
        .map_err(|error| format!("{} did not start: {error}", program.display()))?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    // One that serves instead of refusing is ended by who waits for it.
    let (said, heard) = channel();
    thread::spawn(move || {
        let lines: Vec<String> = BufReader::new(stderr).lines().map_while(Result::ok).collect();
        let _ = said.send(lines.join("\n"));
    });
    let began = Instant::now();
    let code = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status.code(),
            None if began.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    Ok((code, heard.recv_timeout(PATIENCE).unwrap_or_default()))
}

impl Served {
    pub(super) fn start(program: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let folder = folder()?;
        let mut child = command(program, folder.path(), settings)
            .spawn()
            .map_err(|error| format!("{} did not start: {error}", program.display()))?;
        let stderr = child.stderr.take().ok_or("no stderr")?;
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        let mut heard = Vec::new();
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let Ok(line) = lines.recv_timeout(left) else {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("GiftGenius did not listen; it said: {}", heard.join(" / ")));
            };
            let address = serde_json::from_str::<Value>(&line)
                .ok()
                .filter(|line| line["event"] == "listening")
                .and_then(|line| line["address"].as_str()?.parse().ok());
            heard.push(line);
            if let Some(address) = address {
                return Ok(Self { child, address, lines, heard, began, _folder: folder });
            }
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long ago it was started.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Asks it to end, and takes in the rest of its log.
    pub(super) fn stop(&mut self) -> Result<Ended, String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let began = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|error| error.to_string())?;
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                let ended = Ended { code: status.code(), after: began.elapsed() };
                // Its stderr has ended with it.
                while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
                    self.heard.push(line);
                }
                return Ok(ended);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Ended { code: None, after: PATIENCE })
    }

    /// All that it has written to its log, once it has ended.
    pub(super) fn log(&self) -> &[String] {
        &self.heard
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
