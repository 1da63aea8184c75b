//! `logged`: the step log is complete and says what was told.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::step_log::{
    Alert, AlertKind, Asked, CheckoutResult, CheckoutStatus, Level, LogLine, Severity, StepLine, StepStatus,
    UNKNOWN_TOOL,
};
use serde_json::Value;

use super::evidence::{CallView, Evidence};
use super::told::{Told, ToldStatus};
use super::{Findings, Oracle, Verdict, attempts_logged, codes, service_logged, webhooks_logged};
use crate::scenario::model::WorldKind;
use crate::trace::HostReply;

/// The rule.
pub static LOGGED: Oracle = Oracle {
    id: "logged",
    rule: "Every call, of a tool that there is not as well, has one line when it begins and one when it is answered, every \
           attempt at a provider one, every delivery of an event one, every told sale one checkout_result line, every \
           successful sale the lines of its steps and its success once, a store that fails and a switch that is turned one \
           each; all fields are there, durations, waits, keys, counts, outcomes and levels are true, and they lead back to \
           the call.",
    explanation: "Conversion, error codes and the share of retries are counted from these lines alone, and an incident \
                  is read from them at night. A line that is missing, says something else than the person was told, \
                  or carries a correlation id that leads nowhere makes the indicators lie.",
    requirements: &["F15", "I1"],
    check,
};

/// The steps of a sale, as bits: what `success` needs a line for. A charge may be proved by settling it.
const STEPS: [(&str, u8); 4] = [("reserve", 1), ("charge", 2), ("settle", 2), ("commit", 4)];
const WHOLE_SALE: u8 = 7;

/// What the log says of one call.
#[derive(Clone, Copy, Default)]
struct OfCall<'a> {
    begun: u32,
    steps: u32,
    step: Option<&'a StepLine>,
    result: Option<&'a CheckoutResult>,
    results: u32,
    /// The last of its lines, as an event.
    event: Option<usize>,
}

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(LOGGED.id);
    let mut calls = vec![OfCall::default(); evidence.calls.len()];
    let mut steps = vec![0_u8; evidence.orders.len()];
    let mut sold = vec![0_u32; evidence.orders.len()];
    for &(index, line) in &evidence.lines {
        match line {
            LogLine::Step(line) => {
                let Some(call) = evidence.call_of(line.correlation_id.as_str()) else {
                    astray(line.correlation_id.as_str(), &line.step_id, index, &mut findings);
                    continue;
                };
                if let Some(wrong) = incomplete(line) {
                    let message = format!("the log line of step {} {wrong}", line.step_id);
                    findings.add(message, [index]);
                }
                if is_of_its_tool(&line.step_id, &evidence.calls[call]) {
                    calls[call].steps += 1;
                    calls[call].step = Some(line);
                    calls[call].event = Some(index);
                }
                if line.status == StepStatus::Success
                    && let Some((_, bit)) = STEPS.iter().find(|(step, _)| *step == line.step_id)
                    && let Some(order) = &line.order_id
                    && let Some(order) = evidence.order_of(order.as_str())
                {
                    steps[order] |= bit;
                }
                if line.status == StepStatus::Success
                    && line.step_id == "order"
                    && let Some(order) = line.order_id.as_ref().and_then(|id| evidence.order_of(id.as_str()))
                {
                    sold[order] += 1;
                    if sold[order] > 1 && evidence.deaths.is_empty() {
                        findings.add(
                            format!("the success of order {} is logged twice", evidence.orders[order].id),
                            [index],
                        );
                    }
                }
            }
            LogLine::Call(line) => match evidence.call_of(line.correlation_id.as_str()) {
                Some(call) if is_of_its_tool(&line.step_id, &evidence.calls[call]) => calls[call].begun += 1,
                Some(_) | None => astray(line.correlation_id.as_str(), "a call that begins", index, &mut findings),
            },
            LogLine::CheckoutResult(line) => match evidence.call_of(line.request_id.as_str()) {
                Some(call) if evidence.calls[call].is("create_order") => {
                    calls[call].result = Some(line);
                    calls[call].results += 1;
                    calls[call].event = Some(index);
                }
                Some(_) | None => {
                    astray(line.request_id.as_str(), "checkout_result", index, &mut findings);
                }
            },
            LogLine::Alert(line) => {
                if let Some(wrong) = wrong_alert(line) {
                    findings.add(format!("the alert {} {wrong}", line.dedup_key), [index]);
                }
            }
            LogLine::Webhook(_) | LogLine::Attempt(_) | LogLine::Service(_) => {}
        }
    }
    for (call, of_call) in evidence.calls.iter().zip(&calls) {
        judge_call(evidence, call, of_call, &steps, &mut findings);
    }
    attempts_logged::judge(evidence, &mut findings);
    service_logged::judge(evidence, &mut findings);
    webhooks_logged::judge(evidence, &mut findings);
    findings.verdict()
}

/// How urgent an alert is. What waits for a person without losing anything meanwhile is a ticket; what breaks, and money
/// that stands without a sale for too long, is a page.
const fn severity(kind: AlertKind) -> Severity {
    match kind {
        AlertKind::OrderParked | AlertKind::UnknownPayment => Severity::Ticket,
        AlertKind::MoneyStands
        | AlertKind::AmountMismatch
        | AlertKind::DoubleCharge
        | AlertKind::ProviderDown
        | AlertKind::WebhooksMissing
        | AlertKind::StepFailing
        | AlertKind::TimeOuts
        | AlertKind::StoreDown
        | AlertKind::HandlerPanicked => Severity::Page,
    }
}

/// What is wrong with the fields of an alert: severity, level and the key by which a pager joins alerts of one cause.
fn wrong_alert(alert: &Alert) -> Option<String> {
    let severity = severity(alert.kind);
    let level = match severity {
        Severity::Page => Level::Error,
        Severity::Ticket => Level::Warn,
    };
    if alert.event != "alert" {
        return Some(format!("has the event {}", alert.event));
    }
    if alert.severity != severity || alert.level != level {
        return Some(format!(
            "is a {:?} at level {:?}, and has to be a {severity:?} at {level:?}",
            alert.severity, alert.level
        ));
    }
    // One cause is one kind about one thing: its order, where it is about one.
    let about = alert.dedup_key.strip_prefix(alert.kind.name());
    let about = about.and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') });
    match (about, &alert.order_id) {
        (None, _) => Some(format!("has a dedup_key that is not of {}", alert.kind.name())),
        (Some(about), Some(order)) if about != order.as_str() => Some(format!("is about order {order}")),
        (Some(_), _) => None,
    }
}

fn astray(correlation: &str, what: &str, event: usize, findings: &mut Findings) {
    let message = format!("the log line of {what} carries {correlation:?}, which leads back to no such call");
    findings.add(message, [event]);
}

/// What a step line lacks.
fn incomplete(line: &StepLine) -> Option<String> {
    let event = line.status.event();
    if line.event != event {
        return Some(format!("says `{}` for a status that is `{event}`", line.event));
    }
    if line.user_id.as_str().is_empty() {
        return Some(String::from("names no user"));
    }
    if line.step_id.is_empty() {
        return Some(String::from("names no step"));
    }
    if line.status == StepStatus::Failed {
        let Some(code) = line.error_code else { return Some(String::from("failed without an error code")) };
        if line.level != Level::of(code) {
            return Some(format!("failed with {} at level {:?}", code.as_str(), line.level));
        }
    }
    None
}

fn judge_call(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    of_call: &OfCall<'_>,
    steps: &[u8],
    findings: &mut Findings,
) {
    let Some((end, _)) = call.end else { return };
    let (is_error, structured) = match call.reply {
        Some(HostReply::Tool { is_error, structured }) => (*is_error, Some(&**structured)),
        // Nothing else is a protocol error of a call that is one.
        Some(HostReply::Protocol { .. }) if is_unknown(call) => (true, None),
        _ => return,
    };
    let code = call.told.as_ref().and_then(|told| told.code).and_then(codes::parse);
    let wrong = match of_call.step {
        None => Some(String::from("left no line in the step log")),
        Some(_) if of_call.steps > 1 => Some(format!("left {} lines of its answer", of_call.steps)),
        Some(_) if of_call.begun != 1 => Some(format!("left {} lines when it began", of_call.begun)),
        Some(line) => wrong_step(call, line, is_error, code)
            .or_else(|| wrong_measure(evidence, call, line, code))
            .or_else(|| wrong_found(line, structured.filter(|_| !is_error))),
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
fn is_of_its_tool(step: &str, call: &CallView<'_>) -> bool {
    if step == UNKNOWN_TOOL { is_unknown(call) } else { *step == *call.started.tool }
}

/// Whether a call is of a tool that there is not.
fn is_unknown(call: &CallView<'_>) -> bool {
    giftgenius::tools::table().iter().all(|tool| *tool.spec.name != *call.started.tool)
}

/// How many products a search told, and its line says it found otherwise: 0 is a success without a match.
fn wrong_found(line: &StepLine, told: Option<&Value>) -> Option<String> {
    let list = told.and_then(|told| told.get("ideas").or_else(|| told.get("products"))).and_then(Value::as_array);
    let told = list.and_then(|list| u32::try_from(list.len()).ok());
    let says = |found: Option<u32>| found.map_or_else(|| String::from("nothing"), |found| found.to_string());
    (line.found != told).then(|| format!("told {} found, and is logged with {}", says(told), says(line.found)))
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
        && line.idempotency_key.as_deref() != call.started.key.as_deref())
    .then(|| {
        format!(
            "carried the key {}, but is logged with {}",
            call.started.key.as_deref().unwrap_or_default(),
            line.idempotency_key.as_deref().unwrap_or("none")
        )
    })
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
    // A call whose arguments or store failed may not know its workflow.
    let unknown = [Code::InvalidArguments, Code::StoreUnavailable, Code::KeyConflict, Code::Internal];
    if code.is_some_and(|code| unknown.contains(&code)) || (code == Some(Code::RepeatedCall) && is_unread(asked)) {
        return None;
    }
    let named = call.workflow.or_else(|| call.text("workflow_id"));
    let workflow = named.or_else(|| workflow_of(evidence, call, call.text("checkout_session_id")?));
    if let Some(workflow) = workflow
        && line.workflow_id.is_none()
    {
        return Some(format!("is in workflow {workflow}, but is logged without one"));
    }
    None
}

/// Whether nothing ended a process or cut a call short, so that what was measured is exact.
fn is_plain(evidence: &Evidence<'_>) -> bool {
    evidence.deaths.is_empty() && evidence.world == WorldKind::Sim
}

/// Whether only the hash of the arguments was kept: the schema did not admit them.
fn is_unread(asked: &Asked) -> bool {
    *asked == Asked { arguments_hash: asked.arguments_hash.clone(), ..Asked::default() }
}

/// The workflow of a session, as the call that opened it was told; to another user it is unknown.
fn workflow_of<'a>(evidence: &Evidence<'a>, call: &CallView<'_>, session: &str) -> Option<&'a str> {
    let session = evidence.sessions.iter().find(|known| known.id == session)?;
    let opened = &evidence.calls[session.call];
    (opened.started.user == call.started.user).then_some(opened.workflow).flatten()
}

/// How the `checkout_result` line disagrees with what was told.
fn wrong_result(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    told: &Told<'_>,
    code: Option<Code>,
    of_call: &OfCall<'_>,
) -> Option<String> {
    if of_call.results > 1 {
        return Some(format!("left {} checkout_result lines", of_call.results));
    }
    let place = evidence.call_of(&call.started.correlation);
    let began = call.order.is_some_and(|order| evidence.orders[order].begun_by == place);
    let needed = !told.is_error || began || !code.is_some_and(codes::before_the_claim);
    let Some(line) = of_call.result else {
        return needed.then(|| String::from("left no checkout_result line"));
    };
    if line.event != "checkout_result" || line.error_code.is_some_and(|code| line.level != Level::of(code)) {
        return Some(format!("left a checkout_result line of event `{}` at level {:?}", line.event, line.level));
    }
    let open = code.is_some_and(codes::leaves_the_sale_open);
    let agrees = match line.status {
        CheckoutStatus::Success => told.status == ToldStatus::Success,
        CheckoutStatus::Pending => told.status == ToldStatus::Pending || open,
        CheckoutStatus::Failed => told.is_error,
        CheckoutStatus::Cancelled => !told.is_error && told.status != ToldStatus::Success,
    };
    if !agrees {
        return Some(format!("was told `{}`, but its checkout_result says {:?}", told.status.name(), line.status));
    }
    if line.status == CheckoutStatus::Failed && code.is_some() && line.error_code != code {
        return Some(format!(
            "was told {}, but its checkout_result says {}",
            code.map_or("no code", Code::as_str),
            line.error_code.map_or("no code", Code::as_str)
        ));
    }
    let session = call.text("checkout_session_id");
    (session != Some(line.checkout_session_id.as_str())).then(|| {
        format!(
            "paid session {}, but its checkout_result names {}",
            session.unwrap_or("(none)"),
            line.checkout_session_id
        )
    })
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use giftgenius::step_log::{AttemptLine, AttemptUrgency};
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, session_answer, success};
    use crate::provider::operations::{CHARGE, LOOK_UP};
    use crate::trace::{EventKind, Seen};

    /// A sale whose log lines are changed before it is judged.
    fn with_lines(mut change: impl FnMut(&mut LogLine)) -> Run {
        let mut run = Run::sale();
        for event in &mut run.record.trace.events {
            if let EventKind::Log(line) = &mut event.kind {
                change(line);
            }
        }
        run
    }

    fn with_tool_line(change: impl Fn(&mut StepLine)) -> Run {
        with_lines(|line| {
            if let LogLine::Step(line) = line
                && line.step_id == "create_order"
            {
                change(line);
            }
        })
    }

    #[test]
    fn a_sale_is_logged() {
        Run::sale().kept(&LOGGED);
    }

    #[test]
    fn no_log_at_all_is_a_breach() {
        let mut run = Run::new();
        let call = run.call("create_checkout_session", json!({}));
        run.answer(call, session_answer("cs_1", 100));
        assert!(run.broken(&LOGGED).contains("left no line"));
    }

    #[test]
    fn a_call_that_was_not_answered_needs_no_line_of_an_answer() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.reply(call, HostReply::Cancelled);
        run.get_order("ord_1", "pending");
        run.kept(&LOGGED);
    }

    #[test]
    fn each_field_of_a_step_line_is_held_to_the_call() {
        with_tool_line(|line| line.user_id = "bob".into()).broken(&LOGGED);
        with_tool_line(|line| line.user_id = "".into()).broken(&LOGGED);
        with_tool_line(|line| line.idempotency_key = None).broken(&LOGGED);
        with_tool_line(|line| line.correlation_id = "nobody".into()).broken(&LOGGED);
        with_tool_line(|line| line.event = "done".into()).broken(&LOGGED);
        with_tool_line(|line| line.status = StepStatus::Failed).broken(&LOGGED);
        with_tool_line(|line| line.step_id = "".into()).broken(&LOGGED);
    }

    #[test]
    fn success_needs_the_lines_of_its_steps() {
        for missing in ["reserve", "charge", "commit"] {
            let mut run = with_lines(|line| {
                if let LogLine::Step(line) = line
                    && line.step_id == missing
                {
                    line.step_id = "release".into();
                }
            });
            let said = run.broken(&LOGGED);
            assert!(said.contains(&format!("successful {missing}")), "{said}");
        }
        with_lines(|line| {
            if let LogLine::Step(line) = line
                && line.step_id == "charge"
            {
                line.step_id = "settle".into();
            }
        })
        .kept(&LOGGED);
    }

    #[test]
    fn the_result_line_says_what_was_told() {
        for status in [CheckoutStatus::Failed, CheckoutStatus::Pending] {
            let mut run = with_lines(|line| {
                if let LogLine::CheckoutResult(line) = line {
                    line.status = status;
                }
            });
            assert!(run.broken(&LOGGED).contains("checkout_result says"));
        }
        with_lines(|line| {
            if let LogLine::CheckoutResult(line) = line {
                line.checkout_session_id = "cs_9".into();
            }
        })
        .broken(&LOGGED);
    }

    #[test]
    fn one_result_line_a_told_sale() {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        run.step("create_order", StepStatus::Success, None);
        run.answer(call, success("cs_1", "ord_1"));
        assert!(run.broken(&LOGGED).contains("no checkout_result"));

        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        run.result("cs_1", CheckoutStatus::Success, None);
        run.tell_success(call, "cs_1", "ord_1");
        assert!(run.broken(&LOGGED).contains("2 checkout_result lines"));
    }

    #[test]
    fn a_failure_is_logged_with_its_code() {
        for (logged, broken) in [(Code::PaymentDeclined, false), (Code::OutOfStock, true)] {
            let mut run = Run::new();
            let call = run.create_order("cs_1", "k1");
            run.result("cs_1", CheckoutStatus::Failed, Some(logged));
            run.step("create_order", StepStatus::Failed, Some(Code::PaymentDeclined));
            run.fail_with(call, Code::PaymentDeclined, Some(("ord_1", Effects::None)));
            if broken {
                run.broken(&LOGGED);
            } else {
                run.kept(&LOGGED);
            }
        }
    }

    #[test]
    fn a_call_refused_before_the_claim_needs_no_result_line() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.step("create_order", StepStatus::Failed, Some(Code::SessionNotFound));
        run.fail_with(call, Code::SessionNotFound, None);
        run.kept(&LOGGED);
    }

    #[test]
    fn each_field_of_an_attempts_line_is_held_to_what_was_sent_and_seen() {
        let with_attempts = |change: fn(&mut AttemptLine)| {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            let retry_after = Some(Duration::from_secs(7));
            run.see(charge, Seen::Reply { status: 503, retry_after, intact: true });
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.silence(look_up);
            for event in &mut run.record.trace.events {
                if let EventKind::Log(line) = &mut event.kind
                    && let LogLine::Attempt(line) = &mut **line
                {
                    change(line);
                }
            }
            run
        };
        with_attempts(|_| {}).kept(&LOGGED);
        for (change, told) in [
            ((|line| line.provider_key = None) as fn(&mut AttemptLine), "another provider_key"),
            (|line| line.retry_after_ms = None, "a Retry-After of 7000 ms, and is logged with none"),
            (|line| line.duration_ms = 1, "took 0 ms, and is logged with 1"),
            (|line| line.urgency = AttemptUrgency::Background, "its caller waits for it"),
            (|line| line.status = Some(500), "not what was seen"),
        ] {
            let said = with_attempts(change).broken(&LOGGED);
            assert!(said.contains(told), "{said}");
            // On the wire the provider cannot tell how long it took, nor who waits.
            let mut run = with_attempts(change);
            run.world = WorldKind::Wire;
            if told.contains("key") {
                assert!(run.broken(&LOGGED).contains(told));
            } else if told.contains("seen") {
                assert!(run.broken(&LOGGED).contains("was answered [503], and is logged with [500]"));
            } else {
                run.kept(&LOGGED);
            }
        }
    }

    #[test]
    fn nobody_waits_before_calling_nor_once_the_call_has_to_be_answered() {
        use AttemptUrgency::{Background, Caller};
        let charged_after = |ms: u64, urgency: AttemptUrgency| {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            run.wait_ms(ms);
            run.charge("ord_1");
            run.wait_ms(1);
            run.create_order("cs_1", "k1");
            for event in &mut run.record.trace.events {
                if let EventKind::Log(line) = &mut event.kind
                    && let LogLine::Attempt(line) = &mut **line
                {
                    line.urgency = urgency;
                }
            }
            run
        };
        // A call of 25 s is answered half a second earlier.
        for (ms, urgency) in [(24_499, Caller), (24_500, Background), (25_000, Caller), (60_000, Background)] {
            charged_after(ms, urgency).kept(&LOGGED);
        }
        for (ms, urgency, told) in [
            (24_499, Background, "is logged as Background, and its caller waits for it"),
            (60_000, Caller, "is logged as Caller, and nobody has waited for it for long"),
        ] {
            let said = charged_after(ms, urgency).broken(&LOGGED);
            assert!(said.contains(told), "{said}");
        }
    }

    #[test]
    fn on_the_wire_every_attempt_has_its_line_too() {
        let mut run = Run::sale();
        run.world = WorldKind::Wire;
        run.kept(&LOGGED);
        run.record.trace.events.retain(|event| {
            !matches!(&event.kind, EventKind::Log(line)
                if matches!(&**line, LogLine::Attempt(line) if line.operation == "payment.charge"))
        });
        assert!(run.broken(&LOGGED).contains("payment.charge was sent 1 times, and the log has 0 lines of it"));
    }

    #[test]
    fn a_tool_that_there_is_not_has_its_lines() {
        let hallucinated = |logged: bool| {
            let mut run = Run::new();
            let call = run.call("buy_gift", json!({}));
            if logged {
                run.step(UNKNOWN_TOOL, StepStatus::Failed, Some(Code::InvalidArguments));
            }
            run.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
            run
        };
        hallucinated(true).kept(&LOGGED);
        assert!(hallucinated(false).broken(&LOGGED).contains("left no line in the step log"));
    }
}
