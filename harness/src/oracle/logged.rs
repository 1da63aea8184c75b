//! `logged`: the step log is complete and agrees with the answers.

mod alert;
mod beginning;
mod call;
mod result;

use giftgenius::step_log::{CheckoutResult, Level, LogLine, StepLine, StepStatus};

use self::alert::wrong_alert;
use self::call::is_of_its_tool;
use super::evidence::Evidence;
use super::{Findings, Oracle, Verdict, attempts_logged, service_logged, webhooks_logged};

/// The rule.
pub static LOGGED: Oracle = Oracle {
    id: "logged",
    rule: "Every call, of a tool that there is not as well, has one line when it begins and one when it is answered, every \
           attempt at a provider one, every delivery of an event one, every told sale one checkout_result line, every order \
           one when it begins, every successful sale the lines of its steps and its success once, a store that fails and a \
           switch that is turned one each; all fields are there, durations, waits, keys, counts, outcomes and levels are \
           true, and they lead back to the call.",
    explanation: "Conversion, error codes and the share of retries are counted from these lines alone, and an incident \
                  is read from them at night. A line that is missing, says something else than the person was told, \
                  or carries a correlation id that leads nowhere makes the indicators lie. Beyond a user's limit calls of \
                  tools that there are not are summed up in one line.",
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
    for (&(index, line), &of) in evidence.lines.iter().zip(&evidence.line_calls) {
        match line {
            LogLine::Step(line) => {
                let Some(call) = of else {
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
                    && let Some(order) = line.order_id.as_ref().and_then(|id| evidence.order_of(id.as_str()))
                {
                    if let Some((_, bit)) = STEPS.iter().find(|(step, _)| *step == line.step_id) {
                        steps[order] |= bit;
                    }
                    if line.step_id != "order" {
                        continue;
                    }
                    sold[order] += 1;
                    if sold[order] > 1 && evidence.deaths.is_empty() {
                        findings.add(
                            format!("the success of order {} is logged twice", evidence.orders[order].id),
                            [index],
                        );
                    }
                }
            }
            LogLine::Call(line) => match of {
                Some(call) if is_of_its_tool(&line.step_id, &evidence.calls[call]) => calls[call].begun += 1,
                Some(_) | None => astray(line.correlation_id.as_str(), "a call that begins", index, &mut findings),
            },
            LogLine::CheckoutResult(line) => match of {
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
        call::judge(evidence, call, of_call, &steps, &mut findings);
    }
    beginning::judge(evidence, &mut findings);
    attempts_logged::judge(evidence, &mut findings);
    service_logged::judge(evidence, &mut findings);
    webhooks_logged::judge(evidence, &mut findings);
    findings.verdict()
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

#[cfg(test)]
mod tests;
