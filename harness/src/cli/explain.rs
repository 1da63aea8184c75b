//! `misrule explain`: what a word in a report means, and what to do about it.

use std::fmt::Write as _;

use clap::Args;
use giftgenius::error::{Code, ErrorType, Next};
use giftgenius::policy::Policy;

use super::{Common, Console, Ended, Refusal, load};
use crate::fault::{explain, menu};
use crate::oracle::bounded::BOUNDED;
use crate::oracle::bounds::{self, Bounds};
use crate::provider::operations;
use crate::report::terminal::{WIDTH, wrap};
use crate::{oracle, requirement, suggest};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// An oracle (`one-effect`), a fault (`lost_reply`), an error code (`OUT_OF_STOCK`) or a requirement (`F7`).
    word: String,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let word = arguments.word.trim();
    let found: Vec<String> =
        [oracle(word), fault(word), code(word), requirement(word, arguments, console)].into_iter().flatten().collect();
    if found.is_empty() {
        return Err(Refusal::unusable(&unknown(word)));
    }
    console.say(&found.join("\n"));
    Ok(0)
}

fn unknown(word: &str) -> String {
    let known = oracle::ALL
        .iter()
        .map(|oracle| oracle.id)
        .chain(explain::ALL.iter().map(|fault| fault.name))
        .chain(Code::ALL.iter().map(|code| code.as_str()))
        .chain(requirement::ALL.iter().map(|requirement| requirement.id));
    let hint = suggest::nearest(word, known).map_or_else(
        || "`misrule list --oracles` and `misrule list --faults` show what there is".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("`{word}` is no oracle, fault, error code or requirement; {hint}")
}

fn oracle(word: &str) -> Option<String> {
    let oracle = oracle::ALL.iter().find(|oracle| oracle.id == word)?;
    let mut out = head(oracle.id, "an oracle");
    paragraph(&mut out, oracle.rule);
    paragraph(&mut out, oracle.explanation);
    if oracle.id == BOUNDED.id {
        worst_case(&mut out);
    }
    for id in oracle.requirements {
        let text = requirement::by_id(id).map_or("", |requirement| requirement.text);
        paragraph(&mut out, &format!("judges {id}: {text}"));
    }
    Some(out)
}

/// The worst case of provider calls per intent (F3), with what it is made of.
fn worst_case(out: &mut String) {
    let policy = Policy::default();
    paragraph(
        out,
        &format!(
            "worst case under the default policy: {} provider calls per intent, from the quote to the end of its \
             order, the undo of everything included; a sale that failed cleanly and is tried again costs as many once \
             more",
            Bounds::of(&policy).per_intent
        ),
    );
    for part in bounds::parts(&policy) {
        let text = wrap(&part.what, WIDTH - 10);
        let mut lines = text.lines();
        writeln!(out, "    {:>4}  {}", part.requests, lines.next().unwrap_or_default())
            .expect("writing to a string does not fail");
        for line in lines {
            writeln!(out, "          {line}").expect("writing to a string does not fail");
        }
    }
}

fn fault(word: &str) -> Option<String> {
    let fault = explain::by_name(word)?;
    let mut out = head(fault.name, &format!("a fault, {}", fault.moment.name()));
    paragraph(&mut out, fault.text);
    paragraph(&mut out, &format!("written: {}", fault.example));
    let places: Vec<_> = operations::ALL
        .iter()
        .filter(|operation| menu::full(operation).iter().any(|possible| possible.name() == fault.name))
        .map(|operation| operation.label)
        .collect();
    let places = if places.is_empty() { "every provider, as `provider.NAME`".to_owned() } else { places.join(", ") };
    paragraph(&mut out, &format!("possible at: {places}"));
    Some(out)
}

fn code(word: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(word))?;
    let kind = match code.kind() {
        ErrorType::Technical => "technical",
        ErrorType::Logical => "logical",
        ErrorType::Business => "business",
        ErrorType::Interrupted => "interrupted",
    };
    let mut out = head(code.as_str(), &format!("an error code, {kind}"));
    let retryable = if code.retryable() {
        "retryable: the identical call with the same key succeeds once the cause is gone"
    } else {
        "not retryable: the identical call fails again"
    };
    paragraph(&mut out, retryable);
    let next: Vec<_> = code.next().iter().copied().map(next).collect();
    paragraph(&mut out, &format!("next: {}", next.join(", or ")));
    paragraph(&mut out, &format!("the person is told: {}", code.sentence()));
    Some(out)
}

const fn next(next: Next) -> &'static str {
    match next {
        Next::SameKeyAgain => "the identical call again with the same key",
        Next::FixArguments => "the same call with its arguments mended",
        Next::AskGetOrder => "ask get_order about the order",
        Next::OtherCard => "another payment method, with a new key",
        Next::LowerAmount => "a cheaper gift",
        Next::OtherItem => "another item",
        Next::NewSession => "a new checkout session",
        Next::AskPerson => "ask the person",
        Next::GiveUp => "nothing more by a tool",
    }
}

fn requirement(word: &str, arguments: &Arguments, console: &Console<'_>) -> Option<String> {
    let requirement = requirement::ALL.iter().find(|known| known.id.eq_ignore_ascii_case(word))?;
    let mut out = head(requirement.id, "a requirement");
    paragraph(&mut out, requirement.text);
    let judged: Vec<_> = oracle::ALL
        .iter()
        .filter(|oracle| oracle.requirements.contains(&requirement.id))
        .map(|oracle| oracle.id)
        .collect();
    if !judged.is_empty() {
        paragraph(&mut out, &format!("judged by: {}", judged.join(", ")));
    }
    // Scenarios that cannot be read are somebody else's question.
    if let Ok((scenarios, _)) = load::readable(&arguments.common.scenarios, &[], console.colour_err) {
        let covering: Vec<_> = scenarios
            .iter()
            .filter(|scenario| scenario.covers.iter().any(|id| id == requirement.id))
            .map(|scenario| &*scenario.name)
            .collect();
        if !covering.is_empty() {
            paragraph(&mut out, &format!("covered by: {}", covering.join(", ")));
        }
    }
    Some(out)
}

fn head(name: &str, what: &str) -> String {
    format!("{name}  ({what})\n")
}

fn paragraph(out: &mut String, text: &str) {
    for line in wrap(text, WIDTH - 2).lines() {
        writeln!(out, "  {line}").expect("writing to a string does not fail");
    }
}
