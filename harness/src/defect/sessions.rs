//! Defects of what is kept beside the keys: sessions, orders and switches that are not what they say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use giftgenius::app::{ToolCall, ToolReply};
use giftgenius::checkout::order::Order;
use giftgenius::checkout::state::Charge;
use giftgenius::ids::OrderId;
use giftgenius::journal::{Key, Record, Stored};
use giftgenius::ports::Request;
use serde_json::{Map, Value};

use super::door::calling;
use super::keys::always_open;
use super::{Defect, each_life, on};
use crate::provider::payment::holder;
use crate::system::wiring::Wired;

/// See `about`.
pub static SESSION_PAID_ONCE_A_KEY: Defect = Defect {
    id: "session_paid_once_a_key",
    about: "only the key says what was bought: a double click that makes two keys buys twice",
    caught_by: "one-effect",
    hunted_on: &[on("duplicates/double_click_two_keys")],
    wiring: || {
        each_life(|wired| {
            super::keys::unchecked::unchecked(wired, |key| matches!(key, Key::Session(_)))
                .reading(|_, stored| Some(always_open(stored)))
        })
    },
};

/// See `about`.
pub static ORDER_VISIBLE_TO_ANOTHER_USER: Defect = Defect {
    id: "order_visible_to_another_user",
    about: "an order is found by its id alone, whoever asks",
    caught_by: "isolated",
    hunted_on: &[on("isolation/somebody_elses_order")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|_, stored| match &*stored.record {
                Record::Order(order) => {
                    let user = calling(|call| call.user.clone()).unwrap_or_else(|| order.user.clone());
                    let record = Arc::new(Record::Order(Order { user, ..order.clone() }));
                    Some(Stored { version: stored.version, record })
                }
                Record::Session(_)
                | Record::Entry(_)
                | Record::Workflow(_)
                | Record::Switches(_)
                | Record::Event(_)
                | Record::Payment(_) => Some(stored),
            })
        })
    },
};

/// See `about`.
pub static CHARGE_WITHOUT_THE_CUSTOMER: Defect = Defect {
    id: "charge_without_the_customer",
    about: "the charge does not say whose payment method it is, so that the provider cannot hold it to anybody",
    caught_by: "isolated",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                next.send(with_customer(request, |body| drop(body.remove("customer")))).await
            })
        })
    },
};

/// See `about`.
pub static CUSTOMER_TAKEN_FROM_THE_METHOD: Defect = Defect {
    id: "customer_taken_from_the_method",
    about: "the charge names the customer that the payment method belongs to, instead of the one who pays",
    caught_by: "isolated",
    hunted_on: &[on("isolation/somebody_elses_card")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let with_holder = |body: &mut Map<String, Value>| {
                    let method = body.get("payment_method").and_then(Value::as_str);
                    if let Some(holder) = method.and_then(holder) {
                        body.insert(String::from("customer"), Value::from(holder));
                    }
                };
                next.send(with_customer(request, with_holder)).await
            })
        })
    },
};

/// See `about`.
pub static FOREIGN_METHOD_TOLD_APART: Defect = Defect {
    id: "foreign_method_told_apart",
    about: "another customer's payment method is refused in other words than one that there is not",
    caught_by: "isolated",
    hunted_on: &[on("isolation/somebody_elses_card")],
    wiring: || each_life(|wired| wired.answering(tell_whose_method_it_is)),
};

/// See `about`.
pub static FOREIGN_METHOD_TOLD_APART_IN_A_REPLAY: Defect = Defect {
    id: "foreign_method_told_apart_in_a_replay",
    about: "the answer that is told again says whose the refused payment method is, and the first one did not",
    caught_by: "isolated",
    hunted_on: &[on("isolation/somebody_elses_card")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|call, reply| {
                if reply.structured.to_string().contains("\"replayed\":true") {
                    tell_whose_method_it_is(call, reply);
                }
            })
        })
    },
};

/// An error about another customer's payment method says so.
fn tell_whose_method_it_is(call: &ToolCall, reply: &mut ToolReply) {
    let method = call.arguments.get("payment_method_id").and_then(Value::as_str);
    let is_foreign = method.and_then(holder).is_some_and(|holder| holder != call.user.as_str());
    if let Some(message) = reply.structured.pointer_mut("/error/message").filter(|_| is_foreign) {
        *message = Value::from("this payment method belongs to another customer");
    }
}

/// A charge whose body names its customer otherwise.
fn with_customer(mut request: Request, change: impl FnOnce(&mut Map<String, Value>)) -> Request {
    if request.operation == "payment.charge"
        && let Ok(mut body) = serde_json::from_slice(&request.body)
    {
        change(&mut body);
        request.body = serde_json::to_vec(&body).expect("a changed body is JSON").into();
    }
    request
}

/// See `about`.
pub static REFUND_NOT_BOOKED: Defect = Defect {
    id: "refund_not_booked",
    about: "the money is given back, and the order's own record still says that it was taken",
    caught_by: "conserved",
    hunted_on: &[on("saga/cancelled_after_it_was_paid")],
    wiring: || each_life(keep_the_charge_on_record),
};

/// See `about`.
pub static DEGRADED_MODE_THAT_STILL_CHARGES: Defect = Defect {
    id: "degraded_mode_that_still_charges",
    about: "the switch that turns checkout off is turned, and nobody looks at it",
    caught_by: "degraded-honest",
    hunted_on: &[on("degraded/checkout_is_off")],
    wiring: || each_life(|wired| wired.reading(|key, stored| (*key != Key::Switches).then_some(stored))),
};

fn keep_the_charge_on_record(wired: Wired) -> Wired {
    let charges: Mutex<BTreeMap<OrderId, Charge>> = Mutex::default();
    wired.mapping(
        |_, stored| Some(stored),
        move |mut batch| {
            let mut charges = charges.lock().expect("no holder of the charges panics");
            for write in &mut batch.writes {
                let Record::Order(order) = &*write.record else { continue };
                if matches!(order.saga.charge, Charge::Captured { .. }) {
                    charges.insert(order.id.clone(), order.saga.charge.clone());
                } else if order.saga.ending.is_some()
                    && let Some(charge) = charges.get(&order.id)
                {
                    let mut order = order.clone();
                    order.saga.charge = charge.clone();
                    write.record = Arc::new(Record::Order(order));
                }
            }
            batch
        },
    )
}
