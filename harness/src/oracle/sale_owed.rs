//! `sale-owed`: where nothing went wrong, a purchase that nothing stands against succeeds.
//!
//! What may stand against it is worked out from the shop, the shelves and the calls before it: `against` says it of a sale,
//! `price` of a price. Whatever else is told is no reason.

mod against;
mod price;

use giftgenius::error::Code;
use serde_json::Value;
use smol_str::SmolStr;

use super::evidence::{CallView, Evidence, OrderView};
use super::keyed::share_a_key;
use super::quiet::{disturbed_from, was_crossed};
use super::told::{Told, ToldStatus};
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::OperationSpec;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CHARGE, COMMIT, RESERVE};
use crate::provider::payment::{Card, methods_of};
use crate::trace::HostReply;

/// The rule.
pub static SALE_OWED: Oracle = Oracle {
    id: "sale-owed",
    rule: "Where nothing has gone wrong, create_order succeeds with one reserve, one charge and one commit of all that was priced, and \
           create_checkout_session freezes a price, unless something stands against it: arguments, an unknown or expired \
           session, the card, the shelf, the promo code, a total above the budget. If one thing does, its code is told, \
           with the SKU that it is about; no tool tells then that a provider, the store or the server failed, and get_payment_methods answers the methods on file.",
    explanation: "All other rules say what must not happen, and a server that refuses every sale breaks none of them. \
                  This one says what has to happen, as far as nothing struck the system before: no fault, no death, no \
                  restart, no switch, no answer that was lost. What may stand against a purchase is worked out from the \
                  shop, from the books at the moment at which the reservation arrived, and from the calls before. A total \
                  that equals the budget is within it. Calls that cross another one of the same user, that come again \
                  under a key, or that find the session with an order are judged by other rules.",
    requirements: &["F6", "F15", "F19"],
    check,
};

/// Codes that only something going wrong explains.
const NEVER: [Code; 10] = [
    Code::PaymentRefused,
    Code::PaymentUnavailable,
    Code::InventoryUnavailable,
    Code::InventoryRefused,
    Code::CatalogRefused,
    Code::CatalogUnavailable,
    Code::AmountMismatch,
    Code::OrderNeedsAttention,
    Code::StoreUnavailable,
    Code::Internal,
];

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(SALE_OWED.id);
    for order in &evidence.orders {
        if let Some((commit, what)) = another_basket(evidence, order) {
            findings.add(what, [evidence.event_of(commit)]);
        }
    }
    let mut disturbed = None;
    for (index, call) in evidence.calls.iter().enumerate() {
        let Some((end, _)) = call.end else { continue };
        let listed = listed_methods(call);
        let told = call.told.as_ref().filter(|told| is_worth_a_look(evidence, index, told));
        if told.is_none() && listed.is_none() {
            continue;
        }
        if *disturbed.get_or_insert_with(|| disturbed_from(evidence)) < end || call.started.malformed.is_some() {
            continue;
        }
        let wrong = match told {
            None => listed.and_then(|listed| other_methods(call, listed)),
            Some(told) if told.is_error || told.status != ToldStatus::Success => refused(evidence, index, told),
            Some(_) => call.order.and_then(|order| detour(evidence, &evidence.orders[order], end)),
        };
        if let Some(what) = wrong {
            let message = format!(
                "nothing had gone wrong, and {} of script step {} {what}",
                call.started.tool, call.started.step
            );
            findings.add(message, [call.start_event, end]);
        }
    }
    findings.verdict()
}

/// What `get_payment_methods` answered.
fn listed_methods<'a>(call: &CallView<'a>) -> Option<&'a [Value]> {
    let Some(HostReply::Tool { structured, is_error: false }) = call.reply else { return None };
    if !call.is("get_payment_methods") {
        return None;
    }
    structured.get("payment_methods").and_then(Value::as_array).map(Vec::as_slice)
}

/// What differs between the payment methods that were told and the user's own.
fn other_methods(call: &CallView<'_>, listed: &[Value]) -> Option<String> {
    let own = methods_of(&call.started.user);
    let is_told = |(id, card): &(SmolStr, &Card)| {
        listed.iter().any(|told| told["id"] == **id && told["brand"] == card.brand && told["last4"] == card.last4)
    };
    if let Some((missing, _)) = own.iter().find(|method| !is_told(method)) {
        return Some(format!("did not tell of {missing} as it is on file"));
    }
    (listed.len() != own.len())
        .then(|| format!("told of {} payment methods, and {} are on file", listed.len(), own.len()))
}

/// A booked sale of other lines than were priced.
fn another_basket(evidence: &Evidence<'_>, order: &OrderView<'_>) -> Option<(usize, String)> {
    let opened = evidence.sessions.iter().find(|known| Some(known.id) == order.session)?;
    let priced = || lines(&evidence.calls[opened.call]);
    let is_priced = |sku: &str, sold: u32| priced().any(|line| line == (sku, sold));
    let sold = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Commit);
    let (commit, effect) = sold.into_iter().find(|(_, effect)| {
        effect.stock.len() != priced().count() || !effect.stock.iter().all(|(sku, sold)| is_priced(sku, *sold))
    })?;
    let of = |lines: &mut dyn Iterator<Item = (&str, u32)>| {
        lines.map(|(sku, quantity)| format!("{quantity} {sku}")).collect::<Vec<_>>().join(" + ")
    };
    let booked = of(&mut effect.stock.iter().map(|(sku, quantity)| (sku.as_str(), *quantity)));
    Some((commit, format!("order {} is for {}, and {booked} was booked", order.id, of(&mut priced()))))
}

/// Whether an answer may be another one than was owed; a plain sale is told apart at a glance.
fn is_worth_a_look(evidence: &Evidence<'_>, index: usize, told: &Told<'_>) -> bool {
    if told.is_error {
        return true;
    }
    evidence.calls[index].is("create_order")
        && (told.status != ToldStatus::Success
            || evidence.calls[index]
                .order
                .map(|order| &evidence.orders[order])
                .is_some_and(|order| order.begun_by == Some(index) && order.exchanges.len() != PLAIN.len()))
}

/// The requests of a sale.
const PLAIN: [&OperationSpec; 3] = [&RESERVE, &CHARGE, &COMMIT];

/// What a sale asked for beside the least that it needs, before it was told as a success.
fn detour(evidence: &Evidence<'_>, order: &OrderView<'_>, end: usize) -> Option<String> {
    let sent = || order.exchanges.iter().map(|index| &evidence.exchanges[*index]).filter(|sent| sent.sent_event < end);
    if evidence.effects_of(order).any(|(_, effect)| effect.kind == EffectKind::Expire) {
        return None;
    }
    // Two processes may each take an order for theirs where their clocks are so far apart.
    if evidence.replicas.skew_max() * 2 > evidence.policy.lease {
        return None;
    }
    let to_the_sale = sent().position(|exchange| exchange.is(&COMMIT)).map_or(0, |commit| commit + 1);
    let is_plain = sent().take(to_the_sale).map(|exchange| exchange.sent.operation.label).eq(PLAIN.map(|it| it.label));
    // A provider that ignores keys is searched for copies afterwards.
    let again = sent().skip(to_the_sale).find(|exchange| PLAIN.iter().any(|operation| exchange.is(operation)));
    if is_plain && again.is_none() {
        return None;
    }
    let asked: Vec<&str> = sent().map(|exchange| exchange.sent.operation.label).collect();
    Some(format!("asked for {}, where one reserve, one charge and one commit do", asked.join(", ")))
}

/// What is wrong with an answer that is no success.
fn refused(evidence: &Evidence<'_>, index: usize, told: &Told<'_>) -> Option<String> {
    let call = &evidence.calls[index];
    let code = if told.is_error { Some(told.code.and_then(codes::parse)?) } else { None };
    if code.is_some_and(|code| NEVER.contains(&code)) {
        return Some(format!("was told `{}`", told.code?));
    }
    let (is_sale, is_price) = (call.is("create_order"), call.is("create_checkout_session"));
    // How often a call may be made, and what a key is bound to, have rules of their own.
    let elsewhere =
        code.is_some_and(|code| matches!(code, Code::LimitReached | Code::KeyConflict | Code::RepeatedCall));
    if !(is_sale || is_price) || elsewhere || comes_again(evidence, index) || was_crossed(evidence, call) {
        return None;
    }
    let reasons = if is_sale { against::sale(evidence, call)? } else { price::reasons(evidence, call) };
    let Some(code) = code else { return Some(format!("was told `{}`", told.status.name())) };
    let Some(reason) = reasons.iter().find(|reason| reason.code == code) else {
        let name = code.as_str();
        return Some(match reasons.as_slice() {
            [] => format!("was told `{name}`, although nothing stands against it"),
            reasons => {
                let names: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
                format!("was told `{name}` where {} is the reason", names.join(" or "))
            }
        });
    };
    let sku = reason.sku.as_deref()?;
    let message = told.structured.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    (!names(message, sku)).then(|| format!("was told `{}` with \"{message}\", but it is {sku}", code.as_str()))
}

/// Whether an earlier call of the user's had the same key.
fn comes_again(evidence: &Evidence<'_>, index: usize) -> bool {
    let call = &evidence.calls[index];
    call.started.key.is_some() && evidence.calls[..index].iter().any(|earlier| share_a_key(earlier, call))
}

/// Whether a message speaks of a SKU.
fn names(message: &str, sku: &str) -> bool {
    let is_of_a_sku = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    message.split(|c| !is_of_a_sku(c)).any(|word| word == sku)
}

/// A SKU with more digits than so many need not be named.
const DIGITS_NAMED: usize = 6;

/// Something that stands against a purchase.
struct Reason {
    code: Code,
    /// The product that it is about.
    sku: Option<String>,
}

impl Reason {
    const fn of(code: Code) -> Self {
        Self { code, sku: None }
    }

    /// What may be the number of a card is named to nobody.
    fn about(code: Code, sku: &str) -> Self {
        let named = sku.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_NAMED;
        Self { code, sku: named.then(|| sku.to_owned()) }
    }
}

/// The lines of a price that was asked for: SKU and quantity.
pub(super) fn lines<'e>(call: &'e CallView<'_>) -> impl Iterator<Item = (&'e str, u32)> {
    let items = call.started.arguments.get("items").and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| {
        let quantity = item.get("quantity")?.as_f64()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the schema says from 1 to 99")]
        Some((item.get("sku")?.as_str()?, quantity as u32))
    })
}

#[cfg(test)]
mod tests;
