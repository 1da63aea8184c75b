//! What may change places without a difference, and what may not.

use std::collections::BTreeMap;

use serde_json::json;

use super::channels;
use super::order::Canonical;
use crate::fault::Faults;
use crate::fault::site::Site;
use crate::provider::OperationSpec;
use crate::provider::operations::{CHARGE, RESERVE};
use crate::trace::{CallId, CallStarted, EventKind, ExchangeId, HostReply, Record, Seen, Sent};

/// A run being written.
#[derive(Default)]
struct Run {
    record: Record,
    arrivals: BTreeMap<&'static str, u32>,
}

impl Run {
    fn push(&mut self, kind: EventKind) {
        self.record.push(std::time::Duration::ZERO, kind);
    }

    fn begin(&mut self, call: u32, key: &str) {
        self.push(EventKind::CallStarted(Box::new(CallStarted {
            call: CallId(call),
            step: 1,
            tool: "create_order".into(),
            arguments: json!({ "idempotency_key": key }).into(),
            key: Some(key.into()),
            user: "ada".into(),
            correlation: correlation(call).into(),
            intent: None,
            malformed: None,
        })));
    }

    fn end(&mut self, call: u32, structured: serde_json::Value) {
        self.push(EventKind::CallEnded {
            call: CallId(call),
            reply: HostReply::Tool { structured: structured.into(), is_error: false },
        });
    }

    /// A request on behalf of a call that goes well.
    fn send(&mut self, call: u32, operation: &'static OperationSpec, order: &str) {
        let exchange = self.record.next_exchange();
        let arrivals = self.arrivals.entry(operation.label).or_default();
        *arrivals += 1;
        let site = Site { place: operation.into(), arrival: *arrivals, for_step: None };
        self.push(EventKind::Sent(Box::new(sent(exchange, site, call, order))));
        self.push(EventKind::Answered { exchange, seen: Seen::Reply { status: 200, retry_after: None, intact: true } });
    }

    fn text(&self) -> String {
        self.text_of(1)
    }

    fn text_of(&self, replicas: u32) -> String {
        let canonical = Canonical::of(&self.record, replicas);
        canonical.rename(&channels::text(&canonical.record.trace.events))
    }
}

fn correlation(call: u32) -> String {
    format!("step-1.{}", call + 1)
}

fn sent(exchange: ExchangeId, site: Site, call: u32, order: &str) -> Sent {
    Sent {
        exchange,
        site,
        operation: site.place.operation().expect("a request"),
        key: None,
        correlation: correlation(call).into(),
        step: Some(1),
        reference: Some(order.into()),
        amount: None,
        currency: None,
        customer: None,
        question: 0,
        faults: Faults::default(),
    }
}

/// Two clicks, of which the system takes `first` and lets the other join; the answers come in this order.
fn double_click(first: u32, order: &str, answers: [u32; 2]) -> Run {
    let mut run = Run::default();
    run.begin(0, "key-a");
    run.begin(1, "key-b");
    run.send(first, &RESERVE, order);
    run.send(first, &CHARGE, order);
    for call in answers {
        run.end(call, json!({ "order_id": order, "request": correlation(call) }));
    }
    run
}

#[test]
fn which_of_two_clicks_the_system_takes_first_is_no_difference() {
    let one = double_click(0, "ord_1a", [0, 1]).text();
    for (first, answers) in [(0, [1, 0]), (1, [0, 1]), (1, [1, 0])] {
        assert_eq!(double_click(first, "ord_9f", answers).text(), one);
    }
    assert!(one.contains("\"request\": \"call 2\""), "{one}");
    assert!(one.contains("inventory.reserve#1 of call 1") && !one.contains("of call 2"), "{one}");
}

/// Two calls with one key, at once or one after the other, the second of which finds the answer written if it is a replay.
fn asked_twice(at_once: bool, replayed: bool) -> String {
    let mut run = Run::default();
    let answer = json!({ "order_id": "ord_1a" });
    let second =
        if replayed { json!({ "order_id": "ord_1a", "replayed": true, "as_of": "<time>" }) } else { answer.clone() };
    run.begin(0, "key-a");
    if at_once {
        run.begin(1, "key-a");
    }
    run.send(0, &CHARGE, "ord_1a");
    run.end(0, answer);
    if !at_once {
        run.begin(1, "key-a");
    }
    run.end(1, second);
    run.text()
}

#[test]
fn whether_the_second_of_two_calls_at_once_waits_or_finds_the_answer_is_no_difference() {
    assert_eq!(asked_twice(true, false), asked_twice(true, true));
    assert_ne!(asked_twice(false, false), asked_twice(false, true));
}

/// A call that one life of the system answers.
fn taken_by(life: u32) -> Run {
    let mut run = Run::default();
    run.record.incarnation = life;
    run.begin(0, "key-a");
    run.send(0, &CHARGE, "ord_1a");
    run
}

#[test]
fn which_of_two_replicas_sends_is_no_difference_and_which_life_of_the_only_one_is() {
    assert_eq!(taken_by(1).text_of(2), taken_by(3).text_of(2));
    assert_ne!(taken_by(1).text_of(1), taken_by(3).text_of(1));
}

#[test]
fn that_both_clicks_send_is_a_difference() {
    let mut run = double_click(0, "ord_1a", [0, 1]);
    let one = run.text();
    run.send(1, &CHARGE, "ord_1a");
    assert_ne!(run.text(), one);
}

#[test]
fn calls_one_after_another_do_not_change_places() {
    let text = |answers: [&str; 2]| {
        let mut run = Run::default();
        for (call, answer) in (0..).zip(answers) {
            run.begin(call, "key-a");
            run.end(call, json!({ "status": answer }));
        }
        run.text()
    };
    assert_ne!(text(["pending", "success"]), text(["success", "pending"]));
}

#[test]
fn what_is_sent_for_two_orders_at_once_may_interleave_but_what_is_sent_for_one_may_not() {
    let text = |requests: [(u32, &'static OperationSpec); 4]| {
        let mut run = Run::default();
        run.begin(0, "key-a");
        run.begin(1, "key-b");
        for (call, operation) in requests {
            run.send(call, operation, ["ord_1a", "ord_2b"][call as usize]);
        }
        run.text()
    };
    let one = text([(0, &RESERVE), (0, &CHARGE), (1, &RESERVE), (1, &CHARGE)]);
    assert_eq!(text([(1, &RESERVE), (1, &CHARGE), (0, &RESERVE), (0, &CHARGE)]), one);
    assert_eq!(text([(0, &RESERVE), (1, &RESERVE), (0, &CHARGE), (1, &CHARGE)]), one);
    assert_eq!(text([(0, &RESERVE), (1, &RESERVE), (1, &CHARGE), (0, &CHARGE)]), one);
    assert_ne!(text([(0, &CHARGE), (0, &RESERVE), (1, &RESERVE), (1, &CHARGE)]), one);
}
