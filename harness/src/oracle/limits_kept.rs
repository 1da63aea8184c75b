//! `limits-kept`: no user gets more of the server than the policy allows, and no call within that is refused.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::step_log::LogLine;

use super::evidence::{CallView, Evidence};
use super::keyed::{opened_itself, told_session};
use super::{Findings, Oracle, Verdict};
use crate::trace::{EventKind, HostReply};

/// The rule.
pub static LIMITS_KEPT: Oracle = Oracle {
    id: "limits-kept",
    rule: "Within any window of the policy a process takes at most so many calls of one user, and it opens no checkout session beyond \
           the user's number of open ones; LIMIT_REACHED is told only where one of the two is used up.",
    explanation: "One client that runs wild must not make the shop slow for the others, and one that does not must never be \
                  held off. Processes count for themselves. A session counts as open until it expires, unless anything was \
                  asked about it that may have closed it.",
    requirements: &["F1"],
    check,
};

/// A call of one user that one process answered.
struct Taken<'e, 'a> {
    call: &'e CallView<'a>,
    /// The index of its first line in the log, which says which process took it, and when.
    begun: usize,
    process: u32,
    at: Duration,
    refused: bool,
}

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(LIMITS_KEPT.id);
    let users = evidence.policy.users;
    // Most runs come nowhere near a limit.
    let few = usize::try_from(users.calls_max.min(users.sessions_max)).unwrap_or(usize::MAX);
    if evidence.calls.len() <= few && !evidence.calls.iter().any(refused) {
        return Verdict::Kept;
    }
    let mut taken: Vec<Taken<'_, '_>> = Vec::new();
    for (&(index, line), &of) in evidence.lines.iter().zip(&evidence.line_calls) {
        // A call of a tool that there is not counts too. One beyond the limit has no line.
        let (LogLine::Call(_), Some(call)) = (line, of) else { continue };
        let (call, event) = (&evidence.calls[call], &evidence.trace.events[index]);
        let process = event.incarnation;
        taken.push(Taken { call, begun: index, process, at: event.at, refused: refused(call) });
    }
    let clock_jumped = evidence
        .trace
        .events
        .iter()
        .any(|event| matches!(&event.kind, EventKind::Struck { fault, .. } if fault.jumps().is_some()));
    for (place, one) in taken.iter().enumerate() {
        let user = &one.call.started.user;
        // What was taken at the same moment may be logged after it.
        let until = if one.refused { taken.len() } else { place };
        let own = || {
            taken[..until].iter().filter(|it| {
                it.process == one.process
                    && it.call.started.user == *user
                    && it.at <= one.at + evidence.tolerance(Duration::from_millis(500))
            })
        };
        let calls: Vec<usize> =
            own().filter(|it| in_window(evidence, it, one, one.refused)).map(|it| it.begun).collect();
        let open: Vec<_> = own().filter(|it| is_open(evidence, it, one, one.refused)).collect();
        let mut sessions: Vec<_> = open.iter().filter_map(|it| told_session(it.call)).collect();
        sessions.sort_unstable();
        sessions.dedup();
        let open_max = if one.refused { open.len() } else { sessions.len() };
        let opens = one.call.is("create_checkout_session");
        let calls_are_used_up = calls.len() >= usize::try_from(users.calls_max).unwrap_or(usize::MAX);
        let sessions_are_used_up = opens && open_max >= usize::try_from(users.sessions_max).unwrap_or(usize::MAX);
        if one.refused && !calls_are_used_up && !sessions_are_used_up {
            let message = format!(
                "{} of {user} was told LIMIT_REACHED after {} calls within the window and {} open sessions",
                one.call.started.tool,
                calls.len(),
                open.len()
            );
            findings.add(message, [one.begun]);
        } else if !one.refused && calls_are_used_up {
            let message = format!("{} calls of {user} were taken within the window, and one more", calls.len());
            findings.add(message, calls.into_iter().chain([one.begun]));
        } else if sessions_are_used_up && !clock_jumped && opened_itself(evidence, one.call) {
            let message = format!("{user} had {open_max} open sessions, and was given one more");
            findings.add(message, open.iter().map(|it| it.begun).chain([one.begun]));
        }
    }
    findings.verdict()
}

/// Whether a call counts when another one is taken; `lenient`: where it may.
fn in_window(evidence: &Evidence<'_>, earlier: &Taken<'_, '_>, one: &Taken<'_, '_>, lenient: bool) -> bool {
    let window = evidence.policy.users.calls_window;
    let slack = evidence.tolerance(Duration::from_millis(500));
    let window = if lenient { window + slack } else { window.saturating_sub(slack) };
    // A call that is refused for its session was taken all the same, which the refusal does not show.
    let counts = !earlier.refused || (lenient && earlier.call.is("create_checkout_session"));
    counts && one.at < earlier.at + window
}

/// Whether a call opened a session that is still open when another one is asked for; `lenient`: where it may be.
fn is_open(evidence: &Evidence<'_>, earlier: &Taken<'_, '_>, one: &Taken<'_, '_>, lenient: bool) -> bool {
    if !earlier.call.is("create_checkout_session") {
        return false;
    }
    if lenient {
        // It was opened at some time before it was answered; where its host did not wait, within the deadline.
        let answered = matches!(earlier.call.reply, Some(HostReply::Tool { .. }));
        let opened_until = match earlier.call.end {
            Some((_, ended)) if answered => ended,
            Some(_) | None => earlier.at + evidence.policy.tool_deadline,
        };
        return !earlier.refused && one.at < opened_until + evidence.policy.quote_ttl;
    }
    if one.at >= earlier.at + evidence.policy.quote_ttl {
        return false;
    }
    let of_it = |call: &CallView<'_>| {
        // A call on its session, a move, or a session of the same workflow may have closed it.
        !call.is("create_checkout_session") && call.started.user == earlier.call.started.user
    };
    // A price frozen in the same workflow takes its place.
    let goes_on =
        |call: &CallView<'_>| earlier.call.workflow.is_some() && call.text("workflow_id") == earlier.call.workflow;
    // What was only told again, this process may never have had open.
    opened_itself(evidence, earlier.call)
        && !evidence.calls.iter().any(goes_on)
        && earlier.call.end.is_some_and(|(end, _)| end < one.call.start_event)
        && !evidence.calls.iter().any(|call| call.start_event < one.begun && of_it(call))
}

/// Whether a call was not taken.
fn refused(call: &CallView<'_>) -> bool {
    match call.reply {
        Some(HostReply::Tool { structured, is_error: true }) => {
            structured.pointer("/error/code").is_some_and(|code| code == Code::LimitReached.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, session_answer};
    use crate::provider::operations::QUOTE;

    fn with(calls: u32, sessions: u32) -> Run {
        let mut run = Run::new();
        run.policy.users.calls_max = calls;
        run.policy.users.sessions_max = sessions;
        run
    }

    fn search(run: &mut Run) {
        let call = run.call("search_products", json!({ "query": "tea" }));
        run.answer(call, json!({ "products": [] }));
    }

    fn open(run: &mut Run, number: u32) {
        let call = run.call("create_checkout_session", json!({ "n": number }));
        let quote = run.send(&QUOTE, None, None);
        run.ok(quote);
        run.answer(call, session_answer(&format!("cs_{number}"), 100));
    }

    /// The answer of a session that was opened before.
    fn tell_again(run: &mut Run, number: u32) {
        let call = run.call("create_checkout_session", json!({ "n": number }));
        run.answer(call, session_answer(&format!("cs_{number}"), 100));
    }

    fn hold_off(run: &mut Run, tool: &str) {
        let call = run.call(tool, json!({}));
        run.fail_with(call, Code::LimitReached, None);
    }

    #[test]
    fn so_many_calls_within_the_window_and_no_more() {
        let mut run = with(2, 9);
        search(&mut run);
        search(&mut run);
        hold_off(&mut run, "search_products");
        run.kept(&LIMITS_KEPT);
        search(&mut run);
        assert!(run.broken(&LIMITS_KEPT).contains("2 calls of ada were taken within the window, and one more"));
        let mut run = with(2, 9);
        search(&mut run);
        search(&mut run);
        run.wait_ms(60_002);
        search(&mut run);
        run.kept(&LIMITS_KEPT);
    }

    #[test]
    fn a_tool_that_there_is_not_counts_as_any_other() {
        let mut run = with(2, 9);
        for _ in 0..2 {
            let call = run.call("buy_gift", json!({}));
            run.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
        }
        hold_off(&mut run, "search_products");
        run.kept(&LIMITS_KEPT);
        let call = run.call("buy_gift", json!({}));
        run.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
        assert!(run.broken(&LIMITS_KEPT).contains("2 calls of ada were taken within the window, and one more"));
    }

    #[test]
    fn nobody_is_held_off_below_the_limit() {
        let mut run = with(3, 9);
        search(&mut run);
        hold_off(&mut run, "search_products");
        assert!(run.broken(&LIMITS_KEPT).contains("told LIMIT_REACHED after 1 calls"));
    }

    #[test]
    fn a_call_that_is_refused_for_its_session_may_count() {
        let mut run = with(2, 1);
        open(&mut run, 1);
        hold_off(&mut run, "create_checkout_session");
        hold_off(&mut run, "search_products");
        run.kept(&LIMITS_KEPT);
        hold_off(&mut run, "get_payment_methods");
        run.kept(&LIMITS_KEPT);
        let mut run = with(3, 1);
        open(&mut run, 1);
        hold_off(&mut run, "create_checkout_session");
        hold_off(&mut run, "search_products");
        assert!(run.broken(&LIMITS_KEPT).contains("told LIMIT_REACHED after 2 calls"));
    }

    #[test]
    fn a_session_is_open_until_its_price_runs_out_which_was_made_before_it_was_told() {
        let mut run = with(99, 1);
        let call = run.call("create_checkout_session", json!({ "n": 1 }));
        run.wait_ms(10);
        run.answer(call, session_answer("cs_1", 100));
        run.wait_ms(30 * 60 * 1000 - 2);
        hold_off(&mut run, "create_checkout_session");
        run.kept(&LIMITS_KEPT);
        run.wait_ms(10);
        hold_off(&mut run, "create_checkout_session");
        assert!(run.broken(&LIMITS_KEPT).contains("0 open sessions"));
        let mut run = with(99, 1);
        let call = run.call("create_checkout_session", json!({ "n": 1 }));
        run.reply(call, HostReply::Cancelled);
        run.wait_ms(30 * 60 * 1000 + 20_000);
        hold_off(&mut run, "create_checkout_session");
        run.kept(&LIMITS_KEPT);
    }

    #[test]
    fn what_another_process_opened_and_this_one_tells_again_is_not_its_own() {
        let mut run = with(99, 1);
        open(&mut run, 1);
        run.process = 2;
        tell_again(&mut run, 1);
        open(&mut run, 2);
        run.kept(&LIMITS_KEPT);
        run.process = 1;
        tell_again(&mut run, 2);
        run.kept(&LIMITS_KEPT);
        open(&mut run, 3);
        assert!(run.broken(&LIMITS_KEPT).contains("ada had 1 open sessions, and was given one more"));
    }

    #[test]
    fn what_a_process_opened_that_died_before_it_answered_its_successor_only_tells() {
        let mut run = with(99, 1);
        let call = run.call("create_checkout_session", json!({ "n": 1 }));
        let quote = run.send(&QUOTE, None, None);
        run.ok(quote);
        run.reply(call, HostReply::Broken);
        run.die(2);
        tell_again(&mut run, 1);
        open(&mut run, 2);
        run.kept(&LIMITS_KEPT);
        open(&mut run, 3);
        assert!(run.broken(&LIMITS_KEPT).contains("ada had 1 open sessions, and was given one more"));
    }

    #[test]
    fn each_process_counts_for_itself() {
        let mut run = with(2, 9);
        search(&mut run);
        search(&mut run);
        run.process = 2;
        search(&mut run);
        run.kept(&LIMITS_KEPT);
    }

    #[test]
    fn so_many_open_sessions_and_no_more() {
        let mut run = with(99, 2);
        open(&mut run, 1);
        open(&mut run, 2);
        hold_off(&mut run, "create_checkout_session");
        run.kept(&LIMITS_KEPT);
        open(&mut run, 3);
        assert!(run.broken(&LIMITS_KEPT).contains("had 2 open sessions, and was given one more"));
        let mut run = with(99, 2);
        open(&mut run, 1);
        hold_off(&mut run, "create_checkout_session");
        assert!(run.broken(&LIMITS_KEPT).contains("and 1 open sessions"));
    }
}
