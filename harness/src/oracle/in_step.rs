//! `in-step`: the backend's word on where a purchase is agrees with what was done, and holds every tool to it.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::ports::Provider;
use giftgenius::step_log::StepStatus;
use giftgenius::workflow::{EVERYWHERE, Step};

use super::conversations::{
    Conversation, accepted, act_at_once, apart, conversations, end, ends_of, jumped, jumped_together, step, told_step,
    wrote_during,
};
use super::evidence::{CallView, Evidence, SessionView};
use super::keyed::{acted, sent_for};
use super::settlement::unsettled_charge;
use super::{Findings, Oracle, ToldStatus, Verdict, codes};
use crate::fault::site::Place;
use crate::provider::operations::CHARGE;
use crate::scenario::model::WorldKind;
use crate::trace::{Event, EventKind};

/// The rule.
pub static IN_STEP: Oracle = Oracle {
    id: "in-step",
    rule: "The step that is told of a workflow follows from the calls that were accepted; a tool that may not act there is \
           refused, and what is refused changes nothing; a price that was left behind or has expired is never paid, and \
           nobody leaves a payment that is not settled.",
    explanation: "Model, widget and backend each have an idea of where the person is, and only the backend's counts. A \
                  breach says where they part: a tool acted out of step, a refusal moved something, an answer tells \
                  another step than the calls before it led to, a paying step is told of a price that has run out, or \
                  money was asked for after the person had left. Where calls overlap, or a sale is still on its way, the \
                  step may change by itself, and nothing is concluded from it; nor about a price that has less time left than \
                  the clocks of replicas are apart.",
    requirements: &["F9", "F10"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(IN_STEP.id);
    for conversation in conversations(evidence) {
        follow(evidence, &conversation, &mut findings);
        left_behind(evidence, &conversation, &mut findings);
        overtaken(evidence, &conversation, &mut findings);
    }
    findings.verdict()
}

/// What is known of a workflow's step.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Standing {
    /// It may be any, and change by itself.
    Unknown,
    /// A step without a price.
    At(Step),
    /// A paying step, with a price that nobody has paid: index into [`Evidence::sessions`].
    Price(Step, usize),
    /// The price is paid.
    Paid,
}

/// How old a price is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Age {
    Fresh,
    Expired,
    /// It runs out about now, or clocks differ.
    Unclear,
}

fn follow(evidence: &Evidence<'_>, conversation: &Conversation<'_>, findings: &mut Findings) {
    let mut standing = Standing::Unknown;
    let mut told_at = 0;
    for &index in &conversation.calls {
        let call = &evidence.calls[index];
        let others = conversation.calls.iter().filter(|other| **other != index).map(|other| &evidence.calls[*other]);
        if others.clone().any(|other| (moves(call) || moves(other)) && act_at_once(evidence, call, other)) {
            standing = Standing::Unknown;
            continue;
        }
        let code = code_of(call);
        if code == Some(Code::OutOfStep) {
            refused(evidence, call, findings);
        } else {
            gated(evidence, conversation, (index, standing, told_at), findings);
        }
        if let Some(told) = told_step(call).filter(|_| !is_move(call)) {
            compare(evidence, conversation, (call, told, standing, told_at), findings);
            standing = match standing {
                // The price may have run out on the clock of this process alone.
                Standing::Unknown if told == Step::ChooseGift && !apart(evidence, end(call)).is_zero() => standing,
                Standing::Unknown if !told.is_paying() && nothing_pends(evidence, conversation, call) => {
                    Standing::At(told)
                }
                // Where clocks may differ about the price, another process has it still.
                Standing::Price(_, session) if !told.is_paying() => match age(evidence, session, call) {
                    Age::Unclear => Standing::Unknown,
                    Age::Fresh | Age::Expired => Standing::At(told),
                },
                known => known,
            };
            told_at = end(call);
        }
        let after = after(evidence, index, standing);
        if after != standing {
            told_at = end(call);
        }
        standing = after;
    }
}

fn code_of(call: &CallView<'_>) -> Option<Code> {
    call.told.as_ref().filter(|told| told.is_error).and_then(|told| codes::parse(told.code?))
}

fn is_move(call: &CallView<'_>) -> bool {
    call.is("user_navigated_to_step")
}

/// Whether a call can change where its workflow is.
fn moves(call: &CallView<'_>) -> bool {
    !EVERYWHERE.contains(&&*call.started.tool) || is_move(call) || call.is("cancel_order")
}

/// Whether no sale of the conversation was on its way at a call, which could move it by itself.
fn nothing_pends(evidence: &Evidence<'_>, conversation: &Conversation<'_>, call: &CallView<'_>) -> bool {
    let sales = conversation.calls.iter().map(|index| &evidence.calls[*index]);
    !sales.filter(|sale| sale.start_event < call.start_event).any(|sale| sale.is("create_order"))
}

/// A call that was refused as out of step changes nothing.
fn refused(evidence: &Evidence<'_>, call: &CallView<'_>, findings: &mut Findings) {
    let Some((ended, _)) = call.end else { return };
    let what = format!("{} of script step {} was refused as out of step", call.started.tool, call.started.step);
    if acted(evidence, call) {
        findings.add(format!("{what}, and sent a request that changes something"), [call.start_event, ended]);
    }
    if wrote_during(evidence, call) {
        findings.add(format!("{what}, and wrote to the journal all the same"), [call.start_event, ended]);
    }
}

/// A tool acts only at its step.
fn gated(
    evidence: &Evidence<'_>,
    conversation: &Conversation<'_>,
    (index, standing, told_at): (usize, Standing, usize),
    findings: &mut Findings,
) {
    let call = &evidence.calls[index];
    let tool = &*call.started.tool;
    if EVERYWHERE.contains(&tool) {
        return;
    }
    let took_effect = if call.is("create_order") {
        evidence.orders.iter().any(|order| order.begun_by == Some(index))
    } else {
        accepted(call) && call.text("workflow_id").is_some()
    };
    let Some(here) = step_at(evidence, standing, call) else { return };
    if took_effect && !here.allows(tool) {
        let message = format!(
            "{tool} of script step {} acted, although workflow {} was at {}",
            call.started.step,
            conversation.workflow,
            here.as_str()
        );
        findings.add(message, shown(evidence, [told_at, call.start_event, end(call)]));
    }
}

/// What is told agrees with what was done.
fn compare(
    evidence: &Evidence<'_>,
    conversation: &Conversation<'_>,
    (call, told, standing, told_at): (&CallView<'_>, Step, Standing, usize),
    findings: &mut Findings,
) {
    let Some(expected) = step_at(evidence, standing, call) else { return };
    if told != expected {
        let message = format!(
            "{} of script step {} tells that workflow {} is at {}, and what was accepted before leads to {}",
            call.started.tool,
            call.started.step,
            conversation.workflow,
            told.as_str(),
            expected.as_str()
        );
        findings.add(message, shown(evidence, [told_at, call.start_event, end(call)]));
    }
}

/// At which step the workflow has to be at a call, where that is known.
fn step_at(evidence: &Evidence<'_>, standing: Standing, call: &CallView<'_>) -> Option<Step> {
    match standing {
        Standing::Unknown => None,
        Standing::At(step) => Some(step),
        Standing::Paid => Some(Step::Checkout),
        Standing::Price(step, session) => match age(evidence, session, call) {
            Age::Fresh => Some(step),
            Age::Expired => Some(Step::ChooseGift),
            Age::Unclear => None,
        },
    }
}

/// What is known after a call that nothing else overlapped.
fn after(evidence: &Evidence<'_>, index: usize, standing: Standing) -> Standing {
    let call = &evidence.calls[index];
    if !moves(call) {
        return standing;
    }
    let Some(code) = code_of(call).map_or_else(|| accepted(call).then_some(None), |code| Some(Some(code))) else {
        return Standing::Unknown;
    };
    if let Some(code) = code {
        let begun = evidence.orders.iter().any(|order| order.begun_by == Some(index));
        // What was begun and failed at the payment method asks for another one.
        let declined = matches!(code, Code::PaymentDeclined | Code::PaymentMethodNotFound) && begun;
        return match standing {
            // What was taken all the same was given back, and the session is kept until that is certain.
            Standing::Price(..) if declined && is_looked_after(evidence, call) => Standing::Unknown,
            Standing::Price(_, session) if declined => Standing::Price(Step::ChoosePaymentMethod, session),
            // A refusal that comes before anything is begun changes nothing; a store that failed may have taken it in.
            known if codes::before_the_claim(code) && code != Code::StoreUnavailable => known,
            known if known == Standing::Paid && !call.is("cancel_order") => known,
            _ => Standing::Unknown,
        };
    }
    match &*call.started.tool {
        "suggest_gifts" => match standing {
            _ if call.text("workflow_id").is_none() => Standing::At(Step::GenerateIdeas),
            Standing::At(step) => Standing::At(step.max(Step::GenerateIdeas)),
            Standing::Price(_, session) if age(evidence, session, call) == Age::Unclear => Standing::Unknown,
            Standing::Price(..) => Standing::At(Step::ChooseGift),
            Standing::Paid | Standing::Unknown => Standing::Unknown,
        },
        "create_checkout_session" => match evidence.sessions.iter().position(|session| session.call == index) {
            // A saved answer moves nothing.
            Some(session) if is_known(evidence, session) => standing,
            Some(session) => Standing::Price(Step::Checkout, session),
            None => Standing::Unknown,
        },
        "user_navigated_to_step" => match (call.text("step").and_then(step), standing) {
            (Some(to), _) if !to.is_paying() => Standing::At(to),
            (Some(to), Standing::Price(_, session)) => Standing::Price(to, session),
            (Some(_), Standing::Paid) => Standing::Paid,
            _ => Standing::Unknown,
        },
        "create_order" => {
            let paid = call.told.as_ref().is_some_and(|told| told.status == ToldStatus::Success);
            let begun = evidence.orders.iter().any(|order| order.begun_by == Some(index));
            match standing {
                Standing::Price(..) if paid && begun => Standing::Paid,
                // A saved answer, or an order that was there.
                known if paid && !begun => known,
                _ => Standing::Unknown,
            }
        }
        _ => Standing::Unknown,
    }
}

/// Whether the money of a call's order was still seen to after the call was answered: its sale is not over.
pub(super) fn is_looked_after(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let requests = call.order.into_iter().flat_map(|order| &evidence.orders[order].exchanges);
    requests
        .map(|index| &evidence.exchanges[*index])
        .any(|request| request.sent.operation.provider == Provider::Payment && request.sent_event > end(call))
}

/// Whether a session was told before.
fn is_known(evidence: &Evidence<'_>, session: usize) -> bool {
    let (earlier, rest) = evidence.sessions.split_at(session);
    earlier.iter().any(|known| known.id == rest[0].id)
}

/// Whether a call froze a price that had not been told before; a saved answer freezes none.
fn opens_a_price(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let opened = |session: &SessionView<'_>| evidence.calls[session.call].start_event == call.start_event;
    evidence.sessions.iter().position(opened).is_some_and(|session| !is_known(evidence, session))
}

/// How old a session's price is at a call.
fn age(evidence: &Evidence<'_>, session: usize, call: &CallView<'_>) -> Age {
    let opened = &evidence.calls[evidence.sessions[session].call];
    let (Some((opened_at, since)), Some((ended_at, ended))) = (opened.end, call.end) else { return Age::Unclear };
    // Replicas do not agree on how old a price is: each reads it on its own clock, and a jump may be of one clock only.
    let passed = match evidence.replicas.count {
        0 | 1 => jumped(evidence, opened_at, call.start_event),
        _ => jumped_together(evidence, opened_at, call.start_event),
    };
    let tolerance = evidence.tolerance(Duration::from_millis(100));
    let least = (call.start.saturating_sub(since) + passed).saturating_sub(apart(evidence, ended_at));
    let most = ended.saturating_sub(opened.start)
        + jumped(evidence, opened.start_event, ended_at)
        + apart(evidence, opened.start_event);
    let limit = evidence.policy.quote_ttl;
    if least > limit + tolerance {
        Age::Expired
    } else if most + tolerance < limit {
        Age::Fresh
    } else {
        Age::Unclear
    }
}

/// A price that was left is not paid, and a payment that is not settled is not left.
fn left_behind(evidence: &Evidence<'_>, conversation: &Conversation<'_>, findings: &mut Findings) {
    let calls = || conversation.calls.iter().map(|index| &evidence.calls[*index]);
    let orders = |session: &str| {
        let of = session.to_owned();
        evidence.orders.iter().enumerate().filter(move |(_, order)| order.session == Some(&*of))
    };
    for leaving in calls().filter(|call| accepted(call)) {
        let back = is_move(leaving) && leaving.text("step").and_then(step).is_some_and(|step| !step.is_paying());
        let anew = leaving.text("workflow_id").is_some() && opens_a_price(evidence, leaving);
        if !back && !anew {
            continue;
        }
        let left = calls()
            .filter(|call| call.is("create_checkout_session") && end(call) <= leaving.start_event)
            .filter_map(|opened| {
                evidence.sessions.iter().find(|session| evidence.calls[session.call].start_event == opened.start_event)
            });
        for session in left {
            for (place, order) in orders(session.id) {
                let later = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
                if let Some(charge) = later.into_iter().find(|it| it.is(&CHARGE) && it.sent_event > end(leaving)) {
                    let message = format!(
                        "{} of script step {} left the price of session {}, and order {} was charged for it afterwards",
                        leaving.started.tool, leaving.started.step, session.id, order.id
                    );
                    findings.add(message, [leaving.start_event, end(leaving), charge.sent_event]);
                } else if let Some(charge) = unsettled_charge(evidence, place, end(leaving)) {
                    let message = format!(
                        "{} of script step {} was accepted while the charge of order {} was not settled",
                        leaving.started.tool, leaving.started.step, order.id
                    );
                    findings.add(message, [charge.sent_event, leaving.start_event, end(leaving)]);
                }
            }
        }
    }
}

/// A price that was asked for before the person moved back is not frozen after that.
fn overtaken(evidence: &Evidence<'_>, conversation: &Conversation<'_>, findings: &mut Findings) {
    let calls = || conversation.calls.iter().map(|index| &evidence.calls[*index]);
    for call in calls().filter(|call| call.is("create_checkout_session") && call.text("workflow_id").is_some()) {
        let sent = evidence.exchanges.iter().find(|exchange| sent_for(exchange.sent, call));
        let Some(asked) = sent.map(|exchange| exchange.sent_event) else { continue };
        let frozen = ends_of(evidence, call).filter(|(_, status)| *status == StepStatus::Success).last();
        let Some((frozen, _)) = frozen else { continue };
        let moved = calls().find(|moved| {
            asked < moved.start_event && end(moved) < frozen && is_move(moved) && certainly_moved(evidence, call, moved)
        });
        if let Some(moved) = moved {
            let message = format!(
                "create_checkout_session of script step {} asked for its price, and froze it after the person had moved \
                 workflow {} to {}",
                call.started.step,
                conversation.workflow,
                moved.text("step").unwrap_or_default()
            );
            findings.add(message, [asked, end(moved), frozen]);
        }
    }
}

/// Whether a move away from paying changed something while a call for a price was out: it alone can have written then.
fn certainly_moved(evidence: &Evidence<'_>, price: &CallView<'_>, moved: &CallView<'_>) -> bool {
    let is_write =
        |event: &Event| matches!(&event.kind, EventKind::Struck { site, .. } if site.place == Place::JournalWrite);
    let others =
        || evidence.calls.iter().filter(|other| ![price.start_event, moved.start_event].contains(&other.start_event));
    evidence.world == WorldKind::Sim
        && evidence.orders.is_empty()
        && accepted(moved)
        && moved.started.key.is_none()
        && moved.text("step").and_then(step).is_some_and(|step| !step.is_paying())
        && evidence.trace.writes.iter().any(|write| (moved.start_event + 1..=end(moved)).contains(&write.at))
        && !evidence.trace.events.iter().any(is_write)
        && !others().any(|other| act_at_once(evidence, other, moved))
}

fn shown(evidence: &Evidence<'_>, events: [usize; 3]) -> impl Iterator<Item = usize> {
    let last = evidence.trace.events.len();
    events.into_iter().filter(move |event| *event < last)
}

#[cfg(test)]
mod tests;
