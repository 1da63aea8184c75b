//! `misrule explain`: what a word in a report means, and what to do about it.

use std::fmt::Write as _;

use clap::Args;
use giftgenius::error::{Code, ErrorType, Next};
use giftgenius::policy::Policy;

use super::{Common, Console, Ended, Refusal, load, words};
use crate::fault::menu::{self, Breadth};
use crate::fault::parse::parse_fault;
use crate::fault::site::Place;
use crate::fault::{Fault, explain};
use crate::oracle::bounded::BOUNDED;
use crate::oracle::bounds::{self, Bounds};
use crate::provider::{OperationSpec, operations};
use crate::report::terminal::{width, wrap};
use crate::requirement::Built;
use crate::{defect, oracle, requirement, suggest};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Such as `one-effect`, `lost_reply`, `payment.charge`, `OUT_OF_STOCK`, `F7` or `parked`.
    word: String,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let word = arguments.word.trim();
    let mut found: Vec<String> = [
        oracle(word),
        fault(word),
        operation(word),
        place(word),
        code(word),
        defect(word),
        requirement(word, arguments, console),
        tool(word),
        term(word).filter(|_| place(word).is_none()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if found.is_empty() {
        found.extend(argument(word));
    }
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
        .chain(operations::ALL.iter().map(|operation| operation.label))
        .chain(Code::ALL.iter().map(|code| code.as_str()))
        .chain(requirement::ALL.iter().map(|requirement| requirement.id))
        .chain(defect::ALL.iter().map(|defect| defect.id))
        .chain(words::all().map(|word| word.name));
    let hint = suggest::nearest(word, known).map_or_else(
        || "`misrule list --oracles` and `misrule list --faults` show what there is".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("`{word}` is no oracle, fault, operation, error code, requirement, planted bug or term of a report; {hint}")
}

fn oracle(word: &str) -> Option<String> {
    let oracle = oracle::ALL.iter().find(|oracle| oracle.id == word)?;
    let mut out = head(oracle.id, "an oracle");
    paragraph(&mut out, oracle.rule);
    out.push('\n');
    paragraph(&mut out, oracle.explanation);
    out.push('\n');
    if oracle.id == BOUNDED.id {
        worst_case(&mut out);
        out.push('\n');
    }
    let proving: Vec<_> =
        defect::ALL.iter().filter(|defect| defect.caught_by == oracle.id).map(|defect| defect.id).collect();
    paragraph(&mut out, &format!("planted bugs that break it: {}", proving.join(", ")));
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
        let text = wrap(&part.what, width() - 10);
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
    let can = |place: &Place| possible(*place).contains(&fault.name);
    let places: Vec<_> = Place::all().filter(can).map(Place::label).collect();
    let operations = Place::all().filter(|place| place.operation().is_some() && can(place)).count();
    let places = if places.is_empty() {
        "every provider, as `provider.NAME`".to_owned()
    } else if operations == operations::ALL.len() {
        let others: Vec<_> = places[operations..].iter().map(|place| format!(", {place}")).collect();
        format!("every operation{}", others.concat())
    } else {
        places.join(", ")
    };
    paragraph(&mut out, &format!("possible at: {places}"));
    if ["missing_field", "wrong_type"].contains(&fault.name) {
        for operation in operations::ALL {
            paragraph(&mut out, &format!("fields of {}: {}", operation.label, fields(operation)));
        }
    }
    Some(out)
}

fn fields(operation: &OperationSpec) -> String {
    let fields: Vec<_> = operation.reply_fields.iter().map(|field| field.trim_start_matches('/')).collect();
    fields.join(", ")
}

fn operation(word: &str) -> Option<String> {
    let operation = operations::by_label(word)?;
    let mut out = head(operation.label, &format!("an operation of the {} provider", operation.provider.name()));
    paragraph(&mut out, if operation.effectful { "it changes the provider's books" } else { "it only reads" });
    paragraph(&mut out, &format!("possible faults: {}", possible(operation.into()).join(", ")));
    paragraph(&mut out, &format!("fields for missing_field and wrong_type: {}", fields(operation)));
    paragraph(&mut out, &format!("its second request: `{word}#2`; the first for step 3 of a script: `{word}@3#1`"));
    Some(out)
}

fn tool(word: &str) -> Option<String> {
    let tool = giftgenius::tools::table().iter().find(|tool| tool.spec.name == word)?;
    let mut out = head(word, "a tool of GiftGenius");
    paragraph(&mut out, tool.spec.description);
    Some(out)
}

/// A place that no request arrives at, with what can go wrong there.
fn place(word: &str) -> Option<String> {
    let place = Place::OWN.into_iter().find(|place| place.label() == word)?;
    let mut out = term(word)?;
    paragraph(&mut out, &format!("possible faults: {}", possible(place).join(", ")));
    Some(out)
}

/// The faults that a place can have: those of its menus, and those that only a plan names.
fn possible(place: Place) -> Vec<&'static str> {
    let on_a_menu = Breadth::ALL.into_iter().flat_map(|breadth| breadth.at(place)).map(Fault::name);
    let planned = explain::ALL.iter().filter(|fault| {
        let example = fault.example.split_once(": ").and_then(|(_, example)| parse_fault(example).ok());
        example.is_some_and(|example| menu::validate(place, &example).is_ok())
    });
    let mut faults: Vec<&str> = Vec::new();
    for fault in on_a_menu.chain(planned.map(|fault| fault.name)) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// A word that faults take as an argument: `fraction`, `bom`, `retry_after`.
fn argument(word: &str) -> Option<String> {
    const EXAMPLES_MAX: usize = 4;
    let takes = |fault: &str| {
        let arguments = fault.split_once('(').map_or("", |(_, arguments)| arguments);
        arguments.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|part| part == word)
    };
    if !word.contains(|letter: char| letter.is_ascii_alphabetic()) {
        return None;
    }
    let over_time = menu::over_time(Breadth::All).iter().map(ToString::to_string);
    let on_a_menu = Place::all().flat_map(menu::all).map(ToString::to_string);
    let examples = explain::ALL.iter().filter_map(|fault| Some(fault.example.split_once(": ")?.1.to_owned()));
    let mut found: Vec<(&str, String)> = Vec::new();
    for written in over_time.chain(on_a_menu).chain(examples).filter(|fault| takes(fault)) {
        let name = written.split('(').next().unwrap_or_default();
        let Some(fault) = explain::by_name(name) else { continue };
        if found.len() < EXAMPLES_MAX && found.iter().all(|(known, _)| *known != fault.name) {
            found.push((fault.name, written));
        }
    }
    if found.is_empty() {
        return None;
    }
    let mut out = head(word, "an argument of faults");
    for (name, written) in found {
        paragraph(&mut out, &format!("written: {written}"));
        paragraph(&mut out, explain::by_name(name).map_or("", |fault| fault.text));
    }
    Some(out)
}

/// A term that reports use.
fn term(word: &str) -> Option<String> {
    let word = words::by_name(word)?;
    let mut out = head(word.name, word.kind);
    paragraph(&mut out, word.text);
    Some(out)
}

fn code(word: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(word))?;
    let kind = match code.kind() {
        ErrorType::Technical => "technical: a provider, the network or the server failed or is switched off",
        ErrorType::Logical => "logical: the call itself was wrong",
        ErrorType::Business => "business: nothing is broken, the shop says no",
        ErrorType::Interrupted => "interrupted: somebody called it off",
    };
    let mut out = head(code.as_str(), "an error code");
    paragraph(&mut out, kind);
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

fn defect(word: &str) -> Option<String> {
    let defect = defect::by_id(word)?;
    let mut out = head(defect.id, "a planted bug");
    paragraph(&mut out, defect.about);
    paragraph(&mut out, &format!("breaks the rule of: {}", defect.caught_by));
    let scenarios: Vec<_> = defect.hunted_on.iter().map(|hunt| hunt.scenario).collect();
    paragraph(&mut out, &format!("hunted on: {}", scenarios.join(", ")));
    if defect::FATAL.iter().any(|fatal| fatal.id == defect.id) {
        paragraph(&mut out, "it ends misrule, with exit code 4; only a proof that names it hunts it");
    }
    paragraph(&mut out, &format!("`misrule prove {word}` hunts it"));
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
        Next::NavigateFirst => "user_navigated_to_step, if the person wants to be at another step",
        Next::GiveUp => "nothing more by a tool",
    }
}

fn requirement(word: &str, arguments: &Arguments, console: &Console<'_>) -> Option<String> {
    let requirement = requirement::ALL.iter().find(|known| known.id.eq_ignore_ascii_case(word))?;
    let mut out = head(requirement.id, "a requirement");
    paragraph(&mut out, requirement.text);
    match requirement.built {
        Built::Whole => {}
        Built::Without(missing) => paragraph(&mut out, &format!("not built yet: {missing}")),
        Built::Nothing => paragraph(&mut out, "not built yet"),
    }
    let judged: Vec<_> = oracle::ALL
        .iter()
        .filter(|oracle| oracle.requirements.contains(&requirement.id))
        .map(|oracle| oracle.id)
        .collect();
    if !judged.is_empty() {
        paragraph(&mut out, &format!("judged by: {}", judged.join(", ")));
    }
    let mut covered = false;
    // Unreadable scenarios are reported elsewhere.
    if let Ok((scenarios, _)) = load::readable(&arguments.common, &[], console.colour_err) {
        let covering: Vec<_> = scenarios
            .iter()
            .filter(|scenario| scenario.covers.iter().any(|id| id == requirement.id))
            .map(|scenario| &*scenario.name)
            .collect();
        covered = !covering.is_empty();
        if covered {
            paragraph(&mut out, &format!("covered by: {}", covering.join(", ")));
        }
    }
    if judged.is_empty() && !covered && requirement.built != Built::Nothing {
        paragraph(&mut out, "no oracle judges it and no scenario covers it");
    }
    Some(out)
}

fn head(name: &str, what: &str) -> String {
    format!("{name}  ({what})\n")
}

fn paragraph(out: &mut String, text: &str) {
    for line in wrap(text, width() - 2).lines() {
        writeln!(out, "  {line}").expect("writing to a string does not fail");
    }
}
