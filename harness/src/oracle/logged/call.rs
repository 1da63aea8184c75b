//! The lines of one call: one when it begins, one when it is answered, and every field of both true.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::ids::WorkflowId;
use giftgenius::step_log::{Asked, LogLine, ServiceEvent, StepLine, StepStatus, UNKNOWN_TOOL};
use serde_json::Value;

use super::result::wrong_result;
use super::{OfCall, STEPS, WHOLE_SALE};
use crate::oracle::evidence::{CallView, Evidence};
use crate::oracle::told::ToldStatus;
use crate::oracle::{Findings, codes};
use crate::scenario::model::WorldKind;
use crate::trace::HostReply;

pub(super) fn judge(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    of_call: &OfCall<'_>,
    steps: &[u8],
    findings: &mut Findings,
) {
    let Some((end, _)) = call.end else { return };
    let is_error = match call.reply {
        Some(HostReply::Tool { is_error, .. }) => *is_error,
        // Nothing else is a protocol error of a call that is one.
        Some(HostReply::Protocol { .. }) if is_unknown(call) => true,
        _ => return,
    };
    let code = call.told.as_ref().and_then(|told| told.code).and_then(codes::parse);
    let wrong = match of_call.step {
        None if is_unknown(call) && is_held_off(evidence, call) => (!says_held_off(evidence)).then(|| {
            String::from(
                "left no line in the step log, and none says that calls of tools that there are not were held off",
            )
        }),
        None => Some(String::from("left no line in the step log")),
        Some(_) if of_call.steps > 1 => Some(format!("left {} lines of its answer", of_call.steps)),
        Some(_) if of_call.begun != 1 => Some(format!("left {} lines when it began", of_call.begun)),
        Some(line) => wrong_step(call, line, is_error, code)
            .or_else(|| wrong_measure(evidence, call, line, code))
            .or_else(|| wrong_found(line, call.said.found)),
    };
    let wrong = wrong.or_else(|| {
        let told = call.told.as_ref().filter(|_| call.is("create_order"))?;
        wrong_result(evidence, call, told, code, of_call)
    });
    let wrong = wrong.or_else(|| {
        let told = call.told.as_ref().filter(|_| call.is("create_order"))?;
        let order = call.order.filter(|_| told.status == ToldStatus::Success)?;
        let missing = WHOLE_SALE & !steps[order];
        let (step, _) = STEPS.iter().find(|(_, bit)| missing & bit != 0)?;
        Some(format!(
            "told `success` for order {}, but the log has no line of a successful {step}",
            evidence.orders[order].id
        ))
    });
    if let Some(wrong) = wrong {
        let message = format!("{} of script step {} {wrong}", call.started.tool, call.started.step);
        findings.add(message, [call.start_event, end].into_iter().chain(of_call.event));
    }
}

/// Whether a line is of a call's own step: its tool, or the one step of all that models make up.
pub(super) fn is_of_its_tool(step: &str, call: &CallView<'_>) -> bool {
    if step == UNKNOWN_TOOL { is_unknown(call) } else { *step == *call.started.tool }
}

/// Whether a call is of a tool that there is not.
fn is_unknown(call: &CallView<'_>) -> bool {
    giftgenius::tools::table().iter().all(|tool| *tool.spec.name != *call.started.tool)
}

/// Whether a call's user may have made as many calls before it as are taken within the window.
fn is_held_off(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let users = evidence.policy.users;
    // A call that comes while the process starts is taken later than it is made.
    let taken_by = |call: &CallView<'_>| call.end.map_or(call.start, |(_, ended)| ended);
    let earlier = evidence.calls.iter().filter(|earlier| {
        earlier.start_event < call.start_event
            && earlier.started.user == call.started.user
            && call.start < taken_by(earlier) + users.calls_window + evidence.tolerance(Duration::from_millis(500))
    });
    earlier.count() >= usize::try_from(users.calls_max).unwrap_or(usize::MAX)
}

fn says_held_off(evidence: &Evidence<'_>) -> bool {
    evidence.lines.iter().any(|(_, line)| {
        matches!(line, LogLine::Service(line) if line.event == ServiceEvent::UnknownToolsHeldOff && line.count.is_some())
    })
}

/// How many products a search told, and its line says it found otherwise: 0 is a success without a match.
fn wrong_found(line: &StepLine, told: Option<&Vec<Value>>) -> Option<String> {
    let told = told.and_then(|list| u32::try_from(list.len()).ok());
    let says = |found: Option<u32>| found.map_or_else(|| String::from("nothing"), |found| found.to_string());
    (line.found != told).then(|| format!("told {} found, and is logged with {}", says(told), says(line.found)))
}

/// Whether a text of the arguments is logged as it came: short and plain, and no card's number.
fn is_logged(text: &str) -> bool {
    const BYTES_MAX: usize = 80;
    text.len() <= BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic()) && !may_be_a_card(text)
}

/// How a tool's own line disagrees with the call.
fn wrong_step(call: &CallView<'_>, line: &StepLine, is_error: bool, code: Option<Code>) -> Option<String> {
    let agrees = match line.status {
        StepStatus::Success | StepStatus::RolledBack => !is_error,
        StepStatus::Failed => is_error,
        // A retryable error, or a sale that is not settled yet.
        StepStatus::Retry => is_error || call.told.as_ref().is_some_and(|told| told.status == ToldStatus::Pending),
        // An answer begins nothing.
        StepStatus::Started => false,
    };
    if !agrees {
        return Some(format!(
            "was {}, but is logged as {:?}",
            if is_error { "told an error" } else { "answered" },
            line.status
        ));
    }
    if is_error && code.is_some() && line.error_code != code {
        return Some(format!(
            "was told {}, but is logged with {}",
            code.map_or("no code", Code::as_str),
            line.error_code.map_or("no code", Code::as_str)
        ));
    }
    if line.user_id.as_str() != &*call.started.user {
        return Some(format!("was made by {}, but is logged for {}", call.started.user, line.user_id));
    }
    (call.started.key.is_some()
        && code != Some(Code::InvalidArguments)
        && !is_withheld(call, line, is_error)
        && line.idempotency_key.as_deref() != call.started.key.as_deref())
    .then(|| {
        format!(
            "carried the key {}, but is logged with {}",
            call.started.key.as_deref().unwrap_or_default(),
            line.idempotency_key.as_deref().unwrap_or("none")
        )
    })
}

/// Whether a line keeps quiet about a key that can be a card's number, which is refused.
fn is_withheld(call: &CallView<'_>, line: &StepLine, is_error: bool) -> bool {
    is_error && line.idempotency_key.is_none() && call.started.key.as_deref().is_some_and(may_be_a_card)
}

/// Whether a text holds as many digits as the shortest card number.
pub(super) fn may_be_a_card(text: &str) -> bool {
    // Most ids are shorter, or of ASCII: to ask for each character's class in all of Unicode costs ten times as much.
    const DIGITS: usize = 12;
    text.len() >= DIGITS
        && if text.is_ascii() {
            text.bytes().filter(u8::is_ascii_digit).count() >= DIGITS
        } else {
            text.chars().filter(|c| c.is_numeric()).count() >= DIGITS
        }
}

/// What of a tool's own line was measured wrong, or is missing.
fn wrong_measure(evidence: &Evidence<'_>, call: &CallView<'_>, line: &StepLine, code: Option<Code>) -> Option<String> {
    let (end, at) = call.end?;
    let took = at.saturating_sub(call.start);
    let logged = Duration::from_millis(line.duration_ms);
    // The host's clock runs a little longer than the system's on the wire, and never shorter.
    let slack = evidence.tolerance(Duration::from_millis(100));
    if logged > took + slack || (logged + slack < took && is_plain(evidence)) {
        return Some(format!("took {} ms, but is logged with {}", took.as_millis(), line.duration_ms));
    }
    let sent = evidence.exchanges.iter().filter(|exchange| {
        exchange.sent.correlation == call.started.correlation && (call.start_event..end).contains(&exchange.sent_event)
    });
    let sent = sent.count();
    if sent != line.attempts as usize && is_plain(evidence) && evidence.replicas.count <= 1 {
        return Some(format!("sent {sent} requests, but is logged with {} attempts", line.attempts));
    }
    let Some(asked) = &line.asked else {
        return Some(String::from("is logged without what it asked for"));
    };
    // What a tool that there is not was asked for is not read.
    if *line.step_id == *UNKNOWN_TOOL {
        return None;
    }
    let logged = line.workflow_id.as_ref().map(WorkflowId::as_str);
    // Of arguments that were refused only what has the form of a workflow's id is read.
    let refused = [Code::InvalidArguments, Code::RepeatedCall, Code::LimitReached];
    if code.is_some_and(|code| refused.contains(&code)) && is_unread(asked) {
        let named = call.text("workflow_id").filter(|id| has_the_form_of_a_workflow(id));
        return (logged != named).then(|| {
            let says = |id: Option<&str>| id.map_or_else(|| String::from("none"), str::to_owned);
            format!("names workflow {}, but is logged with {}", says(named), says(logged))
        });
    }
    if let Some(method) = call.text("payment_method_id").filter(|method| is_logged(method))
        && call.is("create_order")
        && asked.method.as_deref() != Some(method)
    {
        let says = asked.method.as_deref().unwrap_or("none");
        return Some(format!("was to be paid with {method}, but is logged with the method {says}"));
    }
    // A call whose store failed may not know its workflow.
    if matches!(code, Some(Code::StoreUnavailable | Code::Internal)) {
        return None;
    }
    let may_be_logged = |id: &&str| has_the_form_of_a_workflow(id) || !may_be_a_card(id);
    let named = call.workflow.or_else(|| call.text("workflow_id").filter(may_be_logged));
    let workflow = named.or_else(|| workflow_of(evidence, call, call.text("checkout_session_id")?));
    workflow
        .filter(|workflow| logged != Some(workflow))
        .map(|workflow| format!("is in workflow {workflow}, but is logged with {}", logged.unwrap_or("none")))
}

/// Whether a text is an id as workflows have it.
fn has_the_form_of_a_workflow(id: &str) -> bool {
    let digits = id.strip_prefix("wf_").filter(|digits| digits.len() == 16);
    digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Whether nothing ended a process or cut a call short, so that what was measured is exact.
fn is_plain(evidence: &Evidence<'_>) -> bool {
    evidence.deaths.is_empty() && evidence.world == WorldKind::Sim
}

/// Whether only the hash of the arguments was kept: the schema did not admit them.
fn is_unread(asked: &Asked) -> bool {
    *asked == Asked { arguments_hash: asked.arguments_hash.clone(), ..Asked::default() }
}

/// The workflow of a session, as returned to the call that opened it; to another user it is unknown.
fn workflow_of<'a>(evidence: &Evidence<'a>, call: &CallView<'_>, session: &str) -> Option<&'a str> {
    let session = evidence.sessions.iter().find(|known| known.id == session)?;
    let opened = &evidence.calls[session.call];
    (opened.started.user == call.started.user).then_some(opened.workflow).flatten()
}
