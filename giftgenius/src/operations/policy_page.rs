//! What `giftgenius policy` prints: the rules by which this server decides, as it holds them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::answers::{Answer, CLASSES, Stage, answers};
use crate::error::{Code, ErrorType};
use crate::loops;
use crate::policy::Policy;
use crate::workflow::{EVERYWHERE, Step};

const TAKES_ALL: &str = "a String takes everything";

/// The whole page for people, up to 100 columns wide.
pub fn text(policy: &Policy) -> String {
    let mut out = String::new();
    failures(&mut out);
    steps(&mut out);
    numbers(&mut out, policy);
    codes(&mut out);
    out
}

/// The same for programs.
pub fn json(policy: &Policy) -> Value {
    let failures: Vec<Value> = Stage::ALL
        .iter()
        .flat_map(|stage| {
            CLASSES.iter().map(|class| {
                let answers: Vec<_> = answers(*stage, *class).iter().map(|answer| answer.words()).collect();
                json!({"stage": stage.words(), "class": class, "answers": answers})
            })
        })
        .collect();
    let steps: Vec<Value> = Step::ALL.iter().map(|step| json!({"step": step, "tools": step.tools()})).collect();
    let codes: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({"code": code, "type": code.kind(), "retryable": code.retryable(), "next": code.next(),
                "user_message": code.sentence()})
        })
        .collect();
    json!({"failures": failures, "steps": steps, "at_every_step": EVERYWHERE, "numbers": policy, "codes": codes})
}

const fn heading(class: ErrorType) -> &'static str {
    match class {
        ErrorType::Technical => "technical",
        ErrorType::Logical => "logical",
        ErrorType::Business => "business",
        ErrorType::Interrupted => "interrupted",
    }
}

fn failures(out: &mut String) {
    let mut line = |first: &str, cells: [String; 4]| {
        let [technical, logical, business, interrupted] = cells;
        let line = format!("  {first:<18}  {technical:<22}  {logical:<18}  {business:<18}  {interrupted}");
        writeln!(out, "{}", line.trim_end()).expect(TAKES_ALL);
    };
    line("when it fails to", CLASSES.map(|class| heading(class).to_owned()));
    for stage in Stage::ALL {
        // Two lines a stage where a cell holds more than one line takes.
        let cells =
            CLASSES.map(|class| wrapped(&answers(stage, class).iter().map(|one| one.words()).collect::<Vec<_>>()));
        line(stage.words(), cells.clone().map(|(first, _)| first));
        if cells.iter().any(|(_, second)| !second.is_empty()) {
            line("", cells.map(|(_, second)| second));
        }
    }
    writeln!(out).expect(TAKES_ALL);
    for answer in Answer::ALL.iter().filter(|answer| **answer != Answer::Never) {
        writeln!(out, "  {:<18}  {}", answer.words(), answer.meaning()).expect(TAKES_ALL);
    }
}

/// The answers on one line, or from the second of three on, or where they are long, on two.
fn wrapped(answers: &[&str]) -> (String, String) {
    const WIDTH: usize = 18;
    let whole = answers.join(", ");
    if whole.chars().count() <= WIDTH {
        return (whole, String::new());
    }
    let (first, rest) = answers.split_at(answers.len().div_ceil(2).max(1));
    let comma = if rest.is_empty() { "" } else { "," };
    (format!("{}{comma}", first.join(", ")), rest.join(", "))
}

fn steps(out: &mut String) {
    writeln!(out, "\nat the step          these tools move the purchase on").expect(TAKES_ALL);
    for step in Step::ALL {
        writeln!(out, "  {:<21} {}", step.as_str(), step.tools().join(", ")).expect(TAKES_ALL);
    }
    writeln!(out, "  {:<21} {}", "(every step)", EVERYWHERE[..3].join(", ")).expect(TAKES_ALL);
    writeln!(out, "  {:<21} {}", "", EVERYWHERE[3..].join(", ")).expect(TAKES_ALL);
}

fn numbers(out: &mut String, policy: &Policy) {
    let retry = &policy.retry;
    let lines = [
        ("a tool call answers within", format!("{:?}", policy.tool_deadline)),
        (
            "a provider is asked",
            format!(
                "{} times of {:?} at most, after min({:?}·2^(n−1), {:?}), jitter up to {:?}",
                retry.attempts_max, retry.attempt_timeout, retry.delay_base, retry.delay_cap, retry.jitter_max
            ),
        ),
        (
            "in the background",
            format!(
                "{} rounds, at most {:?} apart, then parked",
                policy.background.attempts_max, policy.background.delay_cap
            ),
        ),
        (
            "retries beyond calls",
            format!("{} %, at least {}, a provider", policy.budget.retries_percent, policy.budget.retries_min),
        ),
        ("a quote holds", format!("{:?}; stock is reserved for {:?}", policy.quote_ttl, policy.reservation_ttl)),
        ("a key is kept", format!("{:?}; an owner may be silent for {:?}", policy.entry_retention, policy.lease)),
        (
            "sessions, workflows",
            format!(
                "are kept for {} days, longer while an order is open or parked",
                policy.retention.as_secs() / 86_400
            ),
        ),
        ("a charge can be late by", format!("{:?}, as the payment provider declares", policy.late_max)),
        ("an event is answered", format!("within {:?}, whatever becomes of it", policy.webhooks.answer_within)),
        (
            "a user may make",
            format!(
                "{} calls within {:?}, and have {} prices open",
                policy.users.calls_max, policy.users.calls_window, policy.users.sessions_max
            ),
        ),
        (
            "over HTTP",
            format!(
                "{} connections of known clients, {} of others",
                policy.http.connections_max, policy.http.strangers_max
            ),
        ),
        (
            "a client may take",
            format!(
                "{:?} over headers and silence, {:?} to take of its answer",
                policy.http.headers_timeout, policy.http.write_timeout
            ),
        ),
        (
            "without a known token",
            format!(
                "{} refusals a minute at once, further ones after {:?}",
                policy.http.refusals_at_once, policy.http.refusal_delay
            ),
        ),
        (
            "a loop ends",
            format!("after {} identical calls that failed for good within {:?}", loops::FAILURES_MAX, loops::WINDOW),
        ),
    ];
    writeln!(out, "\nnumbers").expect(TAKES_ALL);
    for (name, value) in lines {
        writeln!(out, "  {name:<24} {value}").expect(TAKES_ALL);
    }
}

fn codes(out: &mut String) {
    writeln!(out, "\ncodes, and what the person is told").expect(TAKES_ALL);
    for code in Code::ALL {
        let retryable = if code.retryable() { "retryable" } else { "final" };
        writeln!(out, "  {:<30} {:<11} {retryable}\n    {}", code.as_str(), heading(code.kind()), code.sentence())
            .expect(TAKES_ALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_every_rule() {
        insta::assert_snapshot!(text(&Policy::default()));
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_but_for_sentences() {
        for line in text(&Policy::default()).lines().filter(|line| !line.starts_with("    ")) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn programs_get_the_same() {
        let page = json(&Policy::default());
        assert_eq!(page["failures"].as_array().unwrap().len(), Stage::ALL.len() * CLASSES.len());
        assert_eq!(page["codes"].as_array().unwrap().len(), Code::ALL.len());
        assert_eq!(page["numbers"]["tool_deadline"]["secs"], 25);
    }
}
