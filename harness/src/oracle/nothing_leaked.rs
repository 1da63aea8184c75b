//! `nothing-leaked`: what was planted as secret never comes out.

use std::borrow::Cow;

use giftgenius::step_log::{Asked, LogLine};
use serde_json::Number;

use super::evidence::Evidence;
use super::json::{Leaf, any_leaf};
use super::{Findings, Oracle, Verdict, heard};
use crate::trace::{Channel, HostReply};

/// The rule.
pub static NOTHING_LEAKED: Oracle = Oracle {
    id: "nothing-leaked",
    rule: "No planted secret (token, card number, internal address, stack frame, raw provider body), and no number that \
           a card can have, appears in an answer, in the log, on a health page or in whatever else the system's \
           processes write. On the wire a payment method stands in the journal, in answers and in the log's \
           `asked.method` only, a session's or order's id in the log too, and no user's token anywhere.",
    explanation: "Neither the model nor the person ever gets a stack trace, a token, a card number or an internal \
                  address, and neither does the log. Secrets are planted where they come close: in configuration, in \
                  arguments, in providers' error bodies. A card number is known by its form wherever it comes from: 13 to 19 \
                  digits that begin with 2 to 6 and pass the Luhn check, as text or as a number. A breach names the place, never the secret.",
    requirements: &["F11"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let Some(secrets) = evidence.canaries else {
        return Verdict::NoVerdict(String::from("nothing was planted that could leak"));
    };
    let mut findings = Findings::of(NOTHING_LEAKED.id);
    // Most texts are names of fields and short ids, too short for a card's number: they cost no call.
    let leaks = |text: &str| secrets.found_in(text) || (text.len() >= DIGITS_MIN && holds_a_card_number(text));
    for call in &evidence.calls {
        let leaked = match call.reply {
            Some(HostReply::Tool { structured, .. }) => any_leaf(structured, &mut |leaf| match leaf {
                Leaf::Text(text) => leaks(text),
                Leaf::Number(number) => is_a_card_number(number),
            }),
            Some(HostReply::Protocol { message, .. }) => leaks(message),
            Some(HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) | None => false,
        };
        if leaked {
            let message = format!("a planted secret came out in the answer of {}", call.started.tool);
            findings.add(message, call.end.map(|(event, _)| event));
        }
    }
    for (index, line) in &evidence.lines {
        if let Some(place) = leaked_by(line, leaks) {
            findings.add(format!("a planted secret came out in {place}"), [*index]);
        }
    }
    for asked in &evidence.trace.health {
        let page = asked.answer.as_ref().and_then(|(_, page)| serde_json::to_string(page).ok());
        if page.is_some_and(|page| leaks(&page)) {
            findings.add(String::from("a planted secret came out in the health page"), asked.events.1.checked_sub(1));
        }
    }
    heard::judge(
        evidence,
        |text, channel| match channel {
            Channel::Journal => secrets.found_in(text),
            Channel::Answer | Channel::Headers | Channel::Health | Channel::Stderr => leaks(text),
        },
        &mut findings,
    );
    findings.verdict()
}

/// The fewest digits of a card's number, and the most (ISO/IEC 7812).
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;

/// Whether a text holds a number that a card can have: 13 to 19 digits, spaces and hyphens between them apart, that pass the
/// Luhn check. Digits that are part of a word are those of an identifier. Only every 13th byte is looked at where no number
/// is: most texts hold none.
pub(super) fn holds_a_card_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let may_be_of_one = |byte: &u8| matches!(byte, b'0'..=b'9' | b' ' | b'-');
    let mut at = DIGITS_MIN - 1;
    while at < bytes.len() {
        if !may_be_of_one(&bytes[at]) {
            at += DIGITS_MIN;
            continue;
        }
        let start = bytes[..at].iter().rposition(|byte| !may_be_of_one(byte)).map_or(0, |before| before + 1);
        let end = bytes[at..].iter().position(|byte| !may_be_of_one(byte)).map_or(bytes.len(), |length| at + length);
        // In most ids only two or three digits stand together. To stop here takes three fifths off this oracle.
        if end - start < DIGITS_MIN {
            at = end + DIGITS_MIN;
            continue;
        }
        let is_digit = |place: &usize| bytes[*place].is_ascii_digit();
        if let (Some(first), Some(last)) = ((start..end).find(is_digit), (start..end).rfind(is_digit))
            && (is_card_number(bytes, first, last + 1) || any_group_is_one(bytes, start, end))
        {
            return true;
        }
        at = end + DIGITS_MIN;
    }
    false
}

/// Whether a number without quotes is one that a card can have. All but a few numbers are too small, which costs nothing.
fn is_a_card_number(number: &Number) -> bool {
    const SMALLEST: u64 = 10_u64.pow(12);
    let whole = || number.as_f64().filter(|float| float.fract() == 0.0 && *float >= 1e12 && *float < 1e19);
    match number.as_u64() {
        Some(whole) => whole >= SMALLEST && holds_a_card_number(&whole.to_string()),
        None => whole().is_some_and(|whole| holds_a_card_number(&format!("{whole:.0}"))),
    }
}

/// Whether digits that stand together, without what is around them, are a card's number.
fn any_group_is_one(bytes: &[u8], start: usize, end: usize) -> bool {
    let mut rest = start;
    while let Some(first) = (rest..end).find(|place| bytes[*place].is_ascii_digit()) {
        let last = (first..end).find(|place| !bytes[*place].is_ascii_digit()).unwrap_or(end);
        if is_card_number(bytes, first, last) {
            return true;
        }
        rest = last;
    }
    false
}

/// Payment cards' numbers begin with 2 to 6; a time stamp in milliseconds begins with 1.
fn is_card_number(bytes: &[u8], start: usize, end: usize) -> bool {
    if !matches!(bytes[start], b'2'..=b'6') {
        return false;
    }
    let of_a_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let alone = !of_a_word(start.checked_sub(1).and_then(|before| bytes.get(before))) && !of_a_word(bytes.get(end));
    let digits = bytes[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
    alone && (DIGITS_MIN..=DIGITS_MAX).contains(&digits) && passes_luhn(&bytes[start..end])
}

fn passes_luhn(number: &[u8]) -> bool {
    let digits = number.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

/// The kind of log line, if one of its texts leaks.
fn leaked_by(line: &LogLine, leaks: impl Fn(&str) -> bool) -> Option<String> {
    match line {
        LogLine::Step(line) => {
            let leaked = made_up(&line.event, &leaks)
                || made_up(&line.step_id, &leaks)
                || leaks(line.user_id.as_str())
                || leaks(line.correlation_id.as_str())
                || line.workflow_id.as_ref().is_some_and(|id| leaks(id.as_str()))
                || line.order_id.as_ref().is_some_and(|id| leaks(id.as_str()))
                || line.idempotency_key.as_deref().is_some_and(&leaks)
                || line.asked.as_ref().is_some_and(|asked| asked_leaks(asked, &leaks));
            leaked.then(|| format!("the log line of step {}", line.step_id))
        }
        LogLine::CheckoutResult(line) => {
            let leaked = leaks(line.request_id.as_str())
                || leaks(line.user_id.as_str())
                || leaks(line.checkout_session_id.as_str());
            leaked.then(|| String::from("a checkout_result line"))
        }
        LogLine::Alert(line) => {
            let leaked = leaks(&line.message)
                || leaks(line.correlation_id.as_str())
                || line.order_id.as_ref().is_some_and(|id| leaks(id.as_str()));
            leaked.then(|| String::from("an alert"))
        }
        LogLine::Webhook(line) => {
            let leaked = leaks(&line.event)
                || line.event_id.as_ref().is_some_and(|id| leaks(id.as_str()))
                || line.order_id.as_ref().is_some_and(|id| leaks(id.as_str()));
            leaked.then(|| String::from("the log line of a webhook"))
        }
        LogLine::Call(line) => {
            let leaked = leaks(line.user_id.as_str())
                || made_up(&line.step_id, &leaks)
                || leaks(line.correlation_id.as_str())
                || line.idempotency_key.as_deref().is_some_and(&leaks)
                || asked_leaks(&line.asked, &leaks);
            leaked.then(|| String::from("the line of a call that begins"))
        }
        LogLine::Attempt(line) => {
            let leaked = made_up(&line.operation, &leaks)
                || leaks(line.correlation_id.as_str())
                || line.provider_key.as_deref().is_some_and(&leaks);
            leaked.then(|| format!("the line of an attempt at {}", line.operation))
        }
        LogLine::Service(line) => {
            line.error.as_deref().is_some_and(&leaks).then(|| String::from("a line of the service"))
        }
    }
}

/// A text that may be the program's own word: that cannot leak.
#[expect(clippy::ptr_arg, reason = "whether the text is borrowed is what is asked")]
fn made_up(text: &Cow<'static, str>, leaks: impl Fn(&str) -> bool) -> bool {
    matches!(text, Cow::Owned(_)) && leaks(text)
}

/// What a call asked for: every text of it.
fn asked_leaks(asked: &Asked, leaks: impl Fn(&str) -> bool) -> bool {
    let texts = [asked.tool.as_deref(), asked.currency.as_deref(), asked.method.as_deref(), asked.step.as_deref()];
    let ids = [
        asked.checkout_session_id.as_ref().map(giftgenius::ids::SessionId::as_str),
        asked.order_id.as_ref().map(giftgenius::ids::OrderId::as_str),
        asked.workflow_id.as_ref().map(giftgenius::ids::WorkflowId::as_str),
    ];
    texts.into_iter().chain(ids).flatten().any(&leaks) || asked.items.iter().any(|item| leaks(&item.sku))
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Code;
    use giftgenius::step_log::{AlertKind, StepStatus};
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::Run;

    const SECRET: &str = "sk_live_4242";

    fn planted() -> Run {
        let mut run = Run::sale();
        run.canaries = vec![SECRET, "4242424242424242"];
        run
    }

    #[test]
    fn a_sale_leaks_nothing_and_arguments_are_no_answer() {
        let mut run = planted();
        run.call("search_products", json!({"text": SECRET}));
        run.kept(&NOTHING_LEAKED);
    }

    #[test]
    fn a_secret_in_any_part_of_an_answer_is_a_leak_and_is_not_told_again() {
        for answer in [json!({"a": [{"b": format!("token {SECRET}!")}]}), json!({"sk_live_4242": 1})] {
            let mut run = planted();
            let call = run.call("search_products", json!({}));
            run.answer(call, answer);
            let said = run.broken(&NOTHING_LEAKED);
            assert!(said.contains("search_products") && !said.contains(SECRET), "{said}");
        }
        let mut run = planted();
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(Code::Internal, None);
        error["error"]["message"] = json!("card 4242424242424242 declined");
        run.fail(call, error);
        run.broken(&NOTHING_LEAKED);
        let mut run = planted();
        let call = run.call("nope", json!({}));
        run.reply(call, HostReply::Protocol { code: -32601, message: SECRET.to_owned() });
        run.broken(&NOTHING_LEAKED);
    }

    #[test]
    fn a_card_number_is_known_by_its_form() {
        for (text, card) in [
            ("4111111111111111", true),
            ("paid with 4111 1111 1111 1111.", true),
            ("5500-0000-0000-0004", true),
            ("378282246310005", true),
            ("charged 2 x 4111111111111111", true),
            ("a word of some length, and 4111111111111111 after it", true),
            ("4111111111111112", false),
            ("411111111111111", false),
            ("ord_4111111111111111", false),
            ("4111111111111111ab", false),
            ("2026-01-01T00:00:00Z", false),
            ("1764449000009", false),
            ("4242", false),
        ] {
            assert_eq!(holds_a_card_number(text), card, "{text}");
        }
        let mut run = planted();
        let call = run.call("get_payment_methods", json!({}));
        run.answer(call, json!({"payment_methods": [{"id": "pm_1", "last4": "5500000000000004"}]}));
        run.broken(&NOTHING_LEAKED);
        for (number, card) in [
            (json!(5_500_000_000_000_004_u64), true),
            (json!(5_500_000_000_000_004.0), true),
            (json!(4_111_111_111_111_112_u64), false),
            (json!(-4_111_111_111_111_111_i64), false),
            (json!(4242), false),
            (json!(3_600_000), false),
            (json!(1e300), false),
        ] {
            let mut run = planted();
            let call = run.call("get_payment_methods", json!({}));
            run.answer(call, json!({"payment_methods": [{"id": "pm_1", "last4": number}]}));
            if card { drop(run.broken(&NOTHING_LEAKED)) } else { run.kept(&NOTHING_LEAKED) }
        }
    }

    #[test]
    fn a_secret_in_the_log_is_a_leak() {
        let mut run = planted();
        run.step(SECRET, StepStatus::Success, None);
        run.broken(&NOTHING_LEAKED);
        let mut run = planted();
        run.alert(AlertKind::ProviderDown, SECRET);
        run.broken(&NOTHING_LEAKED);
    }

    #[test]
    fn where_nothing_was_planted_nothing_can_be_said() {
        let verdict = Run::sale().with_evidence(NOTHING_LEAKED.check);
        assert!(matches!(verdict, Verdict::NoVerdict(_)));
    }
}
