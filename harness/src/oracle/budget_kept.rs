//! `budget-kept`: what repeats for callers cost a provider is bounded over all calls, not only for each.

use std::time::Duration;

use giftgenius::step_log::{AttemptUrgency, LogLine};

use super::evidence::Evidence;
use super::{Findings, Oracle, Verdict};

/// The rule.
pub static BUDGET_KEPT: Oracle = Oracle {
    id: "budget-kept",
    rule: "At no time has a process repeated more requests to a provider for its callers than its retry budget pays for: the minimum \
           at the start and once a window since, and the policy's share of the requests so far. Undo and background work cost it \
           nothing.",
    explanation: "Each call may keep to its few attempts while all of them together keep a provider down that tries to come \
                  back: a retry storm is made of calls that are each within bounds. A breach shows the repeats of one process, as \
                  its log lines have them (`urgency` is `caller`, `wait_ms` says that another attempt follows).",
    requirements: &["F2"],
    check,
};

/// The retries of one process at one provider.
struct Spent<'a> {
    process: u32,
    provider: &'a str,
    retries: Vec<usize>,
    is_told: bool,
}

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(BUDGET_KEPT.id);
    let budget = evidence.policy.budget;
    let mut spent: Vec<Spent<'_>> = Vec::new();
    for &(index, line) in &evidence.lines {
        let LogLine::Attempt(line) = line else { continue };
        if line.urgency != AttemptUrgency::Caller || line.wait_ms.is_none() {
            continue;
        }
        let provider = line.operation.split('.').next().unwrap_or_default();
        let event = &evidence.trace.events[index];
        let known = spent.iter().position(|it| it.process == event.incarnation && it.provider == provider);
        let place = known.unwrap_or_else(|| {
            let process = event.incarnation;
            spent.push(Spent { process, provider, retries: Vec::new(), is_told: false });
            spent.len() - 1
        });
        let it = &mut spent[place];
        it.retries.push(index);
        let since = event.at + evidence.tolerance(Duration::from_millis(500));
        let windows = since.as_nanos().checked_div(budget.window.as_nanos()).unwrap_or(u128::MAX);
        let windows = u64::try_from(windows).unwrap_or(u64::MAX);
        let minimum = u64::from(budget.retries_min).saturating_mul(100).saturating_mul(windows.saturating_add(1));
        // Each call has sent a request, but for one that is about to.
        let requests = evidence.exchanges.iter().filter(|exchange| {
            exchange.incarnation == it.process
                && exchange.sent.operation.provider.name() == provider
                && exchange.sent_event < index
        });
        let calls = u64::try_from(requests.count()).unwrap_or(u64::MAX).saturating_add(1);
        let earned = calls.saturating_mul(budget.retries_percent.into());
        let allowed = minimum.saturating_add(earned) / 100;
        let made = u64::try_from(it.retries.len()).unwrap_or(u64::MAX);
        if made > allowed && !it.is_told {
            it.is_told = true;
            let message = format!(
                "{made} requests to the {provider} provider were repeated for callers within {} ms, and the budget pays for {allowed}",
                event.at.as_millis()
            );
            findings.add(message, it.retries.iter().copied());
        }
    }
    findings.verdict()
}

#[cfg(test)]
mod tests {
    use giftgenius::step_log::AttemptOutcome;

    use super::*;
    use crate::oracle::testing::Run;

    /// So many repeats, one every `every_ms`.
    fn repeats(times: u32, every_ms: u64, urgency: AttemptUrgency) -> Run {
        let mut run = Run::new();
        run.call("search_products", serde_json::json!({ "query": "tea" }));
        for number in 1..=times {
            let mut line = run.attempt("catalog.search", number, AttemptOutcome::TimedOut);
            line.urgency = urgency;
            line.wait_ms = Some(200);
            run.log(LogLine::Attempt(line));
            run.wait_ms(every_ms);
        }
        run
    }

    #[test]
    fn the_minimum_and_a_share_of_the_calls_are_paid_for_and_no_more() {
        repeats(3, 10, AttemptUrgency::Caller).kept(&BUDGET_KEPT);
        let said = repeats(4, 10, AttemptUrgency::Caller).broken(&BUDGET_KEPT);
        assert!(
            said.contains("4 requests to the catalog provider were repeated") && said.contains("pays for 3"),
            "{said}"
        );
    }

    #[test]
    fn each_window_restores_the_minimum() {
        repeats(40, 4_000, AttemptUrgency::Caller).kept(&BUDGET_KEPT);
        repeats(40, 2_000, AttemptUrgency::Caller).broken(&BUDGET_KEPT);
    }

    #[test]
    fn undo_and_background_cost_nothing() {
        repeats(40, 10, AttemptUrgency::Undo).kept(&BUDGET_KEPT);
        repeats(40, 10, AttemptUrgency::Background).kept(&BUDGET_KEPT);
    }

    #[test]
    fn each_process_has_its_own() {
        let mut run = repeats(3, 10, AttemptUrgency::Caller);
        run.process = 2;
        let line = run.attempt("catalog.search", 1, AttemptOutcome::TimedOut);
        run.log(LogLine::Attempt(line));
        run.kept(&BUDGET_KEPT);
    }
}
