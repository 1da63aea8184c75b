//! A part of `amount-agreed`: money in messages has the decimals of its currency (ISO 4217).

use giftgenius::step_log::LogLine;
use iso_currency::Currency;
use serde_json::Value;

use super::Findings;
use super::evidence::Evidence;
use super::told::Said;

/// The messages of an answer: for the model, for the person, and of a search that found nothing.
fn words<'a>(said: &Said<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let nothing = said.nothing_fits.and_then(|it| it.get("message")).and_then(Value::as_str);
    [said.message, said.sentence, nothing].into_iter().flatten()
}

/// Holds the words of answers, and of calls to a person, to ISO 4217.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for call in &evidence.calls {
        let Some((end, _)) = call.end else { continue };
        for wrong in words(&call.said).filter_map(wrong_money) {
            findings.add(format!("{} told {wrong}", call.started.tool), [end]);
        }
    }
    for (index, line) in &evidence.lines {
        if let LogLine::Alert(alert) = line
            && let Some(wrong) = wrong_money(&alert.message)
        {
            findings.add(format!("an alert tells {wrong}"), [*index]);
        }
    }
}

/// The first amount of a text that has not the decimals of its currency, and how many it ought to have.
fn wrong_money(text: &str) -> Option<String> {
    // Few texts name an amount.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let code = pair[1].trim_end_matches(|last: char| !last.is_ascii_alphabetic());
        let currency = Currency::from_code(code)?;
        let number = pair[0].trim_start_matches(['(', '-']);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return None;
        }
        let due = usize::from(currency.exponent()?);
        (decimals.len() != due).then(|| format!("`{number} {code}`, and {code} has {due} decimals"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        for right in [
            "the items cost 42.00 EUR, more than the budget of 41.99 EUR",
            "the cheapest costs 14800 JPY",
            "29.500 KWD stands; -0.05 EUR too (6800 KRW).",
            "3 of 12 calls in 5 minutes",
            "prices in JPY; 4200 minor units of XXX",
        ] {
            assert_eq!(wrong_money(right), None, "{right}");
        }
        for (wrong, told) in [
            ("the items cost 148.00 JPY, more than", "`148.00 JPY`, and JPY has 0 decimals"),
            ("more than the budget of 29.50 KWD", "`29.50 KWD`, and KWD has 3 decimals"),
            ("4200 EUR stands", "`4200 EUR`, and EUR has 2 decimals"),
        ] {
            assert_eq!(wrong_money(wrong).as_deref(), Some(told), "{wrong}");
        }
    }
}
