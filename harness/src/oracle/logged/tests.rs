use std::time::Duration;

use giftgenius::error::{Code, Effects};
use giftgenius::step_log::{AttemptLine, AttemptUrgency, CheckoutStatus, ServiceEvent, ServiceLine, UNKNOWN_TOOL};
use serde_json::json;

use super::*;
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::oracle::testing::{Run, session_answer, success};
use crate::provider::operations::{CHARGE, LOOK_UP};
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, HostReply, Seen};

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
    with_tool_line(|line| line.asked = Some(std::sync::Arc::default())).broken(&LOGGED);
    with_tool_line(|line| line.asked = None).broken(&LOGGED);
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
fn an_order_begins_with_one_line_and_no_other_comes_before() {
    let without = || {
        with_lines(|line| {
            if let LogLine::Step(line) = line
                && line.status == StepStatus::Started
            {
                line.step_id = "look".into();
            }
        })
    };
    let said = without().broken(&LOGGED);
    assert!(said.contains("none before it that it began"), "{said}");
    // Whoever was to log it may have died before, and a write that failed for its caller may have been made.
    let mut run = without();
    run.die(2);
    run.kept(&LOGGED);
    let mut run = without();
    run.strike(Place::JournalWrite, Fault::Busy);
    let line = ServiceLine::new(ServiceEvent::StoreFailed, jiff::Timestamp::UNIX_EPOCH);
    run.log(LogLine::Service(ServiceLine { error: Some("busy".into()), ..line }));
    run.kept(&LOGGED);
    let mut run = Run::sale();
    run.order_step("order", StepStatus::Started, "ord_1");
    assert!(run.broken(&LOGGED).contains("the beginning of order ord_1 is logged twice"));
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
    // Beyond the limit one line is for many.
    let held_off = |said: bool| {
        let mut run = hallucinated(true);
        run.policy.users.calls_max = 1;
        let call = run.call("buy_gift", json!({}));
        if said {
            let line = ServiceLine::new(ServiceEvent::UnknownToolsHeldOff, jiff::Timestamp::UNIX_EPOCH);
            run.log(LogLine::Service(ServiceLine { count: Some(1), ..line }));
        }
        run.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
        run
    };
    // A call that was taken when the process had started counts from then on.
    let mut late = Run::new();
    late.policy.users.calls_max = 1;
    let call = late.call("buy_gift", json!({}));
    late.wait_ms(1000);
    late.step(UNKNOWN_TOOL, StepStatus::Failed, Some(Code::InvalidArguments));
    late.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
    late.wait_ms(59_500);
    let call = late.call("buy_gift", json!({}));
    let line = ServiceLine::new(ServiceEvent::UnknownToolsHeldOff, jiff::Timestamp::UNIX_EPOCH);
    late.log(LogLine::Service(ServiceLine { count: Some(1), ..line }));
    late.reply(call, HostReply::Protocol { code: -32602, message: String::from("unknown tool") });
    late.kept(&LOGGED);
    held_off(true).kept(&LOGGED);
    assert!(held_off(false).broken(&LOGGED).contains("none says that calls of tools that there are not were held off"));
}

#[test]
fn calls_of_unknown_tools_are_summarised_once_a_minute() {
    let summed_up_after = |ms: u64| {
        let mut run = Run::sale();
        for _ in 0..2 {
            let line = ServiceLine::new(ServiceEvent::UnknownToolsHeldOff, jiff::Timestamp::UNIX_EPOCH);
            run.log(LogLine::Service(ServiceLine { count: Some(1), ..line }));
            run.wait_ms(ms);
        }
        run
    };
    summed_up_after(60_000).kept(&LOGGED);
    assert!(summed_up_after(58_000).broken(&LOGGED).contains("more than once a minute"));
}
