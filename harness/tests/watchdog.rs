//! The real binary with a system that has no end: it names the run, writes what was done until then, ends with its exit code
//! and leaves no process behind.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use support::{command, text};

/// Far beyond what the watchdog takes on a quiet machine; the bound itself is of processor time.
const GUARD: Duration = Duration::from_secs(120);

fn misrule(words: &[&str], out: &Path) -> Output {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").display().to_string();
    let began = Instant::now();
    let output = command(out, words).args(["--scenarios", &own]).output().expect("the binary runs");
    assert!(began.elapsed() < GUARD);
    output
}

#[test]
fn a_run_that_never_comes_back_ends_a_proof_which_reports_what_it_has_proved() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["prove", "line_logged_without_end", "lock_spun_on_for_ever", "--out", "out"];
    let output = misrule(&words, folder.path());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(4), "{out}\n{err}");
    let said: String = err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("checkout/happy_path without faults, seed 1"), "{err}");
    assert!(said.contains("of processor time without coming back"), "{err}");
    assert!(err.contains("misrule replay ") && err.contains("happy_path.toml --plan \"\" --seed 1"), "{err}");
    let proof: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/prove.json")).expect("a report")).expect("JSON");
    assert_eq!(proof["verdict"], "not_run");
    let hunted: Vec<_> = proof["defects"].as_array().expect("a list").iter().map(|defect| &defect["id"]).collect();
    assert_eq!(hunted, ["line_logged_without_end"], "the other one's hunt was not over");
    assert_eq!(proof["defects"][0]["caught"]["oracles"][0], "runs-away");
    assert!(proof["ended"].as_str().is_some_and(|why| why.contains("seed 1")), "{}", proof["ended"]);
    assert!(out.contains("ENDED in the middle") && out.trim_end().ends_with("exit 4"), "{out}");
}

#[test]
fn a_run_that_eats_memory_ends_misrule_before_the_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["replay", "checkout/happy_path", "--defect", "reply_kept_without_end"];
    let output = misrule(&words, folder.path());
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{err}");
    let said: String = err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("MiB of memory") && said.contains("checkout/happy_path without faults, seed 1"), "{err}");
}

#[test]
fn a_process_that_spins_eats_or_floods_is_ended_and_its_run_named() {
    for (defect, whys) in [
        ("lock_spun_on_for_ever", &["of processor time, and was ended at 10s"][..]),
        ("reply_kept_without_end", &["MiB of memory, and was ended at 1024 MiB"]),
        // How fast its lines are read hangs on the machine.
        ("line_logged_without_end", &["lines within a second", "MiB in one run", "of processor time, and was ended"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let temporary = folder.path().join("temporary");
        fs::create_dir(&temporary).expect("a folder");
        let words = ["replay", "checkout/happy_path", "--world", "wire", "--defect", defect];
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").display().to_string();
        let output = command(folder.path(), &words)
            .args(["--scenarios", &own])
            .env("TMPDIR", &temporary)
            .output()
            .expect("the binary runs");
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{defect}: {err}");
        let said: String = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(whys.iter().any(|why| said.contains(why)), "{defect}: {err}");
        assert_eq!(fs::read_dir(&temporary).expect("a folder").count(), 0, "{defect}: its files are gone");
        assert_eq!(processes_below(&temporary), 0, "{defect}: its process is gone");
    }
}

/// Processes whose command line names something in this folder, as those of a run name the run's.
fn processes_below(folder: &Path) -> usize {
    let folder = folder.display().to_string();
    let processes = fs::read_dir("/proc").expect("a folder").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(&folder)).count()
}
