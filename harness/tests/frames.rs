//! Raw frames to the real system, through the real binary: all are answered as is owed, and a system on stdio that
//! answers otherwise is found, however it does.

mod support;

use misrule::report::document::Word;
use serde_json::Value;
use support::{folder, misrule, text};

#[test]
fn every_frame_is_answered_as_is_owed_on_both_transports_and_mended_where_a_message_can() {
    let folder = folder(&[]);
    let output = misrule(folder.path(), &["errors", "--world", "wire", "--json"]);
    let said = text(&output.stdout);
    let errors: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (sent, frames) = (&errors["sent"], &errors["frames"]);
    assert!(sent == frames && frames.as_u64().is_some_and(|frames| frames > 200), "{sent} {frames}");
    let rows = errors["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["class"] == "envelope"), "{rows:#?}");
    let mended = |row: &Value| row["intent_kept"] == row["mendable"] && row["mendable"].as_u64() >= Some(4);
    assert!(rows.len() == 9 && rows.iter().all(mended), "{rows:#?}");
    let beyond = errors["beyond"].to_string();
    for frame in ["truncated", "invalid_utf8", "ten_megabytes", "ten_thousand_deep", "batch", "duplicate_keys"] {
        assert!(beyond.contains(&format!("create_order envelope::{frame}")), "{frame}: {beyond}");
    }
}

#[test]
fn without_the_wire_no_frame_is_sent() {
    let folder = folder(&[]);
    let output = misrule(folder.path(), &["errors", "get_order", "--world", "sim", "--json"]);
    let errors: Value = serde_json::from_slice(&output.stdout).expect("the document");
    assert_eq!((output.status.code(), &errors["frames"]), (Some(0), &Value::from(0)));
    assert!(errors["sent"].as_u64() > Some(20), "{errors}");
    assert!(errors["rows"].as_array().expect("rows").iter().all(|row| row["class"] != "envelope"));
}

#[test]
fn a_frame_is_shown_over_both_transports_with_what_it_is_owed() {
    let folder = folder(&[]);
    let shown = |label: &str| {
        let output = misrule(folder.path(), &["malform", "get_payment_methods", label]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    insta::assert_snapshot!([shown("envelope::truncated"), shown("envelope::empty")].join("\n"));
    let mended = shown("envelope::encoded_twice");
    assert_eq!(mended.matches("mended in 1 turn").count(), 2, "{mended}");
    let unknown = misrule(folder.path(), &["malform", "get_payment_methods", "envelope::upside_down"]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// Systems on stdio that answer otherwise than GiftGenius: its own answers, each passed through a line of shell.
#[cfg(unix)]
mod broken {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use misrule::fixable::{Errors, Measuring, Wire, measure};

    use super::*;

    /// What is found of a system whose every line on stdout, `$line`, is printed by this.
    fn measured(prints: &str) -> Errors {
        measured_within(prints, Duration::from_secs(60))
    }

    fn measured_within(prints: &str, answer_max: Duration) -> Errors {
        let folder = tempfile::tempdir().expect("a folder");
        let program: PathBuf = folder.path().join("system");
        let real = env!("CARGO_BIN_EXE_misrule");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = __giftgenius ] || exec '{real}' \"$@\"\n\
             say() {{ printf '%s\\n' \"$1\"; }}\n\
             '{real}' \"$@\" | while IFS= read -r line; do\n{prints}\ndone\n"
        );
        // Written by another process: while this one has it open for writing, whatever the other tests start meanwhile would
        // hold it open too, and nobody can execute it then.
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&program)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        writer.stdin.take().expect("it was piped").write_all(script.as_bytes()).expect("it reads");
        assert!(writer.wait().expect("it ends").success());
        let wire = Wire { program, answer_max };
        let tools = vec![String::from("get_payment_methods")];
        measure(&Measuring { tools, wire: Some(wire), frames_only: true, ..Measuring::default() }).expect("it runs")
    }

    /// What is told of a frame, over stdio; over HTTP everything is well.
    fn told(errors: &Errors, frame: &str) -> String {
        assert_eq!(errors.verdict, Word::Broken);
        let worst = errors.worst.iter().find(|worst| worst.label == format!("envelope::{frame}"));
        let lacks = worst.unwrap_or_else(|| panic!("{frame} is not among {:#?}", errors.worst)).lacks.clone();
        assert!(lacks.contains("over stdio: ") && !lacks.contains("HTTP"), "{lacks}");
        lacks
    }

    #[test]
    fn a_system_that_answers_as_giftgenius_does_is_accused_of_nothing() {
        let errors = measured("say \"$line\"");
        assert_eq!((errors.verdict, errors.answered_otherwise), (Word::Ok, 0), "{errors:#?}");
    }

    #[test]
    fn silence_is_found() {
        // It is waited for again and again. Whether others are answered in that time is a matter of the machine's load.
        let errors = measured_within(r#"case "$line" in *-32700*) ;; *) say "$line" ;; esac"#, Duration::from_secs(3));
        assert!(told(&errors, "truncated").contains("no answer came"));
    }

    #[test]
    fn another_code_another_id_and_another_channel_are_found() {
        let errors = measured(
            r#"case "$line" in
            *-32600*) say "${line%%-32600*}-32603${line#*-32600}" ;;
            *-32601*) say '{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}' ;;
            *INVALID_ARGUMENTS*)
                id=${line#*\"id\":}
                say "{\"jsonrpc\":\"2.0\",\"id\":${id%%,*},\"error\":{\"code\":-32602,\"message\":\"no\"}}" ;;
            *) say "$line" ;;
            esac"#,
        );
        assert!(told(&errors, "batch").contains("should be -32600 (invalid request); it was answered `-32603"));
        assert!(told(&errors, "unknown_method").contains("carries the id null, not "));
        assert!(told(&errors, "arguments_as_number").contains("should be refused as invalid; it was answered `-32602"));
    }

    #[test]
    fn an_answer_too_many_is_found() {
        let errors = measured(r#"case "$line" in *-32700*) say "$line" ;; esac; say "$line""#);
        assert!(told(&errors, "not_json").contains("it was answered once too often"));
    }

    #[test]
    fn a_system_that_dies_of_frames_is_found_and_started_again_a_few_times() {
        let errors = measured(r#"case "$line" in *-32700*) kill -9 $$; exit ;; esac; say "$line""#);
        let lacks = told(&errors, "truncated");
        assert!(lacks.contains("the system was gone before it answered"), "{lacks}");
        assert!(lacks.contains("a plain call after it is not served"), "{lacks}");
        assert!(errors.worst.iter().any(|worst| worst.lacks.contains("it was not sent")), "{:#?}", errors.worst);
    }
}
