//! Each manner of calling, over a world that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use giftgenius::adapters::SystemClock;
use giftgenius::ports::BoxFuture;
use serde_json::json;

use super::*;
use crate::choice::Choices;
use crate::fault::plan::Plan;
use crate::oracle::Rest;
use crate::provider::Providers;
use crate::provider::catalog::Fixture;
use crate::scenario::{Known, parse};
use crate::trace::Recorder;
use crate::world::stage::Stage;

/// How long the world takes for an answer.
const ANSWER_MS: u64 = 100;

/// A world that answers what it was given and notes what it was asked.
struct Scripted {
    stage: Stage,
    answers: Mutex<VecDeque<HostReply>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(answers: &[HostReply], plan: Plan) -> Self {
        let providers = Providers::new((&giftgenius::policy::Policy::default()).into(), &Fixture::embedded());
        let choices = Choices::replay(plan);
        Self {
            stage: Stage::new(providers, choices, Recorder::start(), Arc::new(SystemClock)),
            answers: Mutex::new(answers.iter().cloned().collect()),
            asked: Arc::default(),
        }
    }

    fn note(&self, what: String) {
        self.asked.lock().expect("no panic").push(what);
    }
}

impl World for Scripted {
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let key = call.arguments.get("idempotency_key").and_then(Value::as_str).unwrap_or("no key").to_owned();
        self.note(format!("{} {key} as {} ({})", call.tool, call.user, call.correlation));
        let answer = self.answers.lock().expect("no panic").pop_front().unwrap_or(HostReply::NoAnswer);
        let asked = self.asked.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(ANSWER_MS)).await;
            asked.lock().expect("no panic").push(String::from("answered"));
            answer
        })
    }

    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        self.note(format!("wait {} ms", span.as_millis()));
        Box::pin(tokio::time::sleep(span))
    }

    fn rest(&self) -> BoxFuture<'_, Result<(), RunError>> {
        self.note(String::from("rest"));
        Box::pin(async { Ok(()) })
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), RunError>> {
        self.note(String::from("restart"));
        Box::pin(async { Ok(()) })
    }

    fn switch(&self, checkout: bool) -> BoxFuture<'_, Result<(), RunError>> {
        self.note(format!("switch {checkout}"));
        Box::pin(async { Ok(()) })
    }

    fn health(&self, when: Poll) -> Option<BoxFuture<'_, ()>> {
        if when == Poll::Scripted {
            self.note(String::from("health"));
        }
        None
    }

    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>> {
        Box::pin(async { Ok(Rest::default()) })
    }

    fn stage(&self) -> &Stage {
        &self.stage
    }
}

fn result(status: &str) -> HostReply {
    HostReply::Tool { structured: json!({"status": status, "order_id": "ord_1"}).into(), is_error: false }
}

fn error(retryable: bool, retry_after_ms: Option<u64>) -> HostReply {
    let structured = json!({"error": {"retryable": retryable, "retry_after_ms": retry_after_ms}});
    HostReply::Tool { structured: structured.into(), is_error: true }
}

/// What the world was asked while a script was played, but for the rest at its end.
fn played(script: &str, answers: &[HostReply]) -> (Vec<String>, Scripted) {
    let text = format!("title = \"T\"\nlesson = \"L.\"\n{script}");
    let scenario = parse(&text, "a/b", "a/b.toml".as_ref(), &Known::default())
        .unwrap_or_else(|error| panic!("{}", error.render(false)));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let world = Scripted::new(answers, scenario.plan.clone());
    runtime.block_on(play(&scenario, &world)).expect("the world never fails");
    let mut asked = world.asked.lock().expect("no panic").clone();
    assert_eq!(asked.pop().as_deref(), Some("rest"), "a script ends at rest");
    (asked, world)
}

/// A sale in this manner, answered like this.
fn sale(manner: &str, answers: &[HostReply]) -> Vec<String> {
    let script = format!(
        "[[script]]\ncall = \"create_order\"\nargs = {{ idempotency_key = \"{{key:pay}}\" }}\n{manner}\n\
         [[script]]\ncall = \"get_payment_methods\"\n"
    );
    let (mut asked, _) = played(&script, answers);
    assert_eq!(asked.pop().as_deref(), Some("answered"));
    assert!(asked.pop().is_some_and(|last| last.starts_with("get_payment_methods")), "the script goes on");
    asked
}

fn call(number: u32, key: u32) -> String {
    format!("create_order key-of-pay-{key} as ada (step-1.{number})")
}

fn answered() -> String {
    String::from("answered")
}

fn waits(ms: u64) -> String {
    format!("wait {ms} ms")
}

#[test]
fn a_plain_call_is_made_once() {
    assert_eq!(sale("", &[result("success")]), [call(1, 1), answered()]);
}

#[test]
fn a_repeated_call_waits_for_the_answer_before_and_keeps_its_key() {
    assert_eq!(sale("repeat = 2", &[result("success")]), [call(1, 1), answered(), call(2, 1), answered()]);
}

#[test]
fn concurrent_calls_all_begin_before_any_is_answered() {
    assert_eq!(sale("concurrent = 3", &[]), [call(1, 1), call(2, 1), call(3, 1), answered(), answered(), answered()]);
}

#[test]
fn a_double_click_is_two_calls_at_once_with_a_key_each() {
    assert_eq!(sale("double_click = true", &[]), [call(1, 1), call(2, 2), answered(), answered()]);
}

#[test]
fn a_regenerated_call_comes_after_the_answer_with_a_fresh_key() {
    assert_eq!(sale("regenerate = true", &[]), [call(1, 1), answered(), call(2, 2), answered()]);
}

#[test]
fn a_model_retries_what_is_pending_or_retryable_after_what_it_is_told() {
    let answers = [error(true, Some(250)), result("pending"), result("success")];
    assert_eq!(
        sale("retry = 5", &answers),
        [call(1, 1), answered(), waits(250), call(2, 1), answered(), waits(1000), call(3, 1), answered()]
    );
}

#[test]
fn a_model_does_not_retry_what_failed_for_good() {
    assert_eq!(sale("retry = 5", &[error(false, Some(250))]), [call(1, 1), answered()]);
}

#[test]
fn a_model_stops_after_its_last_retry_without_another_pause() {
    assert_eq!(
        sale("retry = 2", &[error(true, None), error(true, None)]),
        [call(1, 1), answered(), waits(1000), call(2, 1), answered()]
    );
}

#[test]
fn silence_is_retried_too() {
    assert_eq!(
        sale("retry = 2", &[HostReply::NoAnswer, result("success")]),
        [call(1, 1), answered(), waits(1000), call(2, 1), answered()]
    );
}

#[test]
fn a_cancelled_call_is_never_answered() {
    assert_eq!(sale("cancel_after_ms = 40", &[result("success")]), [call(1, 1), waits(40)]);
}

#[test]
fn a_call_that_was_answered_in_time_is_not_cancelled() {
    let script = "[[script]]\ncall = \"get_payment_methods\"\ncancel_after_ms = 200\n";
    let (asked, world) = played(script, &[result("success")]);
    assert_eq!(asked[1..], [waits(200), answered()]);
    assert_eq!(replies(&world), [result("success")]);
}

/// What the record says the host was told, in order.
fn replies(world: &Scripted) -> Vec<HostReply> {
    let record = world.stage.recorder().finish();
    let replies = record.trace.events.into_iter().filter_map(|event| match event.kind {
        EventKind::CallEnded { reply, .. } => Some(reply),
        _ => None,
    });
    replies.collect()
}

#[test]
fn what_goes_wrong_with_one_of_several_calls_happens_after_those_before_it_have_begun() {
    let script = "[[script]]\ncall = \"get_payment_methods\"\nconcurrent = 3\n\
                  [faults]\n\"host.call#2\" = \"jump(reservation)\"\n";
    let (_, world) = played(script, &[]);
    let events = world.stage.recorder().finish().trace.events;
    let told: Vec<_> = events
        .iter()
        .map(|event| match &event.kind {
            EventKind::CallStarted(_) => "begun",
            EventKind::Struck { .. } => "struck",
            EventKind::CallEnded { .. } => "ended",
            other => unreachable!("nobody else writes: {other:?}"),
        })
        .collect();
    assert_eq!(told, ["begun", "struck", "begun", "begun", "ended", "ended", "ended"]);
}

#[test]
fn every_call_is_recorded_with_its_step_and_its_end() {
    let script = "[[script]]\ncall = \"get_payment_methods\"\nrepeat = 2\n\
                  [[script]]\ncall = \"get_payment_methods\"\nuser = \"bob\"\ncancel_after_ms = 10\n";
    let (_, world) = played(script, &[result("success"), HostReply::NoAnswer]);
    let record = world.stage.recorder().finish();
    let told: Vec<_> = record
        .trace
        .events
        .iter()
        .map(|event| match &event.kind {
            EventKind::CallStarted(started) => format!("{} step {} {}", started.call.0, started.step, started.user),
            EventKind::CallEnded { call, reply } => format!("{} {reply:?}", call.0),
            other => unreachable!("nobody else writes: {other:?}"),
        })
        .collect();
    let ended = format!("0 {:?}", result("success"));
    assert_eq!(told, ["0 step 1 ada", &ended, "1 step 1 ada", "1 NoAnswer", "2 step 2 bob", "2 Cancelled"]);
}

#[test]
fn steps_that_are_no_calls_are_passed_on_in_order() {
    let script = "[[script]]\ncall = \"get_payment_methods\"\n[[script]]\nwait_ms = 500\n[[script]]\nwait = \"rest\"\n\
                  [[script]]\nrestart = true\n[[script]]\nswitch = \"off\"\n[[script]]\nswitch = \"on\"\n";
    let (asked, _) = played(script, &[]);
    assert_eq!(asked[2..], ["wait 500 ms", "rest", "restart", "switch false", "switch true"]);
}

#[test]
fn a_call_about_an_order_that_was_never_told_is_left_out() {
    let script = "[[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\n\
                  [[script]]\ncall = \"create_order\"\nintent = \"gift\"\n\
                  [[script]]\ncall = \"get_order\"\nintent = \"gift\"\n";
    let (asked, _) = played(script, &[]);
    assert_eq!(asked.len(), 2, "only the first call: {asked:?}");
}
