//! What failures mean, how retries are paced, and what ends them.

use super::*;

fn reply(status: u16, retry_after: Option<&str>, body: &str) -> Response {
    Response { status, date: None, retry_after: retry_after.map(str::to_owned), body: body.to_owned().into() }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a valid instant")
}

#[test]
fn failures_are_told_apart_by_whether_the_request_may_have_been_applied() {
    let two = Some(Duration::from_secs(2));
    let cases: Vec<(Result<Response, TransportError>, Failure)> = vec![
        (Err(TransportError::NotSent), Failure::NotSent),
        (Err(TransportError::Broken), Failure::Unclear { retry_after: None }),
        (Err(TransportError::Cut), Failure::Unclear { retry_after: None }),
        (Ok(reply(500, None, "")), Failure::Unclear { retry_after: None }),
        (Ok(reply(503, Some("2"), "")), Failure::Unclear { retry_after: two }),
        (Ok(reply(302, None, "")), Failure::Unclear { retry_after: None }),
        (Ok(reply(408, None, "")), Failure::Unclear { retry_after: None }),
        (Ok(reply(429, Some("2"), "")), Failure::Unclear { retry_after: two }),
        (Ok(reply(429, Some("2"), "<html>")), Failure::Unclear { retry_after: two }),
        (Ok(reply(429, Some("2"), r#"{"error":{"code":"rate_limited"}}"#)), Failure::NotNow { retry_after: two }),
        (Ok(reply(425, Some("2"), r#"{"error":{"code":"too_early"}}"#)), Failure::NotNow { retry_after: two }),
        (Ok(reply(421, None, r#"{"error":{"code":"misdirected"}}"#)), Failure::NotNow { retry_after: None }),
        (Ok(reply(503, Some("2"), r#"{"error":{"code":"unavailable"}}"#)), Failure::NotNow { retry_after: two }),
        (Ok(reply(503, None, r#"{"error":{"code":503}}"#)), Failure::Unclear { retry_after: None }),
        (Ok(reply(401, None, r#"{"error":{"code":"unauthorized"}}"#)), Failure::Denied),
        (Ok(reply(403, None, r#"{"error":{"code":"forbidden"}}"#)), Failure::Denied),
        (Ok(reply(403, None, "<html>Forbidden</html>")), Failure::Unclear { retry_after: None }),
        (Ok(reply(402, None, r#"{"error":{"code":"quota_exceeded"}}"#)), Failure::Unclear { retry_after: None }),
        (Ok(reply(404, None, r#"{"message":"no Route matched"}"#)), Failure::Unclear { retry_after: None }),
        (Ok(reply(499, None, "")), Failure::Unclear { retry_after: None }),
        (Ok(reply(522, None, "<html>")), Failure::Unclear { retry_after: None }),
        (Ok(reply(409, Some("2"), r#"{"error":{"code":"in_flight"}}"#)), Failure::Unclear { retry_after: two }),
        (
            Ok(reply(402, None, r#"{"error":{"code":"card_declined","decline_code":"expired_card"}}"#)),
            Failure::Refused(Refusal {
                status: 402,
                code: "card_declined".into(),
                detail: Some("expired_card".into()),
            }),
        ),
    ];
    for (given, expected) in cases {
        let shown = format!("{given:?}");
        assert_eq!(classify("payment.charge", given, now()).expect_err("a failure"), expected, "{shown}");
    }
    assert!(classify("payment.charge", Ok(reply(200, None, "{}")), now()).is_ok());
}

#[test]
fn a_providers_free_text_is_not_passed_on() {
    let body = r#"{"error":{"code":"card_declined","decline_code":"at Charge.java:113 sk_live"}}"#;
    let failure = classify("payment.charge", Ok(reply(402, None, body)), now());
    let Err(Failure::Refused(refusal)) = failure else { panic!("{failure:?}") };
    assert_eq!(refusal.detail, None);
}

#[test]
fn delays_double_up_to_the_cap() {
    let (base, cap) = (Duration::from_millis(200), Duration::from_secs(10));
    let delays: Vec<_> = (1..=8).map(|number| backoff(base, cap, number).as_millis()).collect();
    assert_eq!(delays, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    assert_eq!(backoff(base, cap, 4000), cap);
}

#[tokio::test(start_paused = true)]
async fn a_budget_ends_a_storm_and_comes_back_with_time() {
    let policy = BudgetPolicy { retries_min: 3, retries_percent: 10, window: Duration::from_secs(10) };
    let budgets = Budgets::new(policy);
    let taken = (0..10).filter(|_| budgets.take(Provider::Payment)).count();
    assert_eq!(taken, 3);
    assert!(budgets.take(Provider::Catalog), "each provider has its own");
    for _ in 0..10 {
        budgets.count_call(Provider::Payment);
    }
    assert!(budgets.take(Provider::Payment), "ten calls earn one retry");
    assert!(!budgets.take(Provider::Payment));
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(budgets.take(Provider::Payment));
}

/// No port but entropy is reached by pacing.
struct Nowhere;

impl crate::ports::Transport for Nowhere {
    fn send(&self, _request: crate::ports::Request) -> crate::ports::BoxFuture<'_, Result<Response, TransportError>> {
        unreachable!("pacing sends nothing")
    }
}

fn ports() -> Ports {
    use std::sync::Arc;

    use crate::adapters::{OsEntropy, SystemClock, TokioTasks, TracingStepLog};

    Ports {
        transport: Arc::new(Nowhere),
        journal: Arc::new(crate::journal::memory::MemoryJournal::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy::new().unwrap()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(TracingStepLog),
    }
}

const UNCLEAR: Failure = Failure::Unclear { retry_after: None };

fn not_now(seconds: u64) -> Failure {
    Failure::NotNow { retry_after: Some(Duration::from_secs(seconds)) }
}

fn far() -> Urgency {
    Urgency::Caller { deadline: Instant::now() + Duration::from_secs(600) }
}

/// The delays before each further attempt of a call that fails like this again and again, and its end.
async fn paced(
    policy: &RetryPolicy,
    budgets: &Budgets,
    urgency: Urgency,
    failure: Failure,
) -> (Vec<Duration>, CallFailed) {
    let ports = ports();
    let mut retry = Retry::new(&ports, policy, budgets, Provider::Payment, urgency);
    let mut delays = Vec::new();
    loop {
        let failed_at = Instant::now();
        match retry.again(failure.clone()).await {
            Ok(()) => delays.push(failed_at.elapsed()),
            Err(failed) => return (delays, failed),
        }
    }
}

fn policy(attempts_max: u32) -> RetryPolicy {
    RetryPolicy { attempts_max, ..crate::policy::Policy::default().retry }
}

fn plenty() -> Budgets {
    Budgets::new(BudgetPolicy { retries_min: 1000, retries_percent: 10, window: Duration::from_secs(10) })
}

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_the_cap_and_jitter_only_adds() {
    let policy = policy(12);
    for failure in [UNCLEAR, Failure::NotSent, Failure::NotNow { retry_after: None }] {
        let (delays, _) = paced(&policy, &plenty(), far(), failure).await;
        assert_eq!(delays.len(), 11, "attempts are bounded");
        for (number, delay) in (1..).zip(&delays) {
            let least = backoff(policy.delay_base, policy.delay_cap, number);
            // The paused clock counts whole milliseconds.
            let most = least + policy.jitter_max + Duration::from_millis(1);
            assert!((least..=most).contains(delay), "delay {number} is {delay:?}, not in {least:?}..={most:?}");
        }
        assert!(delays.iter().any(|delay| delay.subsec_micros() % 100_000 != 0), "no jitter: {delays:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_when_is_asked_then_but_not_later_than_the_cap_nor_before_the_own_delay() {
    let policy = policy(3);
    for asked in [0, 3, 30, 3000, u64::MAX] {
        for failure in [not_now(asked), Failure::Unclear { retry_after: Some(Duration::from_secs(asked)) }] {
            let (delays, _) = paced(&policy, &plenty(), far(), failure).await;
            assert_eq!(delays.len(), 2);
            for (number, delay) in (1..).zip(&delays) {
                let own = backoff(policy.delay_base, policy.delay_cap, number);
                let least = Duration::from_secs(asked).min(policy.retry_after_cap).max(own);
                let most = least + policy.jitter_max + Duration::from_millis(1);
                assert!((least..=most).contains(delay), "Retry-After: {asked}: {delay:?} is not {least:?}..={most:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_ends_the_call_at_once_and_is_told() {
    let begun = Instant::now();
    let urgency = Urgency::Caller { deadline: begun + Duration::from_secs(5) };
    let (delays, failed) = paced(&policy(4), &plenty(), urgency, not_now(5)).await;
    assert_eq!((delays, begun.elapsed()), (vec![], Duration::ZERO));
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(5)));
    let (delays, _) =
        paced(&policy(4), &plenty(), Urgency::Caller { deadline: Instant::now() + Duration::from_secs(5) }, not_now(4))
            .await;
    assert_eq!(delays.len(), 1, "one fits, a second does not");
}

#[tokio::test(start_paused = true)]
async fn whether_it_may_have_been_applied_is_remembered_from_the_first_doubt_on() {
    let ports = ports();
    let (policy, budgets) = (policy(5), plenty());
    let refused = || Failure::Refused(Refusal { status: 400, code: String::from("invalid"), detail: None });
    for (failures, expected) in [
        (vec![Failure::NotSent, Failure::NotSent, refused()], false),
        (vec![not_now(1), refused()], false),
        (vec![Failure::Denied], false),
        (vec![UNCLEAR, Failure::Denied], true),
        (vec![refused()], false),
        (vec![UNCLEAR, refused()], true),
        (vec![Failure::NotSent, UNCLEAR, Failure::NotSent, refused()], true),
    ] {
        let mut retry = Retry::new(&ports, &policy, &budgets, Provider::Payment, far());
        let shown = format!("{failures:?}");
        let mut ended = None;
        for failure in failures {
            ended = retry.again(failure).await.err();
        }
        assert_eq!(
            ended.expect("a refusal ends the call, and so does a key that is not accepted").maybe_applied,
            expected,
            "{shown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_ends_a_callers_retries_and_never_an_undo() {
    let budgets = Budgets::new(BudgetPolicy { retries_min: 1, retries_percent: 0, window: Duration::from_secs(3600) });
    let (delays, _) = paced(&policy(4), &budgets, far(), UNCLEAR).await;
    assert_eq!(delays.len(), 1);
    let (delays, _) = paced(&policy(4), &budgets, far(), UNCLEAR).await;
    assert_eq!(delays.len(), 0);
    let undo = Urgency::Undo { until: Instant::now() + Duration::from_secs(600) };
    let (delays, _) = paced(&policy(4), &budgets, undo, UNCLEAR).await;
    assert_eq!(delays.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_undo_ends_with_its_caller_and_a_round_is_one_attempt() {
    let undo = Urgency::Undo { until: Instant::now() + Duration::from_secs(2) };
    let (delays, failed) = paced(&policy(4), &plenty(), undo, not_now(30)).await;
    assert_eq!(
        (delays.len(), failed.retry_after()),
        (0, Some(Duration::from_secs(30))),
        "the background waits, not the undo"
    );
    let (delays, _) = paced(&policy(4), &plenty(), Urgency::Round, UNCLEAR).await;
    assert_eq!(delays.len(), 0);
}

#[test]
fn failures_in_a_row_are_counted_from_the_first_attempt_on() {
    let budgets = plenty();
    assert_eq!(budgets.failures_in_a_row(Provider::Catalog), None);
    assert_eq!([false, false, true, false].map(|reachable| budgets.note(Provider::Catalog, reachable)), [1, 2, 0, 1]);
    assert_eq!(budgets.failures_in_a_row(Provider::Catalog), Some(1));
    assert_eq!(budgets.failures_in_a_row(Provider::Payment), None);
}

#[test]
fn only_what_looks_like_a_code_is_passed_on() {
    for word in ["card_declined", "tea-set", "3d_secure_2", "mug-blue-12"] {
        assert!(is_word(word), "{word}");
    }
    for other in [
        "",
        "Card",
        "a b",
        "10.0.0.7:80",
        "at x.java:1",
        "4242424242424242",
        "sk_live_51h8c0ff33d00d7a",
        "4242-4242-4242",
    ] {
        assert!(!is_word(other), "{other}");
    }
}

#[test]
fn a_date_is_meant_by_the_clock_of_whoever_names_it() {
    let asked = |date: Option<&str>, ours: &str| {
        let retry_after = Some(String::from("Thu, 01 Jan 2026 00:00:09 GMT"));
        let response = Response { status: 503, retry_after, date: date.map(str::to_owned), body: bytes::Bytes::new() };
        match classify("payment.charge", Ok(response), ours.parse().unwrap()) {
            Err(Failure::Unclear { retry_after }) => retry_after.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let theirs = Some("Thu, 01 Jan 2026 00:00:04 GMT");
    assert_eq!(asked(theirs, "2026-01-01T01:00:00Z"), Duration::from_secs(5), "ours is ahead");
    assert_eq!(asked(theirs, "2025-12-31T00:00:00Z"), Duration::from_secs(5), "ours is behind");
    assert_eq!(asked(theirs, "2026-01-01T00:00:04.5Z"), Duration::from_millis(4500), "they agree");
    assert_eq!(asked(None, "2026-01-01T01:00:00Z"), Duration::ZERO);
    assert_eq!(asked(Some("yesterday"), "2026-01-01T00:00:02Z"), Duration::from_secs(7));
}
