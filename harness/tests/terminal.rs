//! What a person sees on a terminal of sixty columns: no line is wider, nothing is cut, and a pipe gets what it always got.
#![cfg(unix)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use support::{GOOD, command, folder, misrule, text};

/// What a command prints on a terminal this wide, and its exit code.
fn on_terminal(columns: u16, folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = command(folder, words);
    command.env("NO_COLOR", "1").stderr(Stdio::null());
    shown(columns, command, false)
}

/// What a command puts on a terminal this wide, its errors too if they go there.
fn shown(columns: u16, mut command: Command, errors: bool) -> (Option<i32>, String) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&screen).expect("its other end is ours");
    unlockpt(&screen).expect("its other end opens");
    let name = ptsname(&screen, Vec::new()).expect("its other end has a name");
    let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let terminal = OpenOptions::new().read(true).write(true).open(name).expect("its other end opens");
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).expect("a terminal has a size");
    if errors {
        command.stderr(terminal.try_clone().expect("a second handle"));
    }
    command.stdin(Stdio::null()).stdout(terminal);
    let mut child = command.spawn().expect("the binary runs");
    // The terminal is the child's alone from now on: its end is the end of the output.
    drop(command);
    let mut screen = File::from(screen);
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = screen.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..read]);
    }
    let code = child.wait().expect("it ends").code();
    (code, text(&shown).replace("\r\n", "\n"))
}

/// Lines that stay whole, so that they can be copied, and what is written as it is in a file.
fn stays_whole(line: &str) -> bool {
    ["replay", "written to ", "report: ", "there: ", "see one of them: "].iter().any(|word| line.contains(word))
}

#[test]
fn on_sixty_columns_no_line_is_wider_and_nothing_is_cut() {
    let missed = format!(
        "{GOOD}\n[faults]\n\"payment.charge#1\" = \"lost_reply\"\n\"inventory.commit#1\" = \"lost_reply\"\n\n\
         [expect]\nanswer = \"failed\"\nstanding = {{ charge = 7 }}\n"
    );
    let folder = folder(&[("scenarios/a_theme_with_a_name/a_scenario_with_a_long_name.toml", missed.as_bytes())]);
    let commands: [(&[&str], i32); 10] = [
        (&["run"], 1),
        (&["list"], 0),
        (&["list", "--faults"], 0),
        (&["list", "--sites"], 0),
        (&["list", "--oracles"], 0),
        (&["explain", "bounded"], 0),
        (&["replay", "checkout/happy_path", "--plan", "payment.charge#1: lost_reply"], 0),
        (&["explore", "checkout/happy_path", "--depth", "1"], 0),
        (&["prove", "key_not_sent_to_provider", "--menu", "core"], 0),
        (&["errors", "get_order", "--world", "sim"], 0),
    ];
    for (words, expected) in commands {
        let (code, shown) = on_terminal(60, folder.path(), words);
        assert_eq!(code, Some(expected), "{words:?}\n{shown}");
        assert!(!shown.is_empty(), "{words:?}");
        for line in shown.lines() {
            let one_word = !line.trim().contains(' ');
            assert!(line.chars().count() <= 60 || one_word || stays_whole(line), "{words:?}\n{line}");
            assert!(!line.ends_with('…'), "{words:?}\n{line}");
        }
    }
}

#[test]
fn a_terminal_is_used_as_wide_as_it_is_and_a_pipe_is_not_measured() {
    let folder = folder(&[]);
    let widest = |shown: &str| shown.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let explained = |columns| on_terminal(columns, folder.path(), &["explain", "no-blind-charge"]).1;
    let piped = text(&misrule(folder.path(), &["explain", "no-blind-charge"]).stdout);
    assert!((81..=100).contains(&widest(&piped)), "{piped}");
    assert!((41..=60).contains(&widest(&explained(60))));
    assert!((101..=140).contains(&widest(&explained(140))));
    assert_eq!(explained(100), piped);
}

#[test]
fn on_a_terminal_with_colours_nothing_acts_but_those() {
    let escaped = r"\u001b[31m\u009b2J\u202e";
    let broken = format!("{}\n[expect]\nanswer = \"failed\"\n", GOOD.replace("A sale", &format!("A {escaped} sale")));
    let mistaken = GOOD.replace("\"create_order\"", &format!("\"create{escaped}\""));
    let folder =
        folder(&[("scenarios/a/broken.toml", broken.as_bytes()), ("other/mistaken.toml", mistaken.as_bytes())]);
    let word = "x\u{1b}[31m\u{9b}2J\u{202e}";
    let commands: [(&[&str], i32, bool); 5] = [
        (&["run", "a/broken"], 1, false),
        (&["replay", "a/broken"], 1, true),
        (&["run", "other"], 2, true),
        (&["explain", word], 2, true),
        (&["replay", "a/broken", "--plan", word], 2, true),
    ];
    for (words, expected, quotes) in commands {
        let mut command = command(folder.path(), words);
        command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
        let (code, said) = shown(100, command, true);
        assert_eq!(code, Some(expected), "{words:?}\n{said:?}");
        // The bar of progress draws over itself; what is left behind comes after it.
        let said = said.rsplit("\u{1b}[2K").next().unwrap_or_default();
        let acts = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
        for part in said.split("\u{1b}[").skip(1) {
            let code = part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';');
            assert!(code.starts_with('m'), "no colour: {words:?}\n{said:?}");
        }
        assert!(!said.split("\u{1b}[").any(|part| part.contains(acts)), "{words:?}\n{said:?}");
        assert_eq!(said.contains("\\u{1b}[31m\\u{9b}2J\\u{202e}"), quotes, "{words:?}\n{said:?}");
        assert!(!said.contains("\u{1b}[31m\\u{9b}"), "{words:?}\n{said:?}");
    }
}
