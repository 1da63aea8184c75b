//! The real binary where the world around it is not as it should be: interrupted, no room to write, nobody to read.
#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{GOOD, command, folder, misrule, text};

/// Asks again and again, because another process is waited for; gives up after two minutes.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The folder, without the file that made it.
fn emptied(folder: &Path) -> PathBuf {
    fs::remove_file(folder.join(".keep")).expect("a file");
    folder.to_owned()
}

/// Starts a command whose output is read after its end.
fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// A text without its line breaks.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

#[test]
fn an_interrupted_run_says_how_far_it_came_and_leaves_nothing_but_its_report_behind() {
    let policy =
        "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\ntool_deadline_ms = 4000\n\n[[script]]";
    let slow = format!("{}\n[[script]]\nwait_ms = 60000\n", GOOD.replacen("[[script]]", policy, 1));
    let folder = folder(&[("scenarios/a/slow.toml", slow.as_bytes()), ("temporary/.keep", b"")]);
    let temporary = emptied(&folder.path().join("temporary"));
    let mut child = spawn(command(folder.path(), &[]).env("TMPDIR", &temporary));
    until("a run on the wire", || !entries(&temporary).is_empty());
    send("-INT", &child);
    until("the end", || child.try_wait().expect("a child").is_some());
    let output = child.wait_with_output().expect("it ended");
    assert_eq!(output.status.code(), Some(130));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let said = "ended by a signal: interrupted after 2 of 3 scenarios and worlds; no rule was broken until then";
    assert!(in_one_line(&out).contains(said), "{out}\n{err}");
    assert!(out.contains("2 ok") && out.contains("1 scenario and world not run any more"), "{out}");
    assert!(out.trim_end().ends_with("exit 130"), "{out}");
    let reports = folder.path().join("target/misrule");
    assert_eq!(entries(&reports), ["failures", "junit.xml", "report.json", "report.md"]);
    let report = fs::read_to_string(reports.join("report.json")).expect("a report");
    assert!(report.contains("\"extent\": \"interrupted\"") && report.contains("checkout/happy_path"), "{report}");
    until("the system's process to clean up", || entries(&temporary).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_exploration_still_writes_its_report() {
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let few = format!("{GOOD}\n[explore]\nfaults = [\"refuse\", \"busy\", \"crash\"]\n");
        let folder = folder(&[("scenarios/a/sale.toml", few.as_bytes())]);
        let child = spawn(&mut command(folder.path(), &["explore", "--all", "--depth", "6"]));
        until_it_listens_for(number, child.id());
        send(signal, &child);
        let output = child.wait_with_output().expect("it ended");
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", text(&output.stdout));
        assert!(
            text(&output.stdout).contains("; interrupted: 2 of 2 not tried to the end"),
            "{}",
            text(&output.stdout)
        );
        assert!(text(&output.stderr).contains("stopping; what was done until now will be reported"));
        let out = folder.path().join("target/misrule");
        assert_eq!(entries(&out), ["exploration.json", "exploration.md", "exploration.xml", "failures"]);
        let report = fs::read_to_string(out.join("exploration.json")).expect("a report");
        assert!(report.contains("\"ending\": \"interrupted\""));
    }
}

/// Waits until a process has a handler for a signal: the kernel says which ones it has.
#[cfg(target_os = "linux")]
fn until_it_listens_for(number: u32, process: u32) {
    until("a handler for the signal", || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask of signals");
        u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << (number - 1)) != 0
    });
}

#[cfg(target_os = "linux")]
#[test]
fn every_command_that_takes_a_while_ends_on_a_signal_with_its_exit_code_and_without_an_old_report() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").display().to_string();
    let policy = "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\n\n[[script]]";
    let slow = format!("{}\n[[script]]\nwait_ms = 60000\n", GOOD.replacen("[[script]]", policy, 1));
    // None of them ends before the signal: what they print is more than a pipe holds, and no test reads it before.
    let commands: [(&[&str], &str); 5] = [
        (&["prove", "--scenarios", &own, "--out", "out"], "interrupted after "),
        (&["replay", "a/slow", "--world", "wire"], "interrupted\n"),
        (&["errors", "--json"], "interrupted\n"),
        (&["malform", "--json"], "interrupted\n"),
        (&["run", "a/slow", "--out", "out"], "interrupted after "),
    ];
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        for (words, said) in &commands {
            let old = "# Left behind by a proof, to show a planted bug: old\n";
            let folder = folder(&[
                ("scenarios/a/slow.toml", slow.as_bytes()),
                ("out/prove.json", b"{}"),
                ("out/prove.md", b"old"),
                ("out/report.json", b"{}"),
                ("out/junit.xml", b"<testsuites/>"),
                ("out/report.md", b"old"),
                ("out/prove/no_jitter.toml", old.as_bytes()),
                ("temporary/.keep", b""),
            ]);
            let mut child = spawn(command(folder.path(), words).env("TMPDIR", folder.path().join("temporary")));
            until_it_listens_for(number, child.id());
            send(signal, &child);
            until("the end", || child.try_wait().expect("a child").is_some());
            let output = child.wait_with_output().expect("it ended");
            let err = text(&output.stderr);
            assert_eq!(output.status.code(), Some(130), "{words:?} {signal}\n{err}");
            // A gate that is interrupted reports what it did.
            let (told, end) = match words[0] {
                "run" => (text(&output.stdout), "exit 130"),
                _ => (err, "no report was written"),
            };
            assert!(told.contains(said) && told.contains(end), "{words:?}\n{told}");
            assert!(told.trim_end().ends_with("exit 130"), "{words:?}\n{told}");
            let left = entries(&folder.path().join("out"));
            match words[0] {
                "prove" => {
                    assert_eq!(left, ["junit.xml", "prove", "report.json", "report.md"], "{words:?}");
                    assert_eq!(entries(&folder.path().join("out/prove")), [""; 0], "{words:?}");
                }
                "run" => {
                    let all = ["failures", "junit.xml", "prove", "prove.json", "prove.md", "report.json", "report.md"];
                    assert_eq!(left, all, "{words:?}");
                    let report = fs::read_to_string(folder.path().join("out/report.json")).expect("a report");
                    assert!(report.contains("interrupted after "), "it is a new one: {report}");
                }
                _ => assert_eq!(left.len(), 6, "it is none of theirs: {words:?}"),
            }
            let temporary = folder.path().join("temporary");
            until("the system's processes to clean up", || entries(&temporary) == [".keep"]);
        }
    }
}

/// The system's processes of runs whose folders are under `temporary`.
#[cfg(target_os = "linux")]
fn systems(temporary: &Path) -> Vec<String> {
    let folder = temporary.to_string_lossy().into_owned();
    entries(Path::new("/proc"))
        .into_iter()
        .filter(|name| name.bytes().all(|letter| letter.is_ascii_digit()))
        // Empty for a process that is gone meanwhile, or waits to be reaped.
        .filter(|id| fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.contains(&folder)))
        .collect()
}

/// Whether a process has a journal open: one that only stands by to become the system has none.
#[cfg(target_os = "linux")]
fn serves(system: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{system}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.ends_with("journal.sqlite"))
}

/// Stops a process where it is. When this returns, it does nothing any more.
#[cfg(target_os = "linux")]
fn hold(child: &Child) {
    send("-STOP", child);
    until("the process to stand still", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a child that is not reaped");
        status.lines().any(|line| line.starts_with("State:\tT") || line.starts_with("State:\tZ"))
    });
}

#[cfg(target_os = "linux")]
#[test]
fn misrule_killed_between_two_lives_of_the_system_leaves_nothing_behind() {
    // The system dies at every call, so that most of the run lies between two lives. misrule is held each time it is looked
    // at: what is seen is so until it goes on, however slow the machine is.
    let head = "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\n\n[[script]]";
    let script = GOOD.replacen("[[script]]", head, 1).replacen(
        "create_checkout_session\"\n",
        "create_checkout_session\"\nrepeat = 20\n",
        1,
    );
    let crashes: Vec<_> = (1..=20).map(|call| format!("\"host.call#{call}\" = \"crash(before_call)\"")).collect();
    let text = format!("{script}\n[faults]\n{}\n", crashes.join("\n"));
    let folder = folder(&[("scenarios/a/crash.toml", text.as_bytes()), ("temporary/.keep", b"")]);
    let temporary = emptied(&folder.path().join("temporary"));
    let mut child = command(folder.path(), &["replay", "a/crash", "--world", "wire"])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut has_served = false;
    until("a moment between two lives", || {
        hold(&child);
        assert!(child.try_wait().expect("a child").is_none(), "the run went by unseen");
        let lives = systems(&temporary);
        has_served |= lives.iter().any(|system| serves(system));
        let is_between = has_served && !lives.iter().any(|system| serves(system));
        if !is_between {
            send("-CONT", &child);
        }
        is_between
    });
    // One that was started just before misrule was held may still be on its way.
    until("a process that sees to the folder", || systems(&temporary).len() == 1);
    assert_eq!(entries(&temporary).len(), 1, "there is a folder to see to");
    child.kill().expect("a signal");
    child.wait().expect("a child");
    until("the process that stood by to clean up", || entries(&temporary).is_empty() && systems(&temporary).is_empty());
}

#[test]
fn a_report_that_is_too_large_for_the_disk_is_not_left_half_written() {
    let folder = folder(&[]);
    // No file may grow beyond 512 bytes; the signal that says so is ignored, as on a full disk there is none.
    let script = format!("trap '' XFSZ; ulimit -f 1; exec {} --out out", env!("CARGO_BIN_EXE_misrule"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("a shell");
    assert_eq!(output.status.code(), Some(4));
    let err = text(&output.stderr);
    assert!(err.starts_with("error: out/report.json could not be written: "), "{err}");
    assert!(err.contains("nothing was left half-written"), "{err}");
    assert!(text(&output.stdout).contains("1 ok"), "what was found is still told");
    assert_eq!(entries(&folder.path().join("out")), ["failures"]);
}

#[test]
fn output_that_does_not_arrive_is_told() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let folder = folder(&[]);
    for words in [&["replay", "checkout/happy_path"][..], &["list"], &["explain", "F4"], &[]] {
        let full = full.try_clone().expect("a handle");
        let output = command(folder.path(), words).stdout(full).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(4), "{words:?}");
        let err = text(&output.stderr);
        assert!(err.starts_with("error: the output could not be written: "), "{err}");
        assert!(err.trim_end().ends_with("exit 4"), "{err}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder(&[]);
    for words in [&["schema", "scenario"][..], &["replay", "checkout/happy_path"], &[]] {
        let mut child = spawn(&mut command(folder.path(), words));
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn closed_streams_are_no_failure() {
    let folder = folder(&[]);
    for closed in ["<&-", "2>&-", "<&- 2>&-"] {
        let script = format!("exec {} {closed}", env!("CARGO_BIN_EXE_misrule"));
        let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("a shell");
        assert_eq!(output.status.code(), Some(0), "{closed}");
        assert!(text(&output.stdout).contains("all is well"), "{closed}");
    }
}

#[test]
fn without_a_terminal_there_is_neither_colour_nor_progress() {
    let folder = folder(&[("scenarios/x.toml", b"title = 3")]);
    for words in [&["checkout/happy_path"][..], &["x"], &["--help"], &["run", "--nonsense"]] {
        let output = misrule(folder.path(), words);
        let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!all.contains('\u{1b}') && !all.contains('\r'), "{all}");
    }
}
