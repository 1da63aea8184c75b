//! `as-asked`: what is answered keeps to what was asked for, whatever a provider answers.

use giftgenius::error::Code;
use giftgenius::money::Money;
use serde_json::Value;

use super::evidence::{CallView, Evidence, money};
use super::keyed::share_a_key;
use super::{Findings, Oracle, Verdict};
use crate::trace::HostReply;

/// The rule.
pub static AS_ASKED: Oracle = Oracle {
    id: "as-asked",
    rule: "A search answers at most as many products as were asked for, each in the currency asked for, within the budget \
           and at a price above 0; one that finds nothing says which constraint is the reason; a price is frozen only in the currency asked for, above 0 and within the budget in \
           force, which is one in that currency.",
    explanation: "A provider can answer more than it was asked for: thousands of products, prices in another currency or \
                  over the budget, a promotion that leaves nothing to pay. None of it is passed on. A budget holds from \
                  the suggestion to the checkout of one workflow; one in another currency cannot be compared, so that the \
                  purchase is refused rather than the budget dropped. A total that equals the budget is within it.",
    requirements: &["F1", "F19", "F20"],
    check,
};

/// The tools that search, where their answers hold the products, and how many they answer unless asked otherwise (as their
/// schemas say).
const SEARCHES: [(&str, &str, usize); 2] = [("search_products", "products", 10), ("suggest_gifts", "ideas", 5)];
/// The currency that prices are in unless another one is asked for.
const CURRENCY_DEFAULT: &str = "EUR";

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(AS_ASKED.id);
    for (place, call) in evidence.calls.iter().enumerate() {
        let (Some(HostReply::Tool { structured, is_error: false }), Some((end, _))) = (call.reply, call.end) else {
            continue;
        };
        let wrong = if let Some((_, list, limit)) = SEARCHES.iter().find(|(tool, ..)| call.is(tool)) {
            found(call, &structured[*list], *limit)
        } else if call.is("create_checkout_session") {
            frozen(evidence, place)
        } else {
            None
        };
        if let Some(what) = wrong {
            let message = format!("{} of script step {} {what}", call.started.tool, call.started.step);
            findings.add(message, [call.start_event, end]);
        }
    }
    findings.verdict()
}

/// What is wrong with what a search found.
fn found(call: &CallView<'_>, products: &Value, limit: usize) -> Option<String> {
    let products = products.as_array()?;
    let reason =
        || call_answer(call).and_then(|answer| answer.pointer("/nothing_fits/message")).and_then(Value::as_str);
    if products.is_empty() && reason().is_none_or(str::is_empty) {
        return Some(String::from("found nothing and does not say which constraint is the reason"));
    }
    let number = |argument: &str| call.started.arguments.get(argument).and_then(Value::as_i64);
    let limit = number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(limit);
    if products.len() > limit {
        return Some(format!("answered {} products where {limit} were asked for", products.len()));
    }
    let asked = call.text("currency").unwrap_or(CURRENCY_DEFAULT);
    products.iter().find_map(|product| {
        let (sku, amount) = (product["sku"].as_str()?, product["amount"].as_i64()?);
        let currency = product["currency"].as_str()?;
        let price = || money(amount, currency);
        if currency != asked {
            Some(format!("answered {sku} for {} where prices in {asked} were asked for", price()))
        } else if amount <= 0 {
            Some(format!("answered {sku} for {}", price()))
        } else {
            let budget = number("budget").filter(|budget| amount > *budget)?;
            Some(format!("answered {sku} for {} within a budget of {}", price(), money(budget, asked)))
        }
    })
}

/// The structured content that a call was answered.
fn call_answer<'a>(call: &CallView<'a>) -> Option<&'a Value> {
    match call.reply {
        Some(HostReply::Tool { structured, .. }) => Some(structured),
        Some(HostReply::Protocol { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) | None => {
            None
        }
    }
}

/// What is wrong with a price that was frozen.
fn frozen(evidence: &Evidence<'_>, place: usize) -> Option<String> {
    let call = &evidence.calls[place];
    let asked = call.text("currency")?;
    let (amount, currency) = call.said.amount?;
    let price = || money(amount, currency);
    if currency != asked {
        return Some(format!("froze {} where a price in {asked} was asked for", price()));
    }
    // A price is frozen once: a repeat under its key gets the price frozen then.
    if evidence.sessions.iter().any(|known| Some(known.id) == call.said.session && known.call < place) {
        return None;
    }
    if amount <= 0 {
        return Some(format!("froze {}, which cannot be paid", price()));
    }
    let said = call.started.arguments.get("budget").and_then(Value::as_i64);
    let wrong_at = |call: &CallView<'_>| {
        let budget = match said {
            Some(budget) => Money::new(budget, asked.parse().ok()?),
            None => said_before(evidence, call)?,
        };
        if budget.currency.as_str() != asked {
            return Some(format!("froze {} although the workflow's budget is {budget}", price()));
        }
        (amount > budget.minor_units).then(|| format!("froze {} over the budget of {budget}", price()))
    };
    let wrong = wrong_at(call)?;
    // It may have been frozen by an earlier call under the key, of which nothing was heard.
    let earlier = evidence.calls[..place].iter().filter(|earlier| share_a_key(earlier, call) && went_unheard(earlier));
    let may_be_theirs = call.started.key.is_some() && earlier.into_iter().any(|earlier| wrong_at(earlier).is_none());
    (!may_be_theirs).then_some(wrong)
}

/// Whether it is not known what a call did: it was not answered, or the store failed under it.
fn went_unheard(call: &CallView<'_>) -> bool {
    let code = call.told.as_ref().and_then(|told| told.code);
    !matches!(call.reply, Some(HostReply::Tool { .. })) || code == Some(Code::StoreUnavailable.as_str())
}

/// The budget that the call's workflow has from an earlier suggestion; `None` too where two calls were made at once, so that
/// it cannot be known which came first.
fn said_before(evidence: &Evidence<'_>, call: &CallView<'_>) -> Option<Money> {
    let workflow = call.text("workflow_id")?;
    let (end, _) = call.end?;
    let mut budget = None;
    for other in evidence.calls.iter().filter(|other| other.is("suggest_gifts") && other.start_event < end) {
        let named = other.text("workflow_id");
        match other.end {
            Some((other_end, _)) if other_end < call.start_event => {
                if other.workflow == Some(workflow)
                    && let Some(minor_units) = other.started.arguments.get("budget").and_then(Value::as_i64)
                {
                    let currency = other.text("currency").unwrap_or(CURRENCY_DEFAULT);
                    budget = Some(Money::new(minor_units, currency.parse().ok()?));
                }
            }
            Some(_) | None if named == Some(workflow) => return None,
            Some(_) | None => {}
        }
    }
    budget
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, session_answer};
    use crate::trace::CallId;

    fn searched(arguments: Value, products: &Value) -> Run {
        let mut run = Run::new();
        let call = run.call("search_products", arguments);
        run.answer(call, json!({ "products": products }));
        run
    }

    fn product(amount: i64, currency: &str) -> Value {
        json!({"sku": "tea", "amount": amount, "currency": currency})
    }

    #[test]
    fn a_search_answers_what_was_asked_for() {
        let asked = json!({"query": "tea", "limit": 2, "budget": 5000});
        let fitting = json!([product(4200, "EUR"), product(5000, "EUR")]);
        searched(asked.clone(), &fitting).kept(&AS_ASKED);
        for (products, why) in [
            (json!([product(1, "EUR"), product(1, "EUR"), product(1, "EUR")]), "3 products where 2"),
            (json!([product(4200, "USD")]), "where prices in EUR were asked for"),
            (json!([product(5001, "EUR")]), "50.01 EUR within a budget of 50.00 EUR"),
            (json!([product(0, "EUR")]), "0.00 EUR"),
        ] {
            let said = searched(asked.clone(), &products).broken(&AS_ASKED);
            assert!(said.contains(why), "{said}");
        }
        let said = searched(json!({"query": "tea"}), &json!([])).broken(&AS_ASKED);
        assert!(said.contains("does not say which constraint"), "{said}");
        let eleven = Value::from(vec![product(1, "EUR"); 11]);
        assert!(searched(json!({"query": "tea"}), &eleven).broken(&AS_ASKED).contains("where 10"));
    }

    fn frozen_after(budget: Value, amount: i64) -> Run {
        let mut run = Run::new();
        let call = run.call("suggest_gifts", budget);
        run.answer(call, json!({"workflow_id": "wf_1", "ideas": [], "nothing_fits": {"message": "nothing fits"}}));
        let call = run.call("create_checkout_session", json!({"currency": "EUR", "workflow_id": "wf_1"}));
        run.answer(call, session_answer("cs_1", amount));
        run
    }

    #[test]
    fn a_price_that_was_frozen_before_the_budget_was_said_is_told_again() {
        let asked_again = |first: &dyn Fn(&mut Run, CallId), session: &str| {
            let mut run = Run::new();
            let quote = json!({"currency": "EUR", "workflow_id": "wf_1", "idempotency_key": "q1"});
            let call = run.call("create_checkout_session", quote.clone());
            first(&mut run, call);
            let call = run.call("suggest_gifts", json!({"budget": 1000, "workflow_id": "wf_1"}));
            run.answer(call, json!({"workflow_id": "wf_1", "ideas": [], "nothing_fits": {"message": "nothing fits"}}));
            let call = run.call("create_checkout_session", quote);
            run.answer(call, session_answer(session, 4200));
            run
        };
        asked_again(&|run, call| run.answer(call, session_answer("cs_1", 4200)), "cs_1").kept(&AS_ASKED);
        asked_again(&|run, call| run.reply(call, HostReply::Cancelled), "cs_1").kept(&AS_ASKED);
        // Nothing was frozen before.
        let refused = |run: &mut Run, call| run.fail_with(call, Code::CatalogUnavailable, None);
        assert!(asked_again(&refused, "cs_1").broken(&AS_ASKED).contains("over the budget of 10.00 EUR"));
        let said = asked_again(&|run, call| run.answer(call, session_answer("cs_1", 4200)), "cs_2").broken(&AS_ASKED);
        assert!(said.contains("over the budget of 10.00 EUR"), "{said}");
    }

    #[test]
    fn a_price_is_frozen_within_the_budget_and_in_its_currency() {
        frozen_after(json!({"budget": 4200}), 4200).kept(&AS_ASKED);
        frozen_after(json!({}), 4200).kept(&AS_ASKED);
        let said = frozen_after(json!({"budget": 4199}), 4200).broken(&AS_ASKED);
        assert!(said.contains("over the budget of 41.99 EUR"), "{said}");
        let said = frozen_after(json!({"budget": 9000, "currency": "JPY"}), 4200).broken(&AS_ASKED);
        assert!(said.contains("the workflow's budget is 9000 JPY"), "{said}");
        let said = frozen_after(json!({}), 0).broken(&AS_ASKED);
        assert!(said.contains("cannot be paid"), "{said}");
    }
}
