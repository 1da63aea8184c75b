//! `health-true`: the health page says how things stand, within a second, and changes nothing.

use std::time::Duration;

use giftgenius::operations::health::{Checkout, Health, Sagas, Status, StoreState};
use giftgenius::ports::Provider;

use super::alert_fits::reached;
use super::evidence::{Evidence, ExchangeView};
use super::{Findings, Oracle, Verdict};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, HealthAsked, Probe, Seen};

/// The rule.
pub static HEALTH_TRUE: Oracle = Oracle {
    id: "health-true",
    rule: "The health page answers within a second: 503 if every write of its process in the last 10 s failed and one was \
           tried, 200 if the last one succeeded, and it tries a store that has taken none for five seconds; its switch and \
           counts of orders are the journal's; a provider is `down` only after three failed attempts in a row, and not \
           `unknown` once it answered; the whole is `ok` where all of it is; asking is no use of the journal.",
    explanation: "An orchestrator takes a replica out, and a person is woken, by this page alone. One that reads and never \
                  writes is green on a full disk; one that turns red at the first failure takes healthy replicas out; and one \
                  that asks the store for more than it needs slows down what it watches. misrule asks after every call and at \
                  rest on the wire, in simulation where the script says so and at rest once the store failed or the switch \
                  was turned. A breach says what the page said and what the run shows.",
    requirements: &["I6"],
    check,
};

/// So long back failed writes count.
const WINDOW: Duration = Duration::from_secs(10);

/// So soon the page is due.
const DUE: Duration = Duration::from_secs(1);

/// No probe is due for this long after a successful write (GiftGenius's `PROBE_AFTER`).
const WRITTEN_LATELY: Duration = Duration::from_secs(5);

/// No second probe is due for this long after the last one (GiftGenius's `PROBE_EVERY`).
const TRIED_LATELY: Duration = Duration::from_secs(1);

/// From so many failed attempts in a row on a provider may be called down.
const DOWN_FAILURES: usize = 3;

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(HEALTH_TRUE.id);
    for asked in &evidence.trace.health {
        judge(evidence, asked, &mut findings);
    }
    findings.verdict()
}

fn judge(evidence: &Evidence<'_>, asked: &HealthAsked, findings: &mut Findings) {
    let shown = asked.events.0.checked_sub(1);
    let mut wrong = |message: String| findings.add(message, shown);
    let Some((status, page)) = &asked.answer else {
        wrong(String::from("the health page was not answered at all"));
        return;
    };
    let took = asked.at.1.saturating_sub(asked.at.0);
    if took > DUE + evidence.tolerance(9 * DUE) {
        wrong(format!("the health page was answered after {} ms; it is due within a second", took.as_millis()));
    }
    if (*status == 503) != (page.store == StoreState::Unavailable) || !matches!(status, 200 | 503) {
        wrong(format!("the health page says that its store is {} with status {status}", store(page)));
    }
    match due_of_store(evidence, asked) {
        Some(503) if *status != 503 => wrong(format!(
            "the health page answered {status}, although every write of the last ten seconds was refused"
        )),
        Some(200) if *status != 200 => {
            wrong(format!("the health page answered {status}, although the last write was taken"));
        }
        Some(_) | None => {}
    }
    if owes_a_trial(evidence, asked) {
        wrong(String::from(
            "the health page was answered without trying its store, which took its last write long ago",
        ));
    }
    if let Some(message) = wrong_switch(evidence, asked, page).or_else(|| wrong_counts(evidence, asked, page)) {
        wrong(message);
    }
    for (provider, state) in Provider::ALL.into_iter().zip(providers(page)) {
        let failed = failed_in_a_row(evidence, asked, provider);
        if state == "down" && failed < DOWN_FAILURES {
            wrong(format!(
                "the health page calls the {} provider down after {failed} failed attempt{} in a row",
                provider.name(),
                if failed == 1 { "" } else { "s" }
            ));
        }
    }
    for message in wrong_words(evidence, asked, page) {
        wrong(message);
    }
    if let Some([before, after]) = asked.uses
        && before != after
    {
        wrong(format!(
            "the health page used the journal: {} reads and {} writes before, {} and {} after",
            before.0, before.1, after.0, after.1
        ));
    }
}

/// What the page says of the whole, and of providers, that does not go together or is no word of it.
fn wrong_words(evidence: &Evidence<'_>, asked: &HealthAsked, page: &Health) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_well = page.store == StoreState::Ok
        && page.checkout == Some(Checkout::On)
        && providers(page).iter().all(|state| *state != "down");
    if (page.status == Status::Ok) != is_well || page.mcp != "ok" {
        wrong.push(format!("the health page says {:?} of the whole and `{}` of MCP: {page:?}", page.status, page.mcp));
    }
    for (provider, state) in Provider::ALL.into_iter().zip(providers(page)) {
        let name = provider.name();
        match state {
            "unknown" if was_heard_of(evidence, asked, provider) => {
                wrong.push(format!("the health page does not know the {name} provider, and it was asked"));
            }
            "ok" | "down" | "unknown" => {}
            other => wrong.push(format!("the health page says `{other}` of the {name} provider")),
        }
    }
    wrong
}

/// Whether an attempt at a provider had certainly ended for the process when it was asked.
fn was_heard_of(evidence: &Evidence<'_>, asked: &HealthAsked, provider: Provider) -> bool {
    let slack = evidence.tolerance(Duration::from_millis(500));
    evidence.exchanges.iter().any(|exchange| {
        exchange.sent.operation.provider == provider
            && exchange.incarnation == asked.incarnation
            && exchange.answer.is_some_and(|(event, at, seen)| {
                event < asked.events.0 && at + slack < asked.at.0 && !matches!(seen, Seen::Silence)
            })
    })
}

const fn store(page: &Health) -> &'static str {
    match page.store {
        StoreState::Ok => "ok",
        StoreState::Unavailable => "unavailable",
    }
}

fn providers(page: &Health) -> [&str; 3] {
    Provider::ALL.map(|provider| match provider {
        Provider::Payment => &*page.providers.payment,
        Provider::Catalog => &*page.providers.catalog,
        Provider::Inventory => &*page.providers.inventory,
    })
}

/// How a write of a process went, as the run shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Taken,
    Refused,
    /// It took its time, or what became of it is not known.
    Unclear,
}

/// What status the writes of the process demand, where they do.
fn due_of_store(evidence: &Evidence<'_>, asked: &HealthAsked) -> Option<u16> {
    // What was refused has to have come back; on the wire that takes a moment.
    let slack = evidence.tolerance(Duration::from_millis(500));
    let begins = (asked.at.0 + slack).saturating_sub(WINDOW);
    let writes = writes(evidence, asked);
    let came_back = |at: Duration| evidence.world == WorldKind::Sim || at + slack <= asked.at.0;
    let refused = |(_, at, write): &(usize, Duration, Write)| {
        *write == Write::Refused && *at >= begins && *at <= asked.at.1 && came_back(*at)
    };
    // When a write was taken is known by the events around it.
    let at_latest =
        |order: usize, at: Duration| evidence.trace.events.get(order).map_or(asked.at.1, |event| event.at.max(at));
    let may_be_taken = |(order, at, write): &(usize, Duration, Write)| {
        *write != Write::Refused && at_latest(*order, *at) + slack >= asked.at.0.saturating_sub(WINDOW)
    };
    if writes.iter().any(refused) && !writes.iter().any(may_be_taken) {
        return Some(503);
    }
    let (order, at, last) = *writes.last()?;
    (last == Write::Taken && came_back(at_latest(order, at))).then_some(200)
}

/// Whether a simulated page had to try its store first, and did not: a store that took its last write long ago may be full by
/// now. On the wire the system tries it on its own as well, and when is not known.
fn owes_a_trial(evidence: &Evidence<'_>, asked: &HealthAsked) -> bool {
    let at_latest =
        |order: usize, at: Duration| evidence.trace.events.get(order).map_or(asked.at.1, |event| event.at.max(at));
    let writes = writes(evidence, asked);
    let is_lately = |(order, at, write): &(usize, Duration, Write)| {
        let lasts = if *write == Write::Refused { TRIED_LATELY } else { WRITTEN_LATELY };
        at_latest(*order, *at) + lasts >= asked.at.0
    };
    let is_tried_lately = |probe: &Probe| {
        probe.incarnation == asked.incarnation && probe.at <= asked.at.1 && probe.at + TRIED_LATELY >= asked.at.0
    };
    evidence.world == WorldKind::Sim
        && writes.iter().any(|(.., write)| *write == Write::Taken)
        && !writes.iter().any(is_lately)
        && !evidence.trace.probes.iter().any(is_tried_lately)
}

/// The writes of the process up to the answer, in order: after how many events, when at the earliest, and how it went.
fn writes(evidence: &Evidence<'_>, asked: &HealthAsked) -> Vec<(usize, Duration, Write)> {
    let trace = evidence.trace;
    let at = |after: usize| {
        after.checked_sub(1).and_then(|index| trace.events.get(index)).map_or(Duration::ZERO, |it| it.at)
    };
    let until = asked.events.1;
    let struck = trace.events[..until].iter().enumerate().filter_map(|(index, event)| {
        let EventKind::Struck { site, fault } = &event.kind else { return None };
        let write = if matches!(**fault, Fault::Busy | Fault::Full) { Write::Refused } else { Write::Unclear };
        let own = site.place == Place::JournalWrite && event.incarnation == asked.incarnation;
        own.then_some((index + 1, event.at, write))
    });
    let taken = &trace.writes[..asked.writes.unwrap_or(trace.writes.len())];
    let taken = taken.iter().filter(|write| write.incarnation == asked.incarnation && write.at <= until);
    // A later question's trial stands at the same place where nothing happened in between.
    let probes = trace
        .probes
        .iter()
        .filter(|probe| probe.incarnation == asked.incarnation && probe.after <= until && probe.at <= asked.at.1);
    let mut writes: Vec<_> = struck
        .chain(taken.map(|write| (write.at, at(write.at), Write::Taken)))
        .chain(probes.map(|probe| (probe.after, probe.at, if probe.taken { Write::Taken } else { Write::Refused })))
        .collect();
    writes.sort_by_key(|(order, ..)| *order);
    writes
}

fn wrong_switch(evidence: &Evidence<'_>, asked: &HealthAsked, page: &Health) -> Option<String> {
    let turns = |from: usize, to: usize| {
        evidence.trace.events[from..to].iter().filter_map(|event| match event.kind {
            EventKind::Switched { checkout } => Some(checkout),
            _ => None,
        })
    };
    let before = turns(0, asked.events.0).next_back().unwrap_or(evidence.checkout_on_at_start);
    let told = match page.checkout {
        Some(Checkout::On) => true,
        Some(Checkout::Off) => false,
        // A store that is slow to answer may be left out; a simulated one never is.
        None => return is_readable(evidence).then(|| String::from("the health page does not say how the switch is")),
    };
    let may_be = told == before || turns(asked.events.0, asked.events.1).any(|turned| turned == told);
    let word = |on: bool| if on { "on" } else { "off" };
    (!may_be).then(|| format!("the health page says that checkout is {}, and it is {}", word(told), word(before)))
}

fn wrong_counts(evidence: &Evidence<'_>, asked: &HealthAsked, page: &Health) -> Option<String> {
    let [before, after] = asked.orders?;
    let Some(Sagas { open, parked }) = page.sagas else {
        return is_readable(evidence).then(|| String::from("the health page does not say how many orders are open"));
    };
    // What changed meanwhile may have been seen on its way.
    (before == after && (open, parked) != before).then(|| {
        format!(
            "the health page counts {open} open and {parked} parked orders, and there are {} and {}",
            before.0, before.1
        )
    })
}

fn is_readable(evidence: &Evidence<'_>) -> bool {
    evidence.world == WorldKind::Sim
}

/// How many attempts at a provider may have failed in a row when the page was answered: those that ended after the last
/// one that the process had certainly seen answered.
fn failed_in_a_row(evidence: &Evidence<'_>, asked: &HealthAsked, provider: Provider) -> usize {
    let slack = evidence.tolerance(Duration::from_millis(500));
    let timeout = evidence.policy.retry.attempt_timeout;
    let own = || {
        evidence.exchanges.iter().filter(|exchange| {
            exchange.sent.operation.provider == provider
                && exchange.incarnation == asked.incarnation
                && exchange.sent_event < asked.events.1
        })
    };
    let ended = |exchange: &ExchangeView<'_>| match exchange.answer {
        Some((_, at, Seen::Reply { .. } | Seen::Broken | Seen::Cut | Seen::Refused)) => at,
        Some((_, _, Seen::Silence)) | None => exchange.start + timeout,
    };
    let seen_answered = |exchange: &&ExchangeView<'_>| {
        reached(exchange)
            && exchange.answer.is_some_and(|(event, at, _)| {
                event < asked.events.0 && (evidence.world == WorldKind::Sim || at + slack <= asked.at.0)
            })
    };
    let last = own().filter(seen_answered).map(ended).max();
    own()
        .filter(|exchange| !reached(exchange))
        .filter(|exchange| ended(exchange) <= asked.at.1 + slack)
        .filter(|exchange| last.is_none_or(|last| ended(exchange) >= last))
        .count()
}

#[cfg(test)]
mod tests {
    use giftgenius::operations::health::ProviderStates;

    use super::*;
    use crate::oracle::testing::Run;
    use crate::provider::operations::CHARGE;

    fn page() -> Health {
        let ok = || "ok".to_owned();
        Health {
            status: Status::Ok,
            mcp: ok(),
            time: jiff::Timestamp::UNIX_EPOCH,
            store: StoreState::Ok,
            providers: ProviderStates { payment: ok(), catalog: ok(), inventory: ok() },
            log_lines_dropped: 0,
            sagas: Some(Sagas { open: 0, parked: 0 }),
            checkout: Some(Checkout::On),
        }
    }

    fn ask(run: &mut Run, status: u16, change: impl FnOnce(&mut HealthAsked, &mut Health)) {
        let events = run.record.trace.events.len();
        let mut page = page();
        let mut asked = HealthAsked {
            events: (events, events),
            writes: Some(run.record.trace.writes.len()),
            at: (run.now, run.now),
            incarnation: 1,
            answer: None,
            orders: Some([(0, 0); 2]),
            uses: Some([(3, 4); 2]),
        };
        if status == 503 {
            page.store = StoreState::Unavailable;
        }
        change(&mut asked, &mut page);
        if page.store != StoreState::Ok || page.checkout != Some(Checkout::On) || page.providers.payment == "down" {
            page.status = if page.status == Status::Ok { Status::Degraded } else { Status::Ok };
        }
        asked.answer = Some((status, page));
        run.record.trace.health.push(asked);
    }

    fn refused(run: &mut Run) {
        run.strike(Place::JournalWrite, Fault::Full);
    }

    #[test]
    fn a_store_that_took_its_last_write_long_ago_is_tried() {
        let asked = |tried: Option<(u64, bool)>| {
            let mut run = Run::sale();
            run.write();
            run.get_order("ord_1", "success");
            run.wait_ms(20_000);
            let (after, now) = (run.record.trace.events.len(), run.now);
            run.record.trace.probes.extend(tried.map(|(ago, taken)| Probe {
                after,
                at: now.saturating_sub(Duration::from_millis(ago)),
                incarnation: 1,
                taken,
            }));
            ask(&mut run, 200, |_, _| {});
            run
        };
        assert!(asked(None).broken(&HEALTH_TRUE).contains("without trying its store"));
        asked(Some((0, true))).kept(&HEALTH_TRUE);
        asked(Some((5_000, true))).kept(&HEALTH_TRUE);
    }

    #[test]
    fn a_page_that_is_true_is_one() {
        let mut run = Run::sale();
        ask(&mut run, 200, |_, _| {});
        run.kept(&HEALTH_TRUE);
    }

    #[test]
    fn each_thing_that_is_not_so_is_told() {
        for (said, change) in [
            ("checkout is off", (|_, page| page.checkout = Some(Checkout::Off)) as fn(&mut HealthAsked, &mut Health)),
            ("does not say how the switch is", |_, page| page.checkout = None),
            ("1 open and 0 parked", |_, page| page.sagas = Some(Sagas { open: 1, parked: 0 })),
            ("0 open and 2 parked", |_, page| page.sagas = Some(Sagas { open: 0, parked: 2 })),
            ("payment provider down after 0", |_, page| page.providers.payment = "down".to_owned()),
            ("Degraded of the whole", |_, page| page.status = Status::Degraded),
            ("`` of MCP", |_, page| page.mcp.clear()),
            ("`` of the payment provider", |_, page| page.providers.payment.clear()),
            ("does not know the payment provider", |asked, page| {
                asked.at.0 += Duration::from_secs(1);
                asked.at.1 = asked.at.0;
                page.providers.payment = "unknown".to_owned();
            }),
            ("used the journal", |asked, _| asked.uses = Some([(3, 4), (4, 4)])),
            ("used the journal", |asked, _| asked.uses = Some([(3, 4), (3, 5)])),
            ("after 1002 ms", |asked, _| asked.at.1 += Duration::from_millis(1002)),
            ("store is unavailable with status 200", |_, page| page.store = StoreState::Unavailable),
        ] {
            let mut run = Run::sale();
            ask(&mut run, 200, change);
            let told = run.broken(&HEALTH_TRUE);
            assert!(told.contains(said), "{told}");
        }
        let mut run = Run::sale();
        ask(&mut run, 200, |_, _| {});
        run.record.trace.health[0].answer = None;
        assert!(run.broken(&HEALTH_TRUE).contains("not answered at all"));
    }

    #[test]
    fn counts_that_change_meanwhile_may_be_either() {
        let mut run = Run::sale();
        ask(&mut run, 200, |asked, page| {
            asked.orders = Some([(1, 0), (0, 0)]);
            page.sagas = Some(Sagas { open: 1, parked: 0 });
        });
        run.kept(&HEALTH_TRUE);
    }

    #[test]
    fn a_switch_that_was_turned_is_shown() {
        let mut run = Run::sale();
        run.push(EventKind::Switched { checkout: false });
        ask(&mut run, 200, |_, _| {});
        assert!(run.broken(&HEALTH_TRUE).contains("checkout is on, and it is off"));
    }

    #[test]
    fn a_store_that_takes_no_write_is_lost_until_it_takes_one() {
        let mut run = Run::new();
        refused(&mut run);
        ask(&mut run, 503, |_, _| {});
        run.kept(&HEALTH_TRUE);
        ask(&mut run, 200, |_, _| {});
        assert!(run.broken(&HEALTH_TRUE).contains("every write of the last ten seconds was refused"));
        run.record.trace.health.clear();
        let probe = Probe { after: run.record.trace.events.len(), at: run.now, incarnation: 1, taken: true };
        run.record.trace.probes.push(probe);
        ask(&mut run, 200, |_, _| {});
        run.kept(&HEALTH_TRUE);
        ask(&mut run, 503, |_, _| {});
        assert!(run.broken(&HEALTH_TRUE).contains("although the last write was taken"));
    }

    #[test]
    fn what_a_later_question_tried_says_nothing_of_an_earlier_one() {
        let mut run = Run::new();
        refused(&mut run);
        ask(&mut run, 503, |_, _| {});
        run.wait_ms(60_000);
        let probe = Probe { after: run.record.trace.events.len(), at: run.now, incarnation: 1, taken: true };
        run.record.trace.probes.push(probe);
        ask(&mut run, 200, |_, _| {});
        run.kept(&HEALTH_TRUE);
        ask(&mut run, 503, |_, _| {});
        assert!(run.broken(&HEALTH_TRUE).contains("although the last write was taken"));
    }

    #[test]
    fn one_refused_write_soon_after_a_taken_one_leaves_either() {
        for status in [200, 503] {
            let mut run = Run::sale();
            run.write();
            refused(&mut run);
            ask(&mut run, status, |_, _| {});
            run.kept(&HEALTH_TRUE);
            run.wait_ms(10_100);
            refused(&mut run);
            ask(&mut run, 503, |_, _| {});
            run.kept(&HEALTH_TRUE);
        }
    }

    #[test]
    fn a_provider_is_down_after_three_failures_in_a_row_and_up_after_a_reply() {
        let failing = |times: usize| {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            for _ in 0..times {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                run.see(charge, Seen::Refused);
            }
            run
        };
        let down = |run: &mut Run| ask(run, 200, |_, page| page.providers.payment = "down".to_owned());
        let mut run = failing(2);
        down(&mut run);
        assert!(run.broken(&HEALTH_TRUE).contains("down after 2 failed attempts in a row"));
        let mut run = failing(3);
        down(&mut run);
        run.kept(&HEALTH_TRUE);
        let mut run = failing(3);
        run.wait_ms(1);
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.see(charge, Seen::Reply { status: 404, retry_after: None, intact: true });
        run.wait_ms(1);
        down(&mut run);
        assert!(run.broken(&HEALTH_TRUE).contains("down after 0"));
    }
}
