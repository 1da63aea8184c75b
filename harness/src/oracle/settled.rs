//! `settled`: at rest nothing is left half-way.

use super::evidence::Evidence;
use super::{Findings, Oracle, Verdict, taken_up};

/// The rule.
pub static SETTLED: Oracle = Oracle {
    id: "settled",
    rule: "At rest no saga is open: every order is paid, cancelled, or parked where a person sees it. An order whose owner died \
           is taken up by a living process within its lease and a round of housekeeping.",
    explanation: "At rest the faults have ended, every timer has run out and recovery has had its turn. An order that \
                  still has work left then will never be finished by itself: its money or its stock hangs, and nobody \
                  is told. Look for the background work that was never begun, or that gave up without parking.",
    requirements: &["F6", "F8"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(SETTLED.id);
    let open: Vec<&str> = evidence
        .rest
        .orders
        .iter()
        .filter(|order| order.status == "open")
        .map(|order| order.order_id.as_str())
        .collect();
    if evidence.rest.open > 0 || !open.is_empty() {
        let count = evidence.rest.open.max(open.len());
        let which = if open.is_empty() { String::from("which ones cannot be read") } else { open.join(", ") };
        let last = evidence
            .orders
            .iter()
            .filter(|order| open.contains(&order.id))
            .filter_map(|order| order.exchanges.last())
            .map(|exchange| evidence.exchanges[*exchange].sent_event);
        findings.add(format!("{count} orders still have work left although nothing goes on any more: {which}"), last);
    }
    taken_up::judge(evidence, &mut findings);
    findings.verdict()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::Run;

    #[test]
    fn paid_cancelled_and_parked_are_settled() {
        let mut run = Run::sale();
        run.at_rest("ord_2", "cancelled", "none");
        run.park("ord_3", "unknown");
        run.kept(&SETTLED);
    }

    #[test]
    fn an_open_order_is_not() {
        let mut run = Run::sale();
        run.rest.orders[0].status = "open";
        assert!(run.broken(&SETTLED).contains("ord_1"));
    }

    #[test]
    fn an_open_count_is_enough_where_the_record_cannot_be_read() {
        let mut run = Run::sale();
        run.rest.orders.clear();
        run.rest.open = 2;
        assert!(run.broken(&SETTLED).starts_with("2 orders"));
    }
}
