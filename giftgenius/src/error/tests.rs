//! The table of codes, and the shape of an error.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// How a sentence begins that says what to do.
const ORDERS: [&str; 17] = [
    "add",
    "ask",
    "buy",
    "change",
    "check",
    "choose",
    "do not",
    "go",
    "leave",
    "pay",
    "pick",
    "say",
    "start",
    "try other",
    "use",
    "wait",
    "you can",
];

#[test]
fn every_code_has_a_sentence_that_promises_no_more_than_it_can() {
    let mut sentences = BTreeSet::new();
    for code in Code::ALL {
        let sentence = code.sentence();
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{}: {sentence}", code.as_str());
        assert!(sentence.starts_with(char::is_uppercase), "{}: {sentence}", code.as_str());
        assert!(sentences.insert(sentence), "{}: {sentence} is said of two codes", code.as_str());
        // What to do next is an order of its own: after the semicolon, after the comma that ends what happened, or after *and*.
        let advice = sentence.split_once("; ").map(|(_, advice)| advice).unwrap_or_default();
        assert!(ORDERS.iter().any(|order| advice.starts_with(order)), "{}: {sentence}", code.as_str());
        let encourages = sentence.to_lowercase().contains("try again");
        assert!(!encourages || code.retryable(), "{}: {sentence}", code.as_str());
        for jargon in ["idempotency", "retry", "session", "provider", "null", "error", "_"] {
            assert!(!sentence.to_lowercase().contains(jargon), "{}: {sentence}", code.as_str());
        }
    }
}

#[test]
fn what_can_be_done_fits_whether_a_repeat_helps() {
    for code in Code::ALL {
        assert!(!code.next().is_empty(), "{}", code.as_str());
        assert_eq!(code.next().contains(&Next::SameKeyAgain), code.retryable(), "{}", code.as_str());
        assert!(!code.retryable() || code.kind() == ErrorType::Technical, "{}", code.as_str());
    }
}

#[test]
fn a_code_reads_back_from_its_text() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.as_str()));
        assert_eq!(serde_json::from_value::<Code>(json!(code.as_str())).unwrap(), *code);
    }
}

#[test]
fn a_whole_error_says_everything() {
    let mut error = ToolError::new(Code::OutOfStock, "tea-set is out of stock", &"cor_1".into())
        .retry_after(Some(Duration::from_secs(2)))
        .about(&"ord_1".into(), Effects::None);
    error.violations = vec![
        Violation::new("/currency", "pattern", "a string that matches ^[A-Z]{3}$")
            .received(&json!("eur"))
            .allowing(vec![json!("EUR"), json!("USD")])
            .meaning(Some(json!("EUR"))),
    ];
    error.example = Some(json!({"items": []}));
    insta::assert_snapshot!(serde_json::to_string_pretty(&error).unwrap());
}

#[test]
fn a_caller_is_told_to_wait_an_hour_at_most() {
    for (asked, told) in [
        (None, None),
        (Some(Duration::ZERO), Some(0)),
        (Some(Duration::from_secs(3600)), Some(3_600_000)),
        (Some(Duration::from_secs(3601)), Some(3_600_000)),
        (Some(Duration::from_secs(4_294_967_295)), Some(3_600_000)),
        (Some(Duration::MAX), Some(3_600_000)),
    ] {
        let error = ToolError::new(Code::PaymentUnavailable, "it did not answer", &"cor_1".into()).retry_after(asked);
        assert_eq!(error.retry_after_ms, told, "{asked:?}");
    }
}

#[test]
fn a_bare_error_leaves_out_only_what_does_not_apply() {
    let error = ToolError::new(Code::StoreUnavailable, "the order store did not answer", &"cor_1".into());
    let value = serde_json::to_value(&error).unwrap();
    let fields: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["code", "correlation_id", "effects", "message", "next", "retryable", "type", "user_message"]);
    assert_eq!(serde_json::from_value::<ToolError>(value).unwrap(), *error);
}

#[test]
fn the_table_of_codes() {
    let line = |code: &Code| {
        let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let next: Vec<_> = code.next().iter().map(|next| word(json!(next))).collect();
        let again = if code.retryable() { "retryable" } else { "final" };
        format!("{} {} {again} [{}]\n  {}", code.as_str(), word(json!(code.kind())), next.join(", "), code.sentence())
    };
    insta::assert_snapshot!(Code::ALL.iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_code_has_one_plain_sentence_in_every_language() {
    for language in Language::ALL {
        let mut told = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let sentence = code.sentence_in(language);
            assert!(sentence.ends_with('.') && (10..=120).contains(&sentence.len()), "{code:?}: {sentence}");
            assert!(
                !sentence.contains(code.as_str()) && !sentence.contains('_'),
                "{code:?} is for programs: {sentence}"
            );
            assert!(told.insert(sentence), "{code:?} says what another code says: {sentence}");
            assert!(code.retryable() || !sentence.contains("try again"), "{code:?} cannot be tried again: {sentence}");
        }
    }
}
