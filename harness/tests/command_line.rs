//! The real binary on bad input: each with a sentence that says what, where and what to do, the right exit code, and
//! nothing half-written.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{GOOD, folder, misrule, text};

/// The command, its exit code and all it said.
fn said(folder: &Path, words: &[&str]) -> String {
    let output = misrule(folder, words);
    let code = output.status.code().expect("it ended by itself");
    assert_eq!(text(&output.stdout), "", "nothing was run, so nothing is on stdout");
    let err = text(&output.stderr);
    for line in err.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    format!("misrule {}\nexit code {code}\n\n{err}", words.join(" "))
}

fn many_mistakes() -> String {
    use std::fmt::Write as _;
    (1..=50).fold(String::new(), |mut text, number| {
        writeln!(text, "gift-{number} = 1").expect("writing to a string does not fail");
        text
    })
}

macro_rules! refused {
    ($($name:ident: [$($file:expr => $contents:expr),*], [$($word:expr),*];)*) => {
        $(
            #[test]
            fn $name() {
                let folder = folder(&[$(($file, $contents.as_ref())),*]);
                insta::assert_snapshot!(said(folder.path(), &[$($word),*]));
                assert!(!folder.path().join("target").exists(), "nothing was run, nothing is written");
            }
        )*
    };
}

refused! {
    an_unknown_scenario: [], ["checkout/hapy_path"];
    a_fixture_that_is_not_there: ["scenarios/x.toml" => GOOD], ["run", "--fixtures", "nowhere"];
    a_fixture_that_cannot_be_read: ["scenarios/x.toml" => GOOD, "shop/catalog.json" => "{\"products\": [{}]}", "shop/promo_codes.json" => "{\"promo_codes\": []}"], ["run", "--fixtures", "shop"];
    an_unknown_option: [], ["run", "--sed", "3"];
    an_unknown_world: [], ["run", "--world", "moon"];
    a_scenario_with_many_mistakes: [
        "scenarios/x.toml" => "titel = \"x\"\nlesson = \"L.\"\nworlds = [\"sim\", \"wire\"]\n\n[policy]\nattempts_mx = 3\n\n[stock]\ntea-sett = 3\n\n[[script]]\ncall = \"create_ordr\"\n\n[[script]]\ncall = \"get_order\"\nargs = { order_id = \"{order:gift}\" }\nrepeat = 2\nconcurrent = 2\n\n[faults]\n\"payment.charge#1\" = \"lost_replay\"\n\"payment.chrage#1\" = \"reset\"\n\n[expect]\nbroken = [\"one-efect\"]\n"
    ], ["run", "x"];
    a_mistake_in_each_of_two_files: [
        "scenarios/x.toml" => GOOD.replace("title", "titel"),
        "scenarios/y.toml" => GOOD.replace("create_order", "order")
    ], [];
    an_empty_file: ["scenarios/x.toml" => ""], ["x"];
    a_file_that_is_not_toml: ["scenarios/x.toml" => "title = \"x\nlesson = 3\n"], ["x"];
    a_file_that_is_not_text: ["scenarios/x.toml" => b"title = \"\xff\"\n"], ["x"];
    a_folder_without_scenarios: ["other/readme.md" => ""], ["--scenarios", "other"];
    a_folder_that_is_not_there: [], ["--scenarios", "nowhere"];
    a_file_that_is_too_large: ["scenarios/x.toml" => vec![b'#'; 2_000_000]], ["x"];
    a_mistake_in_a_line_that_is_too_long: ["scenarios/x.toml" => GOOD.replace("A sale", &"a".repeat(400)).replace("lesson", "leson")], ["x"];
    a_file_with_very_many_mistakes: ["scenarios/x.toml" => format!("{GOOD}\n[stock]\n{}", many_mistakes())], ["x"];
    a_script_that_never_ends: ["scenarios/x.toml" => format!("{GOOD}{}", "\n[[script]]\ncall = \"get_payment_methods\"\n".repeat(1000))], ["x"];
    a_folder_where_a_scenario_is_expected: ["scenarios/empty.toml/readme.md" => ""], ["replay", "empty.toml"];
    a_file_where_the_scenarios_are_expected: ["file" => ""], ["--scenarios", "file"];
    settings_that_contradict_each_other: [
        "scenarios/x.toml" => GOOD.replacen("[[script]]", "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 60000\ntool_deadline_ms = 10\n\n[[script]]", 1)
    ], ["x"];
    two_faults_at_one_site: ["scenarios/x.toml" => format!("{GOOD}\n[faults]\n\"payment.charge#1\" = \"cut\"\n\"payment.charge#1\" = \"reset\"\n")], ["x"];
    a_fault_that_its_operation_cannot_have: [
        "scenarios/x.toml" => format!("{GOOD}\n[faults]\n\"payment.look_up#1\" = \"duplicate\"\n\"payment.charge#1\" = \"out_of_stock\"\n\"provider.payment\" = \"reset\"\n")
    ], ["x"];
    a_world_that_no_named_scenario_runs_in: [], ["--world", "wire"];
    a_seed_that_is_no_number: [], ["replay", "checkout/happy_path", "--seed", "one"];
    a_seed_below_zero: [], ["replay", "checkout/happy_path", "--seed", "-1"];
    a_seed_that_no_file_can_hold: [], ["replay", "checkout/happy_path", "--seed", "9223372036854775808"];
    a_replay_of_several_scenarios: ["scenarios/checkout/other.toml" => GOOD], ["replay", "checkout"];
    a_replay_of_nothing: [], ["replay"];
    a_list_of_two_things: [], ["list", "--faults", "--oracles"];
    a_fault_unlike_any_other: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#1: nope"];
    a_site_unlike_any_other: [], ["replay", "checkout/happy_path", "--plan", "xyzzy#1: cut"];
    a_plan_with_a_site_that_is_no_number: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#99999999999: cut"];
    an_oracle_that_does_not_exist: ["scenarios/x.toml" => format!("{GOOD}\n[excused]\nxyzzy = \"because\"\n")], ["x"];
    a_report_folder_that_cannot_be: ["file" => ""], ["--out", "file/reports"];
    a_plan_with_an_unknown_fault: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#1: lost_replay"];
    a_plan_with_an_unknown_site: [], ["replay", "checkout/happy_path", "--plan", "payment.chrage#1: reset"];
    a_plan_for_a_step_that_is_not_there: [], ["replay", "checkout/happy_path", "--plan", "payment.charge@9#1: reset"];
    a_plan_that_contradicts_itself: [],
        ["replay", "checkout/happy_path", "--plan", "payment.charge#1: reset; payment.charge#1: cut"];
    a_replay_where_the_scenario_does_not_run: [], ["replay", "checkout/happy_path", "--world", "wire"];
    a_plan_that_only_simulation_can_realise:
        ["scenarios/x.toml" => GOOD.replacen("[[script]]", "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\n\n[[script]]", 1)],
        ["replay", "x", "--world", "wire", "--plan", "journal.write#1: yield"];
    a_planted_bug_that_does_not_exist: [], ["prove", "key_not_send_to_provider"];
    a_planted_bug_whose_scenario_is_not_there: [], ["prove", "no_jitter"];
    a_word_that_explains_nothing: [], ["explain", "lost_replay"];
    a_schema_of_nothing: [], ["schema", "world"];
    a_retry_after_with_a_fraction: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#1: status(503, retry_after=1.5)"];
    a_retry_after_below_zero: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#1: status(503, retry_after=-5)"];
    an_exploration_of_nothing: [
        "scenarios/x.toml" => format!("{GOOD}\n[explore]\nsites = [\"payment.look_up\"]\nfaults = [\"duplicate\"]\n")
    ], ["explore", "x"];
    an_exploration_narrowed_to_what_is_not_there: [
        "scenarios/x.toml" => format!("{GOOD}\n[explore]\nmenu = \"ful\"\nsites = [\"payment.chrage\"]\nfaults = [\"lost_replay\"]\n")
    ], ["explore", "x"];
    a_depth_beyond_reach: [], ["explore", "checkout/happy_path", "--depth", "7"];
    a_shard_that_is_none: [], ["explore", "checkout/happy_path", "--shard", "3/2"];
    a_time_and_a_number_of_plans: [], ["explore", "checkout/happy_path", "--random", "--for", "60s", "--runs", "5"];
    a_time_that_is_none: [], ["explore", "checkout/happy_path", "--random", "--for", "soon"];
    random_plans_in_shards: [], ["explore", "checkout/happy_path", "--random", "--shard", "1/2"];
    a_merge_of_what_is_not_there: [], ["merge", "nowhere.json"];
    a_merge_of_something_else: ["report.json" => "{}"], ["merge", "report.json"];
    providers_under_a_plan_that_is_not_theirs: [],
        ["providers", "--plan", "payment.charge@2#1: reset; journal.write#1: busy; webhook.event#1: never"];
    providers_under_every_profile: [], ["providers", "--profile", "all"];
    providers_without_three_ports: [], ["providers", "--port", "65534"];
    providers_of_a_shop_that_is_not_there: [], ["providers", "--fixtures", "nowhere"];
    a_replay_under_every_profile: [], ["replay", "checkout/happy_path", "--profile", "all"];
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    let folder = folder(&[]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("scenarios/x.toml")).expect("a link");
    insta::assert_snapshot!(said(folder.path(), &[]));
}

#[test]
fn a_report_that_cannot_be_replaced_is_told_before_anything_is_run() {
    for (command, report) in [("run", "report.json"), ("explore", "exploration.json"), ("prove", "prove.json")] {
        let in_the_way = format!("out/{report}/in_the_way");
        let folder = folder(&[(&in_the_way, b"")]);
        let name = if command == "prove" { "key_not_sent_to_provider" } else { "checkout/happy_path" };
        let output = misrule(folder.path(), &[command, name, "--out", "out"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let err = text(&output.stderr);
        assert!(err.starts_with(&format!("error: reports cannot be written to out/{report}: ")), "{err}");
        assert!(err.contains("nothing was run"), "{err}");
        assert_eq!(text(&output.stdout), "", "{command}");
    }
}

#[cfg(unix)]
#[test]
fn a_report_that_cannot_be_kept_is_told_and_ends_with_exit_code_4() {
    let folder = folder(&[]);
    // No file may grow: as on a full disk. Without the trap the write would end the process.
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$0\" checkout/happy_path --world sim --out out";
    let binary = env!("CARGO_BIN_EXE_misrule");
    let output = Command::new("sh").args(["-c", full, binary]).current_dir(folder.path()).output().expect("a shell");
    assert_eq!(output.status.code(), Some(4));
    let err = text(&output.stderr);
    assert!(err.starts_with("error: out/report.json could not be written: "), "{err}");
    assert!(err.contains("the report above is all there is"), "{err}");
    assert!(text(&output.stdout).contains("checkout/happy_path"));
    assert!(!folder.path().join("out/report.json").exists(), "nothing is left half-written");
}

#[test]
fn a_replay_is_the_same_byte_for_byte() {
    let folder = folder(&[]);
    let words = ["replay", "checkout/happy_path", "--plan", "payment.charge#1: lost_reply", "--seed", "7"];
    let first = misrule(folder.path(), &words);
    assert!(!first.stdout.is_empty());
    assert_eq!(first, misrule(folder.path(), &words));
}

#[test]
fn what_a_scenario_expects_is_held_to_its_own_plan_only() {
    let own = "inventory.reserve#1: lost_reply; payment.charge#1: declined(expired_card)";
    let declined = format!(
        "{GOOD}expect = \"PAYMENT_DECLINED\"\n\n[faults]\n\"inventory.reserve#1\" = \"lost_reply\"\n\
         \"payment.charge#1\" = \"declined(expired_card)\"\n\n[expect]\nstanding = {{ charge = 0 }}\n"
    );
    let missed = declined.replace("charge = 0", "charge = 7");
    let folder =
        folder(&[("scenarios/a/declined.toml", declined.as_bytes()), ("scenarios/a/missed.toml", missed.as_bytes())]);
    let other_order = "payment.charge#1: declined(expired_card); inventory.reserve#1: lost_reply";
    let (met, left_out) = ("all met", "left out: they belong to the scenario's own plan");
    for (scenario, plan, code, line) in [
        ("a/declined", None, 0, met),
        ("a/declined", Some(own), 0, met),
        ("a/declined", Some(other_order), 0, met),
        ("a/declined", Some("payment.charge#1: lost_reply"), 0, left_out),
        ("a/declined", Some(""), 0, left_out),
        ("a/missed", None, 1, "not met: effects of charge standing at rest: 7 expected, 0 found"),
        ("a/missed", Some(""), 0, left_out),
    ] {
        let plan: Vec<_> = plan.into_iter().flat_map(|plan| ["--plan", plan]).collect();
        let output = misrule(folder.path(), &[&["replay", scenario], plan.as_slice()].concat());
        let text = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{scenario} {plan:?}\n{text}");
        assert!(text.contains(&format!("\nexpectations\n  {line}\n")), "{scenario} {plan:?}\n{text}");
    }
}

#[test]
fn words_of_each_kind_are_explained() {
    let folder = folder(&[]);
    let mut all = String::new();
    for word in ["lost_reply", "outage", "payment_declined", "g4", "no_jitter"] {
        let output = misrule(folder.path(), &["explain", word]);
        assert_eq!(output.status.code(), Some(0), "{word}");
        all.push_str(&text(&output.stdout));
        all.push('\n');
    }
    insta::assert_snapshot!(all);
    let output = misrule(folder.path(), &["explain", "F4"]);
    assert!(text(&output.stdout).contains("covered by: checkout/happy_path"));
}

#[test]
fn the_worst_case_of_provider_calls_is_a_printed_figure() {
    let folder = folder(&[]);
    let explained = text(&misrule(folder.path(), &["explain", "bounded"]).stdout);
    insta::assert_snapshot!(explained);
    assert_eq!(misrule(folder.path(), &[]).status.code(), Some(0));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("target/misrule").join(name)).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&read("report.json")).expect("JSON");
    let worst = report.pointer("/worst_case/calls_per_intent").expect("a figure");
    assert!(explained.contains(&format!("{worst} provider calls per intent")));
    assert!(read("report.md").contains(&format!("{worst} provider calls per intent")));
}

#[test]
fn what_there_is_can_be_listed() {
    let folder = folder(&[]);
    let list = |words: &[&str]| {
        let output = misrule(folder.path(), &[&["list"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        text(&output.stdout)
    };
    assert_eq!(list(&[]), "checkout/happy_path  sim       F4\n    A sale\n");
    assert!(list(&["--faults"]).contains("payment.charge#1: lost_reply"));
    let sites = list(&["--sites"]);
    assert!(sites.contains("inventory.release\n"));
    let own = sites.split_once("host.call\n").expect("the places that no request arrives at").1;
    insta::assert_snapshot!("places_that_no_request_arrives_at", own);
    let explained = |word: &str| text(&misrule(folder.path(), &["explain", word]).stdout);
    assert!(explained("go_back").contains("possible at: host.call\n"));
    assert!(explained("hang_up").contains("possible at: every operation, journal.write\n"));
    assert!(explained("outage").contains("possible at: every provider, as `provider.NAME`\n"));
    assert!(list(&["--defects"]).contains("key_not_sent_to_provider  (key-carried)\n"));
    let lines = [list(&["--oracles"]), list(&["--sites"]), list(&["--defects"])].concat();
    for line in lines.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_planted_bug_is_caught_and_can_be_looked_at() {
    let folder = folder(&[]);
    let proved = misrule(folder.path(), &["prove", "key_not_sent_to_provider", "--menu", "core"]);
    let said = text(&proved.stdout);
    assert_eq!(proved.status.code(), Some(0), "{said}{}", text(&proved.stderr));
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("defect                    caught by      runs   after  smallest plan"), "{said}");
    assert!(lines[1].starts_with("key_not_sent_to_provider  key-carried       1  "), "{said}");
    assert!(lines[1].ends_with("  (none)"), "{said}");
    assert!(said.contains("1 of 1 caught; GiftGenius itself: nothing found in "), "{said}");
    for line in &lines {
        assert!(line.chars().count() <= 100 || line.contains(" replay "), "{line}");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join("target/misrule").join(name)).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&read("prove.json")).expect("JSON");
    let replay = report.pointer("/defects/0/caught/replay").and_then(serde_json::Value::as_str).expect("a line");
    assert!(read("prove.md").contains("| `key_not_sent_to_provider` |"));

    let words: Vec<_> = replay.split(' ').skip(1).collect();
    let shown = misrule(folder.path(), &words);
    assert_eq!(shown.status.code(), Some(1), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("broken: key-carried"));
    let without = misrule(folder.path(), &words[..2]);
    assert_eq!(without.status.code(), Some(0), "{}", text(&without.stdout));
}

#[test]
fn a_planted_bug_shows_on_the_wire_too() {
    let wired = GOOD.replacen(
        "[[script]]",
        "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\n\n[[script]]",
        1,
    );
    let folder = folder(&[("scenarios/x.toml", wired.as_bytes())]);
    let on_the_wire = |words: &[&str]| misrule(folder.path(), &[&["replay", "x", "--world", "wire"], words].concat());
    let broken = on_the_wire(&["--defect", "key_not_sent_to_provider"]);
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken.stderr));
    assert!(text(&broken.stdout).contains("broken: key-carried"));
    assert_eq!(on_the_wire(&[]).status.code(), Some(0));
    let door = on_the_wire(&["--defect", "opaque_error"]);
    assert_eq!(door.status.code(), Some(4), "a broken door cannot be wired there");
    assert!(text(&door.stderr).contains("the door is production's own"), "{}", text(&door.stderr));
}

#[test]
fn a_replayed_reply_names_the_request_that_used_its_key_first_and_a_planted_bug_stands_at_the_head() {
    let folder = folder(&[]);
    let plan = ["replay", "checkout/happy_path", "--plan", "inventory.commit#1: lost_reply"];
    let shown = |more: &[&str]| text(&misrule(folder.path(), &[&plan, more].concat()).stdout);
    let replayed = "200 (replayed: key of inventory.commit#1)";
    let head = "\n  planted bug: fresh_provider_key_on_each_attempt (";
    let well = shown(&[]);
    assert!(well.contains(replayed) && !well.contains("planted bug"), "{well}");
    let broken = shown(&["--defect", "fresh_provider_key_on_each_attempt"]);
    assert!(!broken.contains(replayed) && broken.contains(head), "{broken}");
    let key = |text: &str, site: &str| {
        let line = text.lines().find(|line| line.contains(site)).expect("the request").to_owned();
        line.split_whitespace().find(|word| word.starts_with("pkey_")).expect("its key").to_owned()
    };
    for (text, same) in [(&well, true), (&broken, false)] {
        assert_eq!(key(text, "inventory.commit#1 ") == key(text, "inventory.commit#2 "), same, "{text}");
    }
}

#[test]
fn a_fault_that_changes_nothing_makes_a_run_inconclusive() {
    let folder = folder(&[]);
    for (plan, profile, code) in [
        ("payment.charge#1: key_expired", "stripe", 3),
        ("payment.charge#1: in_flight", "stripe", 0),
        ("payment.charge#1: in_flight", "acp", 0),
        ("payment.charge#1: in_flight", "keyless", 3),
        ("payment.charge#1: lost_reply; payment.look_up#1: stale", "stripe", 0),
    ] {
        let output = misrule(folder.path(), &["replay", "checkout/happy_path", "--plan", plan, "--profile", profile]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{plan} under {profile}\n{said}");
        assert_eq!(said.contains("it would have changed nothing about this request"), code == 3, "{said}");
    }
}

/// Colours the rest of the line; clears the screen, as one character; turns what follows around.
const ACTING: &str = "\u{1b}[31m\u{9b}2J\u{202e}";

fn acts(letter: char) -> bool {
    letter != '\n' && (letter.is_control() || letter == '\u{202e}')
}

/// Whether nothing in an output acts on a terminal.
fn lies_still(output: &std::process::Output, words: &[&str]) -> String {
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    assert!(!said.contains(acts), "misrule {words:?}\n{said:?}");
    said
}

#[test]
fn no_command_lets_what_it_quotes_act_on_a_terminal() {
    let word = format!("x{ACTING}y");
    let id = format!("payment.charge#1: {word}");
    let (args, step) = (format!("type:/{word}:null"), format!("payment.charge@{word}#1: cut"));
    let folder = folder(&[]);
    let word = word.as_str();
    let commands: [&[&str]; 27] = [
        &[word],
        &["run", word],
        &["run", &format!("--{word}")],
        &["run", "--world", word],
        &["run", "--scenarios", word],
        &["run", "--fixtures", word],
        &["run", "--out", &format!("scenarios/checkout/happy_path.toml/{word}")],
        &["replay", word],
        &["replay", "checkout/happy_path", "--plan", &id],
        &["replay", "checkout/happy_path", "--plan", &step],
        &["replay", "checkout/happy_path", "--plan", word],
        &["replay", "checkout/happy_path", "--seed", word],
        &["replay", "checkout/happy_path", "--defect", word],
        &["explore", word],
        &["explore", "checkout/happy_path", "--sites", word],
        &["explore", "checkout/happy_path", "--faults", word],
        &["explore", "checkout/happy_path", "--shard", word],
        &["merge", word],
        &["prove", word],
        &["errors", word],
        &["malform", word],
        &["malform", "get_order", &args],
        &["providers", "--plan", &id],
        &["providers", "--webhooks", word],
        &["list", word],
        &["explain", word],
        &["schema", word],
    ];
    for words in commands {
        let output = misrule(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}\n{}", text(&output.stderr));
        let said = lies_still(&output, words);
        // clap leaves colours out of what it repeats.
        assert!(said.contains("\\u{9b}2J\\u{202e}"), "{words:?}\n{said}");
    }
}

#[test]
fn no_text_of_a_scenario_acts_on_a_terminal() {
    // Once as escapes, which a good file may hold, and once as themselves, where TOML takes them.
    let escaped = r"\u001b[31m\u009b2J\u202e";
    let titled = GOOD.replace("A sale", &format!("A {escaped} sale")).replace("goes well", &format!("goes {escaped}"));
    let excused = format!("{titled}\n[excused]\none-effect = \"because {escaped}\"\n\n[expect]\nanswer = \"failed\"\n");
    let folder = folder(&[
        ("scenarios/a/told.toml", excused.as_bytes()),
        ("mistaken/covers.toml", GOOD.replace("F4", &format!("F4{escaped}")).as_bytes()),
        ("mistaken/call.toml", GOOD.replace("\"create_order\"", &format!("\"create{escaped}\"")).as_bytes()),
        ("mistaken/fault.toml", format!("{GOOD}\n[faults]\n\"payment{escaped}\" = \"cut{escaped}\"\n").as_bytes()),
        ("mistaken/key.toml", format!("\"{escaped}\" = 1\n{GOOD}").as_bytes()),
        ("mistaken/raw.toml", GOOD.replace("A sale", &format!("A {ACTING} sale")).as_bytes()),
        ("mistaken/raw_unknown.toml", format!("titel = \"\u{9b}2J\u{202e}\"\n{GOOD}").as_bytes()),
        (
            "mistaken/long.toml",
            format!("{GOOD}{}", format!("\"{escaped}\" = 1 #").as_str()).replace('#', &"#".repeat(400)).as_bytes(),
        ),
        ("named/x\u{1b}[31m\u{9b}2J\u{202e}.toml", GOOD.as_bytes()),
    ]);
    let shown: [&[&str]; 4] = [
        &["replay", "a/told"],
        &["run", "a/told"],
        &["list"],
        &["explore", "a/told", "--depth", "1", "--menu", "core"],
    ];
    for words in shown {
        let said = lies_still(&misrule(folder.path(), words), words);
        assert!(said.contains("a/told"), "{words:?}\n{said}");
    }
    let left = fs::read_dir(folder.path().join("target/misrule/failures")).expect("what a finding left").flatten();
    let left: Vec<_> = left.map(|file| file.path()).collect();
    assert!(!left.is_empty());
    for file in left {
        let written = fs::read_to_string(&file).expect("a scenario");
        assert!(!written.contains(acts) && written.contains("\\u202e"), "{written}");
        let again = misrule(folder.path(), &["replay", file.to_str().expect("a path in UTF-8")]);
        assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    }
    let replayed = text(&misrule(folder.path(), &["replay", "a/told"]).stdout);
    assert_eq!(replayed.matches("\\u{1b}[31m\\u{9b}2J\\u{202e}").count(), 3, "title, lesson and excuse\n{replayed}");
    for name in ["covers", "call", "fault", "key", "raw", "raw_unknown", "long"] {
        let file = format!("mistaken/{name}.toml");
        for words in [&["replay", file.as_str()][..], &["run", &file], &["list", &file], &["explore", &file]] {
            let output = misrule(folder.path(), words);
            assert_eq!(output.status.code(), Some(2), "{words:?}");
            let said = lies_still(&output, words);
            assert!(said.contains("\\u{9b}2J\\u{202e}"), "{words:?}\n{said}");
        }
    }
    let output = misrule(folder.path(), &["run", "named"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(lies_still(&output, &["run", "named"]).contains("rename it"));
}
