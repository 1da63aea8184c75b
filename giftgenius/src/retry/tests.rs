//! What failures mean, how retries are paced, and what ends them.

use super::*;

fn reply(status: u16, retry_after: Option<&str>, body: &str) -> Response {
    Response { status, retry_after: retry_after.map(str::to_owned), body: body.to_owned().into() }
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
        (Ok(reply(429, Some("2"), "")), Failure::NotNow { retry_after: two }),
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
        assert_eq!(classify(given, now()).expect_err("a failure"), expected, "{shown}");
    }
    assert!(classify(Ok(reply(200, None, "{}")), now()).is_ok());
}

#[test]
fn a_providers_free_text_is_not_passed_on() {
    let failure = classify(Ok(reply(400, None, r#"{"error":{"code":"at Charge.java:113 sk_live"}}"#)), now());
    let Err(Failure::Refused(refusal)) = failure else { panic!("{failure:?}") };
    assert_eq!(refusal.code, "unspecified");
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    assert_eq!(parse_retry_after(" 7 ", now()), Some(Duration::from_secs(7)));
    assert_eq!(parse_retry_after("Thu, 01 Jan 2026 00:00:09 GMT", now()), Some(Duration::from_secs(9)));
    assert_eq!(parse_retry_after("Wed, 31 Dec 2025 00:00:00 GMT", now()), Some(Duration::ZERO));
    assert_eq!(parse_retry_after("soon", now()), None);
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
