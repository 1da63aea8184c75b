//! `isolated`: what belongs to somebody else answers as if it did not exist.

use giftgenius::error::Code;
use serde_json::{Map, Value};

use super::evidence::{CallView, Evidence};
use super::json::{KEY, any_string};
use super::keyed::{acted, sent_for, taken_down};
use super::told::ToldStatus;
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::operations::CHARGE;
use crate::provider::payment::holder;
use crate::trace::HostReply;

/// The rule.
pub static ISOLATED: Oracle = Oracle {
    id: "isolated",
    rule: "A call about somebody else's session, order or workflow answers exactly as one about an unknown id, and \
           causes nothing; no answer names what belongs to somebody else. A charge names the order's own user as its \
           customer, and another customer's payment method answers as an unknown one.",
    explanation: "Who the user is comes from the connection, never from an argument. An answer that differs for a \
                  foreign id and an unknown one already tells that the foreign one exists. Where the run also asks \
                  about an unknown id, the two answers are compared word for word, the ids and the correlation id \
                  apart. A payment method belongs to one customer, and only the provider knows whose it is: a charge \
                  that names no customer, or another one, lets anybody pay with anybody's card.",
    requirements: &["F4", "F11"],
    check,
};

/// The arguments that name something of somebody's, and how an unknown one is answered.
const OWNED: [(&str, Code); 3] = [
    ("checkout_session_id", Code::SessionNotFound),
    ("order_id", Code::OrderNotFound),
    ("workflow_id", Code::WorkflowNotFound),
];

/// The argument that names a payment method.
const METHOD: &str = "payment_method_id";

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ISOLATED.id);
    let Some(first) = evidence.calls.first() else {
        return Verdict::Kept;
    };
    customers(evidence, &mut findings);
    for call in evidence.calls.iter().filter(|call| call.is("create_order")) {
        foreign_method(evidence, call, &mut findings);
    }
    // One user alone has no other user to be isolated from.
    if evidence.calls.iter().all(|call| call.started.user == first.started.user) {
        return findings.verdict();
    }
    let owners = owners(evidence);
    for call in &evidence.calls {
        for (argument, code) in OWNED {
            if let Some(id) = call.text(argument)
                && owner_of(&owners, id).is_some_and(|owner| owner != &*call.started.user)
            {
                foreign(evidence, call, (argument, id, code), &owners, &mut findings);
            }
        }
        tells(call, &owners, &mut findings);
    }
    findings.verdict()
}

/// Every charge request names the user whose order it is.
fn customers(evidence: &Evidence<'_>, findings: &mut Findings) {
    for order in &evidence.orders {
        let Some(user) = order.begun_by.map(|call| &evidence.calls[call].started.user) else { continue };
        for exchange in order.exchanges.iter().map(|index| &evidence.exchanges[*index]) {
            if exchange.is(&CHARGE) && exchange.sent.customer.as_ref() != Some(user) {
                let named = match &exchange.sent.customer {
                    Some(customer) => format!("the customer {customer}"),
                    None => String::from("no customer"),
                };
                let message = format!("{} named {named} for order {}, which is {user}'s", exchange.sent.site, order.id);
                findings.add(message, [exchange.sent_event]);
            }
        }
    }
}

/// A purchase with another customer's payment method is answered as one with a method that there is not.
fn foreign_method(evidence: &Evidence<'_>, call: &CallView<'_>, findings: &mut Findings) {
    let Some(method) = call.text(METHOD) else { return };
    let is_foreign = |call: &CallView<'_>, method| holder(method).is_some_and(|holder| holder != &*call.started.user);
    if !is_foreign(call, method) {
        return;
    }
    let (Some(HostReply::Tool { structured, is_error }), Some((end, _))) = (call.reply, call.end) else { return };
    let user = &call.started.user;
    let events = [call.start_event, end];
    if !is_error && call.told.as_ref().is_some_and(|told| told.status == ToldStatus::Success) {
        // A session that was paid before is told whatever the method: only what this call began counts.
        let begun = call
            .order
            .is_some_and(|order| evidence.orders[order].begun_by == evidence.call_of(&call.started.correlation));
        if begun {
            findings.add(format!("{user} paid with {method}, which is another customer's"), events);
        }
        return;
    }
    if call.told.as_ref().and_then(|told| told.code) != Some(Code::PaymentMethodNotFound.as_str()) {
        return;
    }
    let unknown = evidence.calls.iter().find_map(|other| {
        let other_method = other.text(METHOD).filter(|method| holder(method).is_none())?;
        let Some(HostReply::Tool { structured, is_error: true }) = other.reply else { return None };
        let is_unknown = other.told.as_ref()?.code == Some(Code::PaymentMethodNotFound.as_str());
        (other.is("create_order") && is_unknown).then_some((other, other_method, structured))
    });
    if let Some((other, other_method, answer)) = unknown
        && !alike(structured, method, answer, other_method)
    {
        let message = format!(
            "{user} called create_order with {method}, which is another customer's, and the answer differs from the one \
             about the unknown {other_method} in more than the id"
        );
        findings.add(message, events.into_iter().chain(other.end.map(|(event, _)| event)));
    }
}

/// Whose each session, order and workflow is: its maker's, as answers and requests show.
fn owners<'a>(evidence: &Evidence<'a>) -> Vec<(&'a str, &'a str)> {
    let mut owners: Vec<(&str, &str)> = Vec::new();
    for session in &evidence.sessions {
        owners.push((session.id, &evidence.calls[session.call].started.user));
    }
    for order in &evidence.orders {
        if let Some(call) = order.begun_by {
            owners.push((order.id, &evidence.calls[call].started.user));
        }
    }
    for call in &evidence.calls {
        if let Some(HostReply::Tool { structured, is_error: false }) = call.reply
            && let Some(id) = structured.get("workflow_id").and_then(Value::as_str)
            && call.text("workflow_id").is_none()
        {
            owners.push((id, &call.started.user));
        }
    }
    // The first to be given an id owns it.
    owners.sort_by_key(|(id, _)| *id);
    owners.dedup_by_key(|(id, _)| *id);
    owners
}

fn owner_of<'a>(owners: &[(&'a str, &'a str)], id: &str) -> Option<&'a str> {
    owners.binary_search_by(|(known, _)| (*known).cmp(id)).ok().map(|place| owners[place].1)
}

fn foreign(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    (argument, id, expected): (&str, &str, Code),
    owners: &[(&str, &str)],
    findings: &mut Findings,
) {
    let events = [Some(call.start_event), call.end.map(|(event, _)| event)];
    let who = format!("{} called {} about {id}, which is somebody else's", call.started.user, call.started.tool);
    if acted(evidence, call) {
        let requests = evidence
            .exchanges
            .iter()
            .filter(|exchange| exchange.sent.operation.effectful && sent_for(exchange.sent, call))
            .map(|exchange| exchange.sent_event);
        findings.add(format!("{who}, and it was acted upon"), requests.chain(events.into_iter().flatten()));
    }
    let Some(HostReply::Tool { structured, is_error }) = call.reply else {
        return;
    };
    let code = call.told.as_ref().and_then(|told| told.code);
    // Refusals that never looked at the thing say nothing about it; the end of a loop is that of any id's.
    let blind = code.and_then(codes::parse).is_some_and(|code| {
        matches!(
            code,
            Code::InvalidArguments
                | Code::KeyConflict
                | Code::LimitReached
                | Code::CheckoutDisabled
                | Code::StoreUnavailable
                | Code::RepeatedCall
        )
    });
    if *is_error && (blind || taken_down(evidence, call)) {
        return;
    }
    if !is_error || code != Some(expected.as_str()) {
        let answer = if *is_error { code.unwrap_or("an error without a code") } else { "a result" };
        findings.add(format!("{who}, and got {answer} instead of {}", expected.as_str()), events.into_iter().flatten());
        return;
    }
    // The same question about an id that nobody owns, if the run asks it.
    let unknown = evidence.calls.iter().find_map(|other| {
        let other_id = other.text(argument)?;
        let Some(HostReply::Tool { structured, is_error: true }) = other.reply else {
            return None;
        };
        let told = other.told.as_ref()?;
        (other.started.tool == call.started.tool && told.code == code && owner_of(owners, other_id).is_none())
            .then_some((other, other_id, structured))
    });
    if let Some((other, other_id, answer)) = unknown
        && !alike(structured, id, answer, other_id)
    {
        let end = other.end.map(|(event, _)| event);
        findings.add(
            format!("{who}, and the answer differs from the one about the unknown {other_id} in more than the id"),
            events.into_iter().flatten().chain(end),
        );
    }
}

/// Whether a field speaks of the call and not of what it names: two purchases are two orders, and a key that comes again
/// is told what it was told.
fn is_of_the_call(field: &str) -> bool {
    matches!(field, "correlation_id" | "order_id" | "replayed" | "as_of")
}

/// Whether two answers are one, each with its own id in place of the other's, correlation ids apart.
fn alike(left: &Value, left_id: &str, right: &Value, right_id: &str) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            left == right || left.replace(left_id, "\u{0}") == right.replace(right_id, "\u{0}")
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| alike(left, left_id, right, right_id))
        }
        (Value::Object(left), Value::Object(right)) => {
            let count = |object: &Map<String, Value>| object.keys().filter(|name| !is_of_the_call(name)).count();
            count(left) == count(right)
                && left
                    .iter()
                    .filter(|(name, _)| !is_of_the_call(name))
                    .all(|(name, left)| right.get(name).is_some_and(|right| alike(left, left_id, right, right_id)))
        }
        (left, right) => left == right,
    }
}

/// An answer that names an id of somebody else's that the caller did not name.
fn tells(call: &CallView<'_>, owners: &[(&str, &str)], findings: &mut Findings) {
    let (Some(HostReply::Tool { structured, .. }), Some((end, _))) = (call.reply, call.end) else {
        return;
    };
    let mut told = None;
    any_string(structured, &mut |text| {
        let foreign = owner_of(owners, text).is_some_and(|owner| owner != &*call.started.user);
        let named = foreign && any_string(&call.started.arguments, &mut |argument| argument == text);
        if foreign && !named {
            told = Some(text);
        }
        told.is_some()
    });
    if let Some(id) = told
        && call.text(KEY) != Some(id)
    {
        let message =
            format!("{} of {} was answered with {id}, which is somebody else's", call.started.tool, call.started.user);
        findings.add(message, [call.start_event, end]);
    }
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use serde_json::json;

    use super::*;
    use crate::fault::Fault;
    use crate::fault::site::Place;
    use crate::oracle::testing::{Run, order_answer, order_arguments};
    use crate::trace::EventKind;

    /// Ada buys; from now on Bob calls.
    fn bob() -> Run {
        let mut run = Run::sale();
        run.user = "bob";
        run
    }

    fn not_found(run: &mut Run, id: &str, message: &str) {
        let call = run.call("get_order", json!({"order_id": id}));
        let mut error = run.error(Code::OrderNotFound, None);
        error["error"]["message"] = json!(message);
        run.fail(call, error);
    }

    #[test]
    fn a_foreign_id_that_the_server_fails_at_is_excused_where_that_is_planned() {
        let asked = |planned: bool| {
            let mut run = bob();
            let call = run.call("get_order", json!({"order_id": "ord_1"}));
            if planned {
                run.strike(Place::JournalRead, Fault::Panic);
            }
            run.fail_with(call, Code::Internal, None);
            run
        };
        asked(true).kept(&ISOLATED);
        assert!(asked(false).broken(&ISOLATED).contains("and got INTERNAL instead of ORDER_NOT_FOUND"));
    }

    #[test]
    fn the_owner_may_see_everything() {
        let mut run = Run::sale();
        run.get_order("ord_1", "success");
        run.user = "bob";
        run.call("search_products", json!({}));
        run.kept(&ISOLATED);
    }

    #[test]
    fn a_foreign_order_that_is_answered_is_a_breach() {
        let mut run = bob();
        run.get_order("ord_1", "success");
        assert!(run.broken(&ISOLATED).contains("got a result instead of ORDER_NOT_FOUND"));
    }

    #[test]
    fn another_error_than_for_an_unknown_id_is_a_breach() {
        let mut run = bob();
        let call = run.call("cancel_order", json!({"order_id": "ord_1"}));
        run.fail_with(call, Code::OrderInProgress, None);
        run.broken(&ISOLATED);
    }

    #[test]
    fn the_answers_differ_in_the_id_only() {
        for (foreign, unknown, broken) in
            [("no order ord_1", "no order ord_x", false), ("ord_1 is not yours", "no order ord_x", true)]
        {
            let mut run = bob();
            not_found(&mut run, "ord_1", foreign);
            run.kept(&ISOLATED);
            not_found(&mut run, "ord_x", unknown);
            if broken {
                assert!(run.broken(&ISOLATED).contains("in more than the id"));
            } else {
                run.kept(&ISOLATED);
            }
        }
    }

    #[test]
    fn a_foreign_session_is_not_paid() {
        let mut run = bob();
        let call = run.create_order("cs_1", "b1");
        run.reserve("ord_2");
        run.fail_with(call, Code::SessionNotFound, None);
        assert!(run.broken(&ISOLATED).contains("acted upon"));

        let mut run = bob();
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::SessionNotFound, None);
        run.kept(&ISOLATED);
    }

    #[test]
    fn an_answer_never_names_a_foreign_id() {
        let mut run = bob();
        let call = run.call("get_workflow", json!({}));
        run.answer(call, json!({"order": "ord_1"}));
        assert!(run.broken(&ISOLATED).contains("answered with ord_1"));

        let mut run = bob();
        let call = run.create_order("cs_9", "b1");
        run.fail_with(call, Code::OrderInProgress, Some(("ord_1", Effects::Unknown)));
        run.broken(&ISOLATED);
    }

    #[test]
    fn a_charge_names_the_orders_own_user() {
        for customer in [None, Some("ada")] {
            let mut run = Run::sale();
            run.kept(&ISOLATED);
            run.user = "bob";
            run.session("cs_2");
            run.create_order("cs_2", "k2");
            run.charge("ord_2");
            run.kept(&ISOLATED);
            let sent = run.record.trace.events.iter_mut().rev().find_map(|event| match &mut event.kind {
                EventKind::Sent(sent) => Some(sent),
                _ => None,
            });
            sent.expect("a charge").customer = customer.map(Into::into);
            assert!(run.broken(&ISOLATED).contains("for order ord_2, which is bob's"));
        }
    }

    #[test]
    fn a_foreign_payment_method_answers_as_an_unknown_one() {
        let refused = |run: &mut Run, method: &str, message: &str| {
            let mut arguments = order_arguments("cs_2", "k2");
            arguments["payment_method_id"] = json!(method);
            let call = run.call("create_order", arguments);
            let mut error = run.error(Code::PaymentMethodNotFound, None);
            error["error"]["message"] = json!(message);
            run.fail(call, error);
        };
        let mut run = bob();
        run.session("cs_2");
        refused(&mut run, "pm_gold", "pm_gold is not on file");
        refused(&mut run, "pm_visa", "pm_visa is not on file");
        run.kept(&ISOLATED);
        // The same key again is told what it was told.
        let again = |run: &mut Run, message: &str| {
            let mut arguments = order_arguments("cs_2", "k2");
            arguments["payment_method_id"] = json!("pm_visa");
            let call = run.call("create_order", arguments);
            let mut error = run.error(Code::PaymentMethodNotFound, None);
            error["error"]["message"] = json!(message);
            error["replayed"] = json!(true);
            error["as_of"] = json!("2026-01-01T00:00:00Z");
            run.fail(call, error);
        };
        again(&mut run, "pm_visa is not on file");
        run.kept(&ISOLATED);
        let mut run_again = bob();
        run_again.session("cs_2");
        refused(&mut run_again, "pm_gold", "pm_gold is not on file");
        again(&mut run_again, "pm_visa is not yours");
        assert!(run_again.broken(&ISOLATED).contains("in more than the id"));
        refused(&mut run, "pm_visa", "pm_visa is not yours");
        assert!(run.broken(&ISOLATED).contains("in more than the id"));

        let mut run = bob();
        run.session("cs_2");
        let call = run.create_order("cs_2", "k2");
        run.charge("ord_2");
        run.tell_success(call, "cs_2", "ord_2");
        assert!(run.broken(&ISOLATED).contains("paid with pm_visa"));
    }

    #[test]
    fn refusals_that_never_looked_are_fine() {
        let mut run = bob();
        let call = run.create_order("cs_1", "b1");
        run.fail_with(call, Code::CheckoutDisabled, None);
        let call = run.call("get_order", json!({"order_id": "ord_1"}));
        run.reply(call, HostReply::Cancelled);
        run.kept(&ISOLATED);
        let call = run.call("get_order", json!({"order_id": "ord_1"}));
        run.answer(call, order_answer("ord_1", "pending"));
        run.broken(&ISOLATED);
    }
}
