//! `error-fixable`: a call in which a mistake was made is refused, and mended from the error alone.

use serde_json::Value;

use super::evidence::{CallView, Evidence};
use super::{Findings, Oracle, Verdict};
use crate::malform::{Class, Published, Remedy, pointer};
use crate::repair::{TURNS_MAX, error};
use crate::trace::{HostReply, Malformed};

/// The rule.
pub static ERROR_FIXABLE: Oracle = Oracle {
    id: "error-fixable",
    rule: "Arguments that the published schema does not take are refused as invalid, with every violation told at once \
           and an example that the schema takes; from that error alone an agent mends the call within three turns, and \
           the call that succeeds says what was meant. An identifier that is none, however near to one, is refused.",
    explanation: "A model reads the error and tries again; what the error does not say it guesses, and pays with turns, \
                  with a wrong order or with giving up. Judged where a plan malforms a call (`host.call#1: \
                  malformed(…)`): the agent knows the tool's schema and the error's own words and is never clever, so \
                  what it cannot mend is missing in the message. What no message could tell (an identifier that is \
                  gone) is not held against it, nor a call that fails for another reason than its arguments. \
                  `misrule errors` measures the same for every tool and every mistake.",
    requirements: &["F11", "F12"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ERROR_FIXABLE.id);
    for (place, call) in evidence.calls.iter().enumerate() {
        let Some(mistake) = call.started.malformed.as_deref().filter(|mistake| mistake.turn == 0) else { continue };
        let turns: Vec<&CallView<'_>> = std::iter::once(call)
            .chain(evidence.calls[place + 1..].iter().filter(|later| {
                let mends = later.started.malformed.as_deref();
                later.started.step == call.started.step
                    && mends.is_some_and(|mends| mends.turn > 0 && mends.label == mistake.label)
            }))
            .collect();
        let names_something = sent_id(mistake, call).is_some_and(|id| is_there(evidence, id));
        let answered = turns.first().is_some_and(|first| taken_for_right(mistake, first)) && !names_something;
        let near = answered.then(|| String::from("what it names is not there, and it was answered as if it were"));
        for wrong in wrong(mistake, &turns).into_iter().chain(near) {
            let message = format!("{} of script step {}, {}: {wrong}", mistake.tool, call.started.step, mistake.label);
            let events = turns.iter().flat_map(|turn| [Some(turn.start_event), turn.end.map(|(end, _)| end)]);
            findings.add(message, events.flatten());
        }
    }
    findings.verdict()
}

/// Whether an identifier that is none was answered as if it were one.
fn taken_for_right(mistake: &Malformed, first: &CallView<'_>) -> bool {
    mistake.label.class == Class::Identifier && matches!(first.reply, Some(HostReply::Tool { is_error: false, .. }))
}

/// The identifier that was sent in place of the right one.
fn sent_id<'a>(mistake: &Malformed, call: &CallView<'a>) -> Option<&'a str> {
    call.started.arguments.pointer(&mistake.label.pointer)?.as_str()
}

/// Whether the run has something of that name: what is nearly one identifier may be another.
fn is_there(evidence: &Evidence<'_>, id: &str) -> bool {
    evidence.orders.iter().any(|order| order.id == id)
        || evidence.sessions.iter().any(|session| session.id == id)
        || evidence.calls.iter().any(|call| call.workflow == Some(id))
}

/// What is wrong with how a mistake was answered and mended.
fn wrong(mistake: &Malformed, turns: &[&CallView<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(schema) = schema_of(&mistake.tool) else { return wrong };
    let published = Published::new(&mistake.tool, schema);
    for turn in turns {
        let invalid = !published.takes(&turn.started.arguments);
        if invalid && matches!(turn.reply, Some(HostReply::Tool { is_error: false, .. })) {
            wrong.push(String::from("arguments that the published schema does not take were accepted"));
        }
        let example = error_of(turn).and_then(|error| error.example);
        if let Some(example) = example.filter(|example| !published.takes(example)) {
            wrong.push(format!("the error's example is not valid itself: {example}"));
        }
    }
    if let [first, later @ ..] = turns {
        wrong.extend(later.iter().find_map(|later| told_late(first, later)));
    }
    wrong.extend(unmended(mistake, turns));
    wrong
}

/// Something that was wrong from the beginning and was told only later.
fn told_late(first: &CallView<'_>, later: &CallView<'_>) -> Option<String> {
    let (before, after) = (error_of(first)?, error_of(later)?);
    let untold = after.violations.into_iter().find(|violation| {
        let same =
            first.started.arguments.pointer(&violation.field) == later.started.arguments.pointer(&violation.field);
        same && before.violations.iter().all(|told| told.field != violation.field)
    })?;
    Some(format!("{} was wrong from the beginning, and was told only when the call was made again", untold.field))
}

/// How the call was not mended, where it could have been.
fn unmended(mistake: &Malformed, turns: &[&CallView<'_>]) -> Option<String> {
    let last = turns.last()?;
    if !matches!(mistake.remedy, Remedy::Restored | Remedy::Replaced(_)) {
        return None;
    }
    match last.reply? {
        HostReply::Tool { is_error: false, .. } if turns.len() == 1 => None,
        HostReply::Tool { is_error: false, .. } => {
            let meant = *last.started.tool == *mistake.tool
                && same_but_for(&mistake.meant, &last.started.arguments, &mistake.remedy);
            (!meant).then(|| {
                format!(
                    "the call that succeeded in its place is not the one that was meant: {}",
                    last.started.arguments
                )
            })
        }
        HostReply::Tool { structured, .. } => {
            // The arguments were understood: what else went wrong is for other rules.
            let code = structured.pointer("/error/code").and_then(Value::as_str);
            let about_arguments = code.is_none_or(|code| code == "INVALID_ARGUMENTS" || code.ends_with("NOT_FOUND"));
            about_arguments.then(|| {
                let message = structured.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
                let said: String = message.chars().take(200).collect();
                format!("no call could be made of the error within {TURNS_MAX} turns; the last one said: {said}")
            })
        }
        HostReply::Protocol { message, .. } => Some(format!("no tool could be found from the error `{message}`")),
        HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => None,
    }
}

fn same_but_for(meant: &Value, sent: &Value, remedy: &Remedy) -> bool {
    let (mut meant, mut sent) = (meant.clone(), sent.clone());
    if let Remedy::Replaced(places) = remedy {
        for place in places.iter().rev() {
            pointer::remove(&mut meant, place);
            pointer::remove(&mut sent, place);
        }
    }
    meant == sent
}

fn error_of(call: &CallView<'_>) -> Option<error::Told> {
    match call.reply? {
        HostReply::Tool { structured, is_error: true } => error::read(structured),
        _ => None,
    }
}

fn schema_of(tool: &str) -> Option<&'static Value> {
    giftgenius::tools::table().iter().find(|known| known.spec.name == tool).map(|known| &*known.spec.input_schema)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::oracle::testing::Run;
    use crate::trace::EventKind;

    const LABEL: &str = "type:/items/0/quantity:stringified";

    fn meant() -> Value {
        json!({"items": [{"sku": "tea-set", "quantity": 2}], "currency": "EUR"})
    }

    /// A turn of a call that should have been [`meant`], answered so.
    fn turn(run: &mut Run, turn: u32, sent: Value, answer: Result<(), Value>) {
        let call = run.call("create_checkout_session", sent);
        let mut events = run.record.trace.events.iter_mut().rev();
        let started = events
            .find_map(|event| match &mut event.kind {
                EventKind::CallStarted(started) => Some(started),
                _ => None,
            })
            .expect("a call was begun");
        started.step = 1;
        started.malformed = Some(Arc::new(Malformed {
            label: LABEL.parse().expect("a label"),
            tool: "create_checkout_session".into(),
            meant: meant().into(),
            remedy: Remedy::Restored,
            turn,
        }));
        match answer {
            Ok(()) => run.answer(call, json!({"checkout_session_id": "cs_1"})),
            Err(error) => run.fail(call, json!({ "error": error })),
        }
    }

    fn quoted() -> Value {
        json!({"items": [{"sku": "tea-set", "quantity": "2"}], "currency": "EUR"})
    }

    fn refused(field: &str) -> Value {
        json!({
            "code": "INVALID_ARGUMENTS", "message": "not valid",
            "violations": [{"field": field, "error_type": "stringified", "expected": "an integer"}],
            "example": {"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"},
        })
    }

    #[test]
    fn a_call_that_is_mended_to_what_was_meant_is_well() {
        let mut run = Run::new();
        turn(&mut run, 0, quoted(), Err(refused("/items/0/quantity")));
        turn(&mut run, 1, meant(), Ok(()));
        run.kept(&ERROR_FIXABLE);
    }

    #[test]
    fn a_call_that_is_mended_to_something_else_is_told() {
        let mut run = Run::new();
        turn(&mut run, 0, quoted(), Err(refused("/items/0/quantity")));
        turn(&mut run, 1, json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"}), Ok(()));
        assert!(run.broken(&ERROR_FIXABLE).contains("not the one that was meant"));
    }

    #[test]
    fn a_call_that_is_never_mended_is_told_unless_it_fails_for_another_reason() {
        let mut run = Run::new();
        turn(&mut run, 0, quoted(), Err(refused("/currency")));
        assert!(run.broken(&ERROR_FIXABLE).contains("no call could be made of the error"));
        let mut run = Run::new();
        turn(&mut run, 0, quoted(), Err(refused("/items/0/quantity")));
        turn(&mut run, 1, meant(), Err(json!({"code": "OUT_OF_STOCK", "message": "out of stock"})));
        run.kept(&ERROR_FIXABLE);
    }

    #[test]
    fn arguments_that_the_schema_does_not_take_are_not_to_be_accepted() {
        let mut run = Run::new();
        turn(&mut run, 0, quoted(), Ok(()));
        assert!(run.broken(&ERROR_FIXABLE).contains("were accepted"));
    }

    #[test]
    fn an_example_that_is_not_valid_is_told() {
        let mut run = Run::new();
        let mut error = refused("/items/0/quantity");
        error["example"] = json!({"items": []});
        turn(&mut run, 0, quoted(), Err(error));
        turn(&mut run, 1, meant(), Ok(()));
        assert!(run.broken(&ERROR_FIXABLE).contains("example is not valid"));
    }

    #[test]
    fn what_was_wrong_from_the_beginning_is_to_be_told_at_once() {
        let mut run = Run::new();
        let sent = json!({"items": [{"sku": "tea-set", "quantity": "2"}], "currency": "eur"});
        turn(&mut run, 0, sent, Err(refused("/items/0/quantity")));
        let second = json!({"items": [{"sku": "tea-set", "quantity": 2}], "currency": "eur"});
        turn(&mut run, 1, second, Err(refused("/currency")));
        assert!(run.broken(&ERROR_FIXABLE).contains("/currency was wrong from the beginning"));
    }
}
