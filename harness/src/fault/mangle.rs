//! What a mangled reply looks like, byte by byte, in every world: bodies that are not JSON or lack something, the error
//! bodies of statuses that a fault makes, and the text of `Retry-After`.
//!
//! Nothing here is drawn: the same reply is mangled the same way in every run. Every body that a fault makes up carries
//! canaries (see [`crate::canary`]), since a provider that fails is a provider that leaks.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use super::decide::Mangle;
use super::{Contradiction, Encoding, ForeignBody, RetryAfter, Unasked};
use crate::canary::{CARD_NUMBER, INTERNAL_ADDRESS, Internal, RAW_BODY, SECRET, STACK_FRAME};
use crate::provider::OperationSpec;

/// By how many minor units a wrong amount is told too high: a whole unit.
pub const WRONG_BY: i64 = 100;

/// How large the padding of a huge body is, in bytes.
pub const HUGE_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Whose reply another request's is: an order, a charge and a product that nobody in a run has.
const OTHER_REFERENCE: &str = "ord_0000000000000000";
const OTHER_CHARGE: &str = "ch_9999";
const OTHER_SKU: &str = "somebody-elses-gift";

/// How much of a body is left before the garbage.
const LEFT_BEFORE_GARBAGE: usize = 8;

/// A reply's body as it arrives. A field that the body does not have cannot be mangled: such a body arrives as it was.
pub fn mangle(body: &[u8], how: &Mangle, operation: &OperationSpec) -> Vec<u8> {
    match how {
        Mangle::Garbage => {
            let mut garbage = body[..body.len().min(LEFT_BEFORE_GARBAGE)].to_vec();
            garbage.extend_from_slice(b"\xff\xfe\x00}]\x1b{\"status\":\xc3\x28");
            garbage
        }
        Mangle::HtmlPage => html_page().into_bytes(),
        Mangle::MissingField(field) => edited(body, |reply| {
            take_out(reply, &format!("/{field}"));
        }),
        Mangle::WrongType(field) => edited(body, |reply| {
            if let Some(value) = reply.pointer_mut(&format!("/{field}")) {
                *value = of_another_type(value);
            }
        }),
        Mangle::WrongAmount => edited(body, |reply| tell_wrong_amount(reply, operation)),
        Mangle::OtherReply => edited(body, |reply| make_others(reply, operation)),
        Mangle::Unasked(what) => edited(body, |reply| add_unasked(reply, *what)),
        Mangle::Encoded(Encoding::Bom) => [b"\xef\xbb\xbf", body].concat(),
        Mangle::Encoded(Encoding::Gzip) => gzipped(body),
        Mangle::Contradicting(how) => edited(body, |reply| contradict(reply, *how)),
    }
}

/// The body padded with a field in front of all others, so that nobody has the rest before having read the padding.
pub fn padded(body: &[u8]) -> Vec<u8> {
    const FRONT: &[u8] = b"{\"padding\":\"";
    let Some(fields) = body.strip_prefix(b"{") else {
        return body.to_vec();
    };
    let mut padded = Vec::with_capacity(FRONT.len() + HUGE_BODY_BYTES + 2 + fields.len());
    padded.extend_from_slice(FRONT);
    padded.resize(FRONT.len() + HUGE_BODY_BYTES, b'x');
    padded.extend_from_slice(b"\",");
    padded.extend_from_slice(fields);
    padded
}

/// Makes a reply one to the request of somebody who did the same for the same amount: only what it is about differs. An
/// empty list of charges gets theirs, at the price of the fixture's most bought gift. A refusal says nothing of its
/// subject, and stays.
fn make_others(reply: &mut Value, operation: &OperationSpec) {
    if reply.get("error").is_some() {
        return;
    }
    if let Some(Value::Array(charges)) = reply.get_mut("charges") {
        if charges.is_empty() {
            charges.push(json!({"amount": 4200, "currency": "EUR", "status": "captured", "refunded": 0}));
        }
        for charge in charges {
            charge["id"] = json!(OTHER_CHARGE);
            charge["reference"] = json!(OTHER_REFERENCE);
        }
    }
    if reply.get("amount").is_some() {
        reply["id"] = json!(OTHER_CHARGE.replace("ch", if reply.get("charge").is_some() { "re" } else { "ch" }));
    }
    let Some(field) = operation.subject_field else {
        return;
    };
    if let Some(subject) = reply.pointer_mut(field) {
        *subject = match field {
            "/charge" => json!(OTHER_CHARGE),
            "/lines/0/sku" => json!(OTHER_SKU),
            _ => json!(OTHER_REFERENCE),
        };
    }
}

/// Tells a whole unit too much. What was given back in full is only a part of that: the reply agrees with
/// itself.
fn tell_wrong_amount(reply: &mut Value, operation: &OperationSpec) {
    let Some((parent, name)) = operation.amount_field.and_then(|field| field.rsplit_once('/')) else { return };
    let Some(told) = reply.pointer_mut(parent) else { return };
    let Some(amount) = told.get(name).and_then(Value::as_i64) else { return };
    told[name] = json!(amount.saturating_add(WRONG_BY));
    if told.get("status").and_then(Value::as_str) == Some("refunded") {
        told["status"] = json!("partially_refunded");
    }
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(body).and_then(|()| writer.finish()).expect("writing to memory does not fail")
}

/// Makes a reply one that cannot be: every charge of a listing, or what the reply itself is about. One without stays as it is.
fn contradict(reply: &mut Value, how: Contradiction) {
    match how {
        Contradiction::Currency => {
            in_another_currency(reply);
            reply.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten().for_each(in_another_currency);
        }
        Contradiction::MoreHeld => {
            for item in reply.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(quantity) = item["quantity"].as_u64() {
                    item["quantity"] = json!(quantity + 1);
                }
            }
        }
        Contradiction::BelowNothing | Contradiction::Beyond | Contradiction::NothingBack | Contradiction::Overflow => {
            contradict_charges(reply, how);
        }
    }
}

/// The same amount, of something else.
fn in_another_currency(told: &mut Value) {
    if let Some(currency) = told.get("currency").and_then(Value::as_str) {
        told["currency"] = json!(if currency == "USD" { "CHF" } else { "USD" });
    }
}

fn contradict_charges(reply: &mut Value, how: Contradiction) {
    for charge in reply.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(amount) = charge["amount"].as_i64() else { continue };
        match how {
            Contradiction::BelowNothing => charge["refunded"] = json!(-amount),
            Contradiction::Beyond => charge["refunded"] = json!(amount.saturating_add(WRONG_BY)),
            Contradiction::NothingBack => {
                charge["status"] = json!("refunded");
                charge["refunded"] = json!(0);
            }
            Contradiction::Overflow => {
                charge["refunded"] = json!(i64::MAX);
                charge["refunding"] = json!(i64::MAX);
            }
            Contradiction::Currency | Contradiction::MoreHeld => unreachable!("`{}` is no charge's", how.name()),
        }
    }
}

/// How many products a search finds that does not keep to its limit.
const FAR_MORE: usize = 200;
/// A price that no budget reaches, in minor units.
const FAR_DEARER: i64 = 99_999_900;

/// Puts into a reply what was not asked for. What is added to a search stands in front, where it is taken first; a reply
/// without products gets one.
fn add_unasked(reply: &mut Value, what: Unasked) {
    let product = |amount: i64, currency: &str| {
        json!({
            "sku": OTHER_SKU, "title": "A Gift", "description": "Not what was asked for.", "category": "home", "tags": [],
            "amount": amount, "currency": currency, "in_stock": true,
        })
    };
    let first = reply.pointer("/products/0").cloned();
    let currency = first.as_ref().and_then(|first| first["currency"].as_str()).unwrap_or("EUR");
    let unasked = match what {
        Unasked::More => vec![first.clone().unwrap_or_else(|| product(4200, "EUR")); FAR_MORE],
        Unasked::Dearer => vec![product(FAR_DEARER, currency)],
        Unasked::Currency => vec![product(4200, if currency == "CHF" { "USD" } else { "CHF" })],
        Unasked::Worthless => vec![product(-5, currency)],
        Unasked::Free => {
            if let Some((total, discount)) = reply["total"].as_i64().zip(reply["discount"].as_i64()) {
                reply["discount"] = json!(discount + total);
                reply["total"] = json!(0);
            }
            return;
        }
        Unasked::CardNumber => {
            for method in reply["payment_methods"].as_array_mut().into_iter().flatten() {
                method["last4"] = json!(CARD_NUMBER);
            }
            return;
        }
    };
    if let Some(products) = reply["products"].as_array_mut() {
        products.splice(0..0, unasked);
    }
}

/// The codes of the statuses that a fault makes; the last stands for every other.
const CODES: [(u16, &str); 12] = [
    (400, "invalid_request"),
    (401, "unauthorized"),
    (403, "forbidden"),
    (408, "request_timeout"),
    (421, "misdirected"),
    (425, "too_early"),
    (429, "rate_limited"),
    (500, "internal_error"),
    (502, "bad_gateway"),
    (503, "unavailable"),
    (504, "gateway_timeout"),
    (0, "unexpected"),
];

/// The body of an error status that a fault makes: one for each code, written once.
pub fn error_body(status: u16) -> Bytes {
    static BODIES: LazyLock<[Bytes; CODES.len()]> = LazyLock::new(|| {
        CODES.map(|(_, code)| {
            let body = json!({"error": {
                "code": code,
                "message": format!("{RAW_BODY}: upstream {INTERNAL_ADDRESS} failed {STACK_FRAME}"),
                "internal": Internal::PLANTED,
            }});
            body.to_string().into()
        })
    });
    let place = CODES.iter().position(|(known, _)| *known == status);
    BODIES[place.unwrap_or(CODES.len() - 1)].clone()
}

/// Whether the contract has an error body for a status, whatever was asked.
pub fn is_of_the_contract(status: u16) -> bool {
    CODES.iter().any(|(known, _)| *known == status)
}

/// The body of a status that something in between answers; it is never the contract's.
pub fn foreign_body(status: u16, body: ForeignBody) -> Bytes {
    match body {
        ForeignBody::Json => foreign_json(status),
        ForeignBody::Html => html_page().into(),
        ForeignBody::Text => format!("upstream {INTERNAL_ADDRESS} failed {STACK_FRAME} {RAW_BODY} {SECRET}\n").into(),
        ForeignBody::Empty => Bytes::new(),
    }
}

fn foreign_json(status: u16) -> Bytes {
    let body = json!({
        "message": format!("{RAW_BODY}: upstream {INTERNAL_ADDRESS} failed {STACK_FRAME}"),
        "status": status,
        "internal": Internal::PLANTED,
    });
    body.to_string().into()
}

/// The value of a `Retry-After` header (RFC 9110, 10.2.3). A date has whole seconds: it is rounded up, so that who waits
/// for it never comes too early.
pub fn retry_after_text(retry_after: RetryAfter, now: Timestamp) -> String {
    match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Odd(odd) => odd.text().to_owned(),
        RetryAfter::Date(seconds) => {
            let then = now
                .saturating_add(SignedDuration::from_secs(i64::from(seconds)))
                .expect("a span of seconds has no calendar units");
            let whole = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Ceil);
            let whole = then.round(whole).unwrap_or(then);
            http_date(whole)
        }
    }
}

/// A point in time as HTTP tells it, in whole seconds (RFC 9110 §5.6.7).
pub fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .expect("no run reaches a year that an HTTP date cannot tell")
}

fn html_page() -> String {
    format!(
        "<!DOCTYPE html>\n<html><head><title>Service temporarily unavailable</title></head>\n<body><h1>It is not you, it \
         is us</h1>\n<!-- upstream {INTERNAL_ADDRESS} {STACK_FRAME} authorization: Bearer {SECRET} {RAW_BODY} -->\n\
         </body></html>\n"
    )
}

/// The body with a change made to its JSON; as it was if it has none.
fn edited(body: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Ok(mut reply) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    let was = reply.clone();
    edit(&mut reply);
    // Not written anew where nothing has changed: such a reply is the provider's own.
    if reply == was { body.to_vec() } else { reply.to_string().into_bytes() }
}

fn take_out(reply: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    match reply.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(name);
        }
        Some(Value::Array(entries)) => {
            if let Some(index) = name.parse().ok().filter(|index| *index < entries.len()) {
                entries.remove(index);
            }
        }
        _ => {}
    }
}

/// The nastiest other type: a number as text, a text as number, a list of one as the one.
fn of_another_type(value: &Value) -> Value {
    match value {
        Value::Null => json!(0),
        Value::Bool(it) => json!(it.to_string()),
        Value::Number(number) => json!(number.to_string()),
        Value::String(_) => json!(7),
        Value::Array(_) => json!({}),
        Value::Object(_) => json!([]),
    }
}

#[cfg(test)]
mod tests {
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
}
