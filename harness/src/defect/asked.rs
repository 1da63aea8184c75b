//! Defects of taking what a provider answers for what it was asked: passed on as it came, or believed.

use std::sync::{Arc, Mutex};

use giftgenius::journal::{Record, Stored};
use giftgenius::ports::Response;
use giftgenius::workflow::Workflow;
use serde_json::{Value, json};

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static SEARCH_REPLY_PASSED_ON: Defect = Defect {
    id: "search_reply_passed_on",
    about: "what the catalog finds is passed on as it came: past the limit, over the budget, in any currency",
    caught_by: "as-asked",
    hunted_on: &[on("replies/a_search_that_finds_too_much")],
    wiring: || each_life(|wired| passed_on(wired, "catalog.search", "/products", "products")),
};

/// See `about`.
pub static CARD_NUMBER_PASSED_ON: Defect = Defect {
    id: "card_number_passed_on",
    about: "the last four digits of a card are whatever the provider says they are",
    caught_by: "nothing-leaked",
    hunted_on: &[on("replies/a_whole_card_number")],
    wiring: || each_life(|wired| passed_on(wired, "payment.methods", "/payment_methods", "payment_methods")),
};

/// See `about`.
pub static CARD_NUMBER_PASSED_ON_AS_A_NUMBER: Defect = Defect {
    id: "card_number_passed_on_as_a_number",
    about: "the last digits of a card are read as a number, and passed on as many as there are",
    caught_by: "nothing-leaked",
    hunted_on: &[on("replies/a_whole_card_number")],
    wiring: || {
        each_life(|wired| {
            passed_on_as(wired, "payment.methods", "/payment_methods", "payment_methods", read_as_numbers)
        })
    },
};

/// See `about`.
pub static FREE_TOTAL_CHARGED: Defect = Defect {
    id: "free_total_charged",
    about: "a total of 0 is a price like any other, and a charge of 0 is sent for it",
    caught_by: "amount-agreed",
    hunted_on: &[on("replies/a_promotion_takes_the_whole_price_off")],
    wiring: || each_life(charge_nothing),
};

/// See `about`.
pub static BUDGET_IN_ANOTHER_CURRENCY_DROPPED: Defect = Defect {
    id: "budget_in_another_currency_dropped",
    about: "a budget that cannot be compared with the price is not compared, and nothing is said of it",
    caught_by: "as-asked",
    hunted_on: &[on("errors/the_budget_is_in_another_currency")],
    wiring: || {
        each_life(|wired| {
            wired.reading(|_, stored| match &*stored.record {
                Record::Workflow(workflow) => {
                    let record = Arc::new(Record::Workflow(Workflow { budget: None, ..workflow.clone() }));
                    Some(Stored { version: stored.version, record })
                }
                Record::Order(_)
                | Record::Session(_)
                | Record::Entry(_)
                | Record::Switches(_)
                | Record::Event(_)
                | Record::Payment(_) => Some(stored),
            })
        })
    },
};

/// See `about`.
pub static EMPTY_LIST_WITHOUT_A_REASON: Defect = Defect {
    id: "empty_list_without_a_reason",
    about: "a search that finds nothing answers an empty list, and the model guesses why",
    caught_by: "as-asked",
    hunted_on: &[on("checkout/nothing_fits")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if let Some(answer) = reply.structured.as_object_mut() {
                    answer.remove("nothing_fits");
                }
            })
        })
    },
};

/// See `about`.
pub static SUCCESS_OFF_ITS_SCHEMA: Defect = Defect {
    id: "success_off_its_schema",
    about: "the answer was changed and the published schema was not: what is a number there is a text here",
    caught_by: "output-schema",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if let Some(discount) = reply.structured.get_mut("discount") {
                    *discount = json!(discount.to_string());
                }
            })
        })
    },
};

/// See `about`.
pub static EVERY_CURRENCY_WITH_TWO_DECIMALS: Defect = Defect {
    id: "every_currency_with_two_decimals",
    about: "an amount is shown with two decimals whatever its currency: 148.00 JPY for 14800",
    caught_by: "amount-agreed",
    hunted_on: &[on("checkout/yen_and_dinar")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if let Some(Value::String(message)) = reply.structured.pointer_mut("/error/message") {
                    *message = message.replace("00 JPY", ".00 JPY").replace("99 JPY", ".99 JPY");
                }
            })
        })
    },
};

/// Passes on what a provider last answered, in place of what GiftGenius made of it.
fn passed_on(wired: Wired, operation: &'static str, from: &'static str, to: &'static str) -> Wired {
    passed_on_as(wired, operation, from, to, |_| {})
}

/// The last digits of each card as a number.
fn read_as_numbers(methods: &mut Value) {
    for last4 in methods.as_array_mut().into_iter().flatten().filter_map(|method| method.get_mut("last4")) {
        if let Some(number) = last4.as_str().and_then(|digits| digits.parse::<u64>().ok()) {
            *last4 = Value::from(number);
        }
    }
}

/// The same, changed on its way.
fn passed_on_as(
    wired: Wired,
    operation: &'static str,
    from: &'static str,
    to: &'static str,
    change: fn(&mut Value),
) -> Wired {
    let heard: Arc<Mutex<Option<Value>>> = Arc::default();
    let told = heard.clone();
    wired
        .sending(move |next, request| {
            let heard = heard.clone();
            async move {
                let asked = request.operation;
                let sent = next.send(request).await;
                if asked == operation
                    && let Ok(Response { status: 200, body, .. }) = &sent
                    && let Ok(body) = serde_json::from_slice::<Value>(body)
                {
                    *heard.lock().expect("no holder panics") = body.pointer(from).cloned();
                }
                sent
            }
        })
        .taking(move |app, call| {
            let told = told.clone();
            async move {
                let mut reply = app.call_tool(call).await?;
                let heard = told.lock().expect("no holder panics").clone();
                if let Some((told, mut heard)) = reply.structured.get_mut(to).zip(heard) {
                    change(&mut heard);
                    *told = heard;
                }
                Ok(reply)
            }
        })
}

/// A total of 0 gets past the quote, and 0 is charged.
fn charge_nothing(wired: Wired) -> Wired {
    let is_free = Arc::new(Mutex::new(false));
    wired.sending(move |next, mut request| {
        let is_free = is_free.clone();
        async move {
            if request.operation == "payment.charge"
                && *is_free.lock().expect("no holder panics")
                && let Ok(mut body) = serde_json::from_slice::<Value>(&request.body)
            {
                body["amount"] = json!(0);
                request.body = body.to_string().into();
            }
            let operation = request.operation;
            let mut sent = next.send(request).await;
            if operation == "catalog.quote"
                && let Ok(response) = &mut sent
                && let Ok(mut quote) = serde_json::from_slice::<Value>(&response.body)
                && let (Some(0), Some(discount)) = (quote["total"].as_i64(), quote["discount"].as_i64())
            {
                *is_free.lock().expect("no holder panics") = true;
                quote["total"] = json!(1);
                quote["discount"] = json!(discount - 1);
                response.body = quote.to_string().into();
            }
            sent
        }
    })
}
