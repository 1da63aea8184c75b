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

/// What a reply to another request is about: an order, a charge and a product that do not occur in any run.
const OTHER_REFERENCE: &str = "ord_0000000000000000";
const OTHER_CHARGE: &str = "ch_9999";
/// The SKU in replies about another order; no fixture has it.
pub const OTHER_SKU: &str = "somebody-elses-gift";

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

/// The body padded with a field in front of all others, so that the rest can only be read after the padding.
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

/// Makes a reply one to another customer's request of the same kind and amount: only what it is about differs. An
/// empty list of charges gets theirs, at the price of the fixture's most bought gift. A refusal says nothing of its
/// subject except the SKU that is out of stock or unknown.
fn make_others(reply: &mut Value, operation: &OperationSpec) {
    if let Some(error) = reply.get_mut("error") {
        if error.get("sku").is_some_and(Value::is_string) {
            error["sku"] = json!(OTHER_SKU);
        }
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
            let Some(methods) = reply["payment_methods"].as_array_mut() else { return };
            for method in methods.iter_mut() {
                method["last4"] = json!(CARD_NUMBER);
            }
            methods.push(json!({"id": CARD_NUMBER, "brand": "visa", "last4": "4242"}));
            methods.push(json!({"id": "pm_of_a_number", "brand": CARD_NUMBER, "last4": "4242"}));
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
    // Not reserialised where nothing has changed: such a reply is the provider's own.
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
mod tests;
