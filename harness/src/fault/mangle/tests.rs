use super::*;
use crate::canary::CARD_NUMBER;
use crate::canary::{CANARIES, WEBHOOK_SECRET};
use crate::provider::operations::{ALL, CHARGE, COMMIT, LOOK_UP, QUOTE, REFUND, RESERVE};

const REPLY: &[u8] = br#"{"charges":[{"amount":4200,"id":"ch_1"}],"ok":true}"#;

fn mangled(how: &Mangle) -> Value {
    serde_json::from_slice(&mangle(REPLY, how, &LOOK_UP)).expect("still JSON")
}

#[test]
fn garbage_begins_well_and_is_neither_json_nor_text() {
    let garbage = mangle(REPLY, &Mangle::Garbage, &LOOK_UP);
    assert!(garbage.starts_with(b"{\"charge"));
    assert!(serde_json::from_slice::<Value>(&garbage).is_err());
    assert!(String::from_utf8(garbage).is_err());
    assert!(serde_json::from_slice::<Value>(&mangle(b"", &Mangle::Garbage, &LOOK_UP)).is_err());
}

#[test]
fn what_is_encoded_unasked_says_the_same_to_who_decodes_it() {
    use std::io::Read as _;
    let marked = mangle(REPLY, &Mangle::Encoded(Encoding::Bom), &LOOK_UP);
    assert_eq!(marked.strip_prefix(b"\xef\xbb\xbf"), Some(REPLY));
    let zipped = mangle(REPLY, &Mangle::Encoded(Encoding::Gzip), &LOOK_UP);
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut read).expect("gzip");
    assert_eq!(read, REPLY);
}

#[test]
fn a_listing_contradicts_itself_and_keeps_its_shape() {
    let listing = json!({"charges": [{"id": "ch_1", "amount": 4200, "status": "captured", "refunded": 0}]});
    for (how, field, expected) in [
        (Contradiction::BelowNothing, "refunded", json!(-4200)),
        (Contradiction::Beyond, "refunded", json!(4300)),
        (Contradiction::NothingBack, "status", json!("refunded")),
        (Contradiction::Overflow, "refunding", json!(i64::MAX)),
    ] {
        let told = mangle(listing.to_string().as_bytes(), &Mangle::Contradicting(how), &LOOK_UP);
        let told: Value = serde_json::from_slice(&told).expect("JSON");
        assert_eq!(told["charges"][0][field], expected, "{}", how.name());
    }
    assert_eq!(
        mangle(br#"{"charges":[]}"#, &Mangle::Contradicting(Contradiction::Beyond), &LOOK_UP),
        br#"{"charges":[]}"#
    );
}

#[test]
fn a_reply_contradicts_its_request_and_keeps_its_shape() {
    let told = |reply: Value, how, operation| -> Value {
        let told = mangle(reply.to_string().as_bytes(), &Mangle::Contradicting(how), operation);
        serde_json::from_slice(&told).expect("JSON")
    };
    let charge = json!({"id": "ch_1", "amount": 4200, "currency": "EUR", "status": "captured"});
    assert_eq!(told(charge.clone(), Contradiction::Currency, &CHARGE)["currency"], "USD");
    let listed = told(json!({"charges": [charge]}), Contradiction::Currency, &LOOK_UP);
    assert_eq!(listed["charges"][0]["currency"], "USD");
    let held = json!({"reference": "ord_1/1", "status": "held", "items": [{"sku": "tea-set", "quantity": 2}]});
    assert_eq!(told(held, Contradiction::MoreHeld, &RESERVE)["items"][0]["quantity"], 3);
}

#[test]
fn a_page_is_not_json() {
    let page = mangle(REPLY, &Mangle::HtmlPage, &LOOK_UP);
    assert!(page.starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn fields_go_missing_by_pointer() {
    for (field, expected) in [
        ("ok", json!({"charges": [{"amount": 4200, "id": "ch_1"}]})),
        ("charges", json!({"ok": true})),
        ("charges/0/amount", json!({"charges": [{"id": "ch_1"}], "ok": true})),
        ("charges/0", json!({"charges": [], "ok": true})),
        ("charges/1", serde_json::from_slice(REPLY).expect("JSON")),
        ("nothing/there", serde_json::from_slice(REPLY).expect("JSON")),
    ] {
        assert_eq!(mangled(&Mangle::MissingField(field.to_owned())), expected, "{field}");
    }
}

#[test]
fn fields_change_their_type_by_pointer() {
    for (field, expected) in [
        ("ok", json!("true")),
        ("charges", json!({})),
        ("charges/0", json!([])),
        ("charges/0/amount", json!("4200")),
        ("charges/0/id", json!(7)),
    ] {
        let reply = mangled(&Mangle::WrongType(field.to_owned()));
        assert_eq!(reply.pointer(&format!("/{field}")), Some(&expected), "{field}");
    }
}

#[test]
fn a_wrong_amount_is_a_whole_unit_too_high_where_there_is_one() {
    assert_eq!(mangled(&Mangle::WrongAmount)["charges"][0]["amount"], 4300);
    for (body, operation) in [
        (&br#"{"charges":[]}"#[..], &LOOK_UP),
        (br#"{"amount":"x"}"#, &CHARGE),
        (br#"{"amount":1}"#, &COMMIT),
        (b"not JSON", &CHARGE),
    ] {
        assert_eq!(mangle(body, &Mangle::WrongAmount, operation), body);
    }
}

#[test]
fn another_requests_reply_differs_in_its_subject_only() {
    for (operation, body, expected) in [
        (
            &CHARGE,
            json!({"id": "ch_1", "reference": "ord_1", "amount": 4200, "status": "captured"}),
            json!({"id": "ch_9999", "reference": OTHER_REFERENCE, "amount": 4200, "status": "captured"}),
        ),
        (
            &REFUND,
            json!({"id": "re_1", "charge": "ch_1", "amount": 4200}),
            json!({"id": "re_9999", "charge": "ch_9999", "amount": 4200}),
        ),
        (
            &LOOK_UP,
            json!({"charges": []}),
            json!({"charges": [{"id": "ch_9999", "reference": OTHER_REFERENCE, "amount": 4200, "currency": "EUR",
                                "status": "captured", "refunded": 0}]}),
        ),
        (&QUOTE, json!({"lines": [{"sku": "tea-set"}]}), json!({"lines": [{"sku": OTHER_SKU}]})),
        (&COMMIT, json!({"reference": "ord_1/1"}), json!({"reference": OTHER_REFERENCE})),
        (&CHARGE, json!({"error": {"code": "card_declined"}}), json!({"error": {"code": "card_declined"}})),
    ] {
        let reply = mangle(body.to_string().as_bytes(), &Mangle::OtherReply, operation);
        assert_eq!(serde_json::from_slice::<Value>(&reply).expect("JSON"), expected, "{}", operation.label);
    }
}

#[test]
fn every_operation_that_can_have_anothers_reply_shows_it() {
    for operation in ALL.iter().filter(|operation| operation.subject_field.is_some()) {
        let field = operation.subject_field.expect("just asked");
        assert!(matches!(field, "/reference" | "/charge" | "/charges/0/reference" | "/lines/0/sku"), "{field}");
    }
}

#[test]
fn a_padded_body_says_the_same_and_more() {
    let body = padded(REPLY);
    assert!(body.len() > HUGE_BODY_BYTES);
    let mut padded: Value = serde_json::from_slice(&body).expect("JSON");
    take_out(&mut padded, "/padding");
    assert_eq!(padded, serde_json::from_slice::<Value>(REPLY).expect("JSON"));
}

#[test]
fn bodies_that_a_fault_makes_up_carry_canaries() {
    for body in [error_body(500).to_vec(), error_body(418).to_vec(), mangle(b"{}", &Mangle::HtmlPage, &CHARGE)] {
        let body = String::from_utf8(body).expect("text");
        for canary in CANARIES.iter().filter(|canary| ![CARD_NUMBER, WEBHOOK_SECRET].contains(canary)) {
            assert!(body.contains(canary), "{canary} in {body}");
        }
    }
}

#[test]
fn retry_after_is_seconds_or_an_http_date_rounded_up() {
    for (retry_after, now, expected) in [
        (RetryAfter::Seconds(2), "2026-01-01T00:00:00.5Z", "2"),
        (RetryAfter::Date(2), "2026-01-01T00:00:00Z", "Thu, 01 Jan 2026 00:00:02 GMT"),
        (RetryAfter::Date(2), "2026-01-01T00:00:58.001Z", "Thu, 01 Jan 2026 00:01:01 GMT"),
        (RetryAfter::Odd(super::super::OddRetryAfter::Doubled), "2026-01-01T00:00:00Z", "1, 5"),
    ] {
        let now = now.parse().expect("a time");
        assert_eq!(retry_after_text(retry_after, now), expected);
    }
}
