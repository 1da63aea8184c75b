//! `runs-away`: every run comes to an end by itself.

use std::fmt::Write as _;

use super::evidence::Evidence;
use super::{ALL, Findings, Oracle, Verdict};

/// The rule.
pub static RUNS_AWAY: Oracle = Oracle {
    id: "runs-away",
    rule: "Whatever goes wrong, the system comes to an end: no run takes 200,000 uses of the network, the store, the \
           log, the clock or chance, or brings more than 10,000 events at one instant.",
    explanation: "A loop that asks without a pause, or wakes itself for ever, takes a processor for itself and sends a \
                  provider as many requests as the machine can make. In simulation the run is ended there, in the \
                  middle, and judged by no other rule; the runs beside it go on. A breach names the last uses: what \
                  stands there again and again is what goes round. Of the timeline only the beginning is kept, which \
                  shows how the run came there. A loop that uses nothing of all that is ended by misrule's watchdog, \
                  with exit code 4.",
    requirements: &["F2"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(RUNS_AWAY.id);
    if let Some(ran_away) = &evidence.trace.ran_away {
        let what =
            if ran_away.at_one_instant { "more than 10,000 events came at one instant" } else { "it had no end" };
        let message = format!(
            "the run was ended after {} uses of ports, {} ms after its beginning, because {what}; the last ones: {}",
            ran_away.uses,
            ran_away.at.as_millis(),
            in_a_row(&ran_away.last)
        );
        findings.add(message, evidence.trace.events.len().checked_sub(1));
    }
    findings.verdict()
}

/// Uses in their order; what comes again and again is said once, with how often.
fn in_a_row(last: &[String]) -> String {
    let mut text = String::new();
    for same in last.chunk_by(PartialEq::eq) {
        let comma = if text.is_empty() { "" } else { ", " };
        let times = if same.len() > 1 { format!("{} × ", same.len()) } else { String::new() };
        write!(text, "{comma}{times}{}", same[0]).expect("writing to a string does not fail");
    }
    text
}

/// What is said of a run that was ended in its middle: of such a one no other rule can speak.
pub(super) fn alone(evidence: &Evidence<'_>) -> Vec<(&'static Oracle, Verdict)> {
    let verdict = |oracle: &&'static Oracle| {
        let verdict = if oracle.id == RUNS_AWAY.id {
            check(evidence)
        } else {
            Verdict::NoVerdict("the run was ended in its middle".to_owned())
        };
        (*oracle, verdict)
    };
    ALL.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oracle::testing::Run;
    use crate::trace::RanAway;

    #[test]
    fn a_run_with_an_end_is_kept() {
        Run::sale().kept(&RUNS_AWAY);
    }

    #[test]
    fn one_without_is_named_with_its_last_uses_and_judged_by_nothing_else() {
        let mut run = Run::sale();
        let last = ["clock", "log line", "log line", "clock"].map(str::to_owned).to_vec();
        run.record.trace.ran_away =
            Some(RanAway { at: Duration::from_millis(41), uses: 200_000, at_one_instant: false, last });
        let said = run.broken(&RUNS_AWAY);
        assert!(said.contains("200000 uses") && said.contains("41 ms"), "{said}");
        assert!(said.ends_with("clock, 2 × log line, clock"), "{said}");
    }
}
