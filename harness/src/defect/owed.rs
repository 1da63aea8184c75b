//! Defects of a server that says no where it should not, or names another cause than the true one.

use std::sync::Arc;

use giftgenius::app::ToolCall;
use giftgenius::ports::{Request, Response};
use serde_json::{Value, json};

use super::parts::{INVALID, made_up};
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static BUDGET_HAS_TO_EXCEED_THE_TOTAL: Defect = Defect {
    id: "budget_has_to_exceed_the_total",
    about: "a total that equals the budget is taken for one above it",
    caught_by: "sale-owed",
    hunted_on: &[on("checkout/the_budget_is_just_enough")],
    wiring: || each_life(|wired| wired.taking(|app, call| async move { app.call_tool(with_a_penny_less(call)).await })),
};

/// See `about`.
pub static ONLY_THE_FIRST_LINE_RESERVED: Defect = Defect {
    id: "only_the_first_line_reserved",
    about: "of a basket only the first product is set aside: the others are sold whether they are there or not",
    caught_by: "sale-owed",
    hunted_on: &[on("checkout/two_products")],
    wiring: || each_life(reserve_the_first),
};

/// See `about`.
pub static ANOTHER_PRODUCT_NAMED: Defect = Defect {
    id: "another_product_named",
    about: "whatever product is short, the first of the basket is named",
    caught_by: "sale-owed",
    hunted_on: &[on("checkout/one_of_two_products_is_short")],
    wiring: || {
        each_life(|wired| {
            with_refusals(wired, "inventory.reserve", |asked, body| {
                if body["error"]["sku"].is_string() {
                    body["error"]["sku"] = asked["items"][0]["sku"].clone();
                }
            })
        })
    },
};

/// See `about`.
pub static SENTENCES_SWAPPED: Defect = Defect {
    id: "sentences_swapped",
    about: "two sentences of the table are swapped: a declined card gets the sentence for a product that is out of stock",
    caught_by: "words-true",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                sentence(
                    &mut reply.structured,
                    "This item is out of stock and you were not charged; choose another gift.",
                );
            })
        })
    },
};

/// See `about`.
pub static SENTENCE_LOST: Defect = Defect {
    id: "sentence_lost",
    about: "the sentence for the person is left empty",
    caught_by: "words-true",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if reply.structured.get("user_message").is_some() {
                    reply.structured["user_message"] = json!("");
                }
            })
        })
    },
};

fn sentence(reply: &mut Value, words: &str) {
    if let Some(error) = reply.get_mut("error") {
        error["user_message"] = json!(words);
    }
}

/// A budget that is lower by the least amount there is.
fn with_a_penny_less(mut call: ToolCall) -> ToolCall {
    let budget = call.arguments.get("budget").and_then(Value::as_i64).filter(|budget| *budget > 1);
    if let (Some(budget), "create_checkout_session") = (budget, call.name.as_str()) {
        Arc::make_mut(&mut call.arguments)["budget"] = json!(budget - 1);
    }
    call
}

/// Asks for the first product only, and takes the answer for one about all of them.
fn reserve_the_first(wired: Wired) -> Wired {
    wired.sending(|next, mut request| async move {
        let asked: Option<Value> = serde_json::from_slice(&request.body).ok();
        let Some(mut asked) = asked.filter(|_| request.operation == "inventory.reserve") else {
            return next.send(request).await;
        };
        let items = asked["items"].clone();
        asked["items"] = json!([items[0]]);
        request.body = asked.to_string().into();
        let mut response = next.send(request).await?;
        if let Some(mut body) = json_of(&response).filter(|body| body.get("items").is_some()) {
            body["items"] = items;
            response.body = body.to_string().into();
        }
        Ok(response)
    })
}

/// Reads the refusals of an operation otherwise than they are; `change` is shown what was asked.
pub(super) fn with_refusals(wired: Wired, operation: &'static str, change: fn(&Value, &mut Value)) -> Wired {
    wired.sending(move |next, request| async move {
        let asked = asked(&request);
        let is_it = request.operation == operation;
        let mut response = next.send(request).await?;
        if is_it
            && response.status >= 400
            && let Some(mut body) = json_of(&response)
        {
            change(&asked, &mut body);
            response.body = body.to_string().into();
        }
        Ok(response)
    })
}

fn asked(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn json_of(response: &Response) -> Option<Value> {
    serde_json::from_slice(&response.body).ok()
}

/// See `about`.
pub static RATE_LIMIT_TAKEN_FOR_REFUSAL: Defect = Defect {
    id: "rate_limit_taken_for_refusal",
    about: "a provider that asks for a pause is taken for one that refuses for good",
    caught_by: "cause-true",
    hunted_on: &[on("retries/the_payment_provider_limits_the_rate")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let response = next.send(request).await?;
                Ok(if response.status == 429 { made_up(400, INVALID) } else { response })
            })
        })
    },
};

/// See `about`.
pub static DECLINE_CODE_REPLACED: Defect = Defect {
    id: "decline_code_replaced",
    about: "every decline says that the card has expired, whatever the bank said",
    caught_by: "cause-true",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            with_refusals(wired, "payment.charge", |_, body| {
                if body["error"]["decline_code"].is_string() {
                    body["error"]["decline_code"] = json!("expired_card");
                }
            })
        })
    },
};

/// See `about`.
pub static DECLINE_CODE_UNTOLD: Defect = Defect {
    id: "decline_code_untold",
    about: "why the bank declined is lost, and with it what the person could do about it",
    caught_by: "cause-true",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            with_refusals(wired, "payment.charge", |_, body| {
                if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
                    error.remove("decline_code");
                }
            })
        })
    },
};

/// See `about`.
pub static STOLEN_CARD_TOLD: Defect = Defect {
    id: "stolen_card_told",
    about: "every reason of the bank's is passed on, also that the card is reported stolen",
    caught_by: "cause-true",
    hunted_on: &[on("checkout/a_reason_that_is_kept")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if reply.structured.pointer("/error/code") == Some(&json!("PAYMENT_DECLINED")) {
                    reply.structured["error"]["message"] =
                        json!("the card was declined (stolen_card); nothing is charged");
                }
            })
        })
    },
};

/// See `about`.
pub static CHARGED_TOLD_AS_UNKNOWN: Defect = Defect {
    id: "charged_told_as_unknown",
    about: "every open order reports `unknown`, also where the charge was seen",
    caught_by: "effects-exact",
    hunted_on: &[on("saga/the_inventory_is_down_after_the_charge")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if reply.structured.get("status") == Some(&json!("pending")) {
                    reply.structured["effects"] = json!("unknown");
                }
            })
        })
    },
};

/// See `about`.
pub static UNKNOWN_TOLD_AS_CHARGED: Defect = Defect {
    id: "unknown_told_as_charged",
    about: "a charge without an answer is reported as made",
    caught_by: "effects-exact",
    hunted_on: &[on("retries/payment_is_down_for_good")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if reply.structured.get("status") == Some(&json!("pending")) {
                    reply.structured["effects"] = json!("charged");
                }
            })
        })
    },
};

/// See `about`.
pub static REPLAY_UNMARKED: Defect = Defect {
    id: "replay_unmarked",
    about: "an answer that is given again looks like the answer to a new purchase",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_model_calls_three_times")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if let Some(body) = reply.structured.as_object_mut() {
                    body.remove("replayed");
                }
            })
        })
    },
};
