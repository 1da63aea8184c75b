//! Defects of the workflow: steps that are not enforced, and prices that outlive them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use giftgenius::app::{App, ToolCall};
use giftgenius::checkout::session::{Session, SessionState};
use giftgenius::ids::WorkflowId;
use giftgenius::journal::{Batch, Key, Record, Stored};
use giftgenius::workflow::{Step, Workflow};
use serde_json::Value;

use super::door::calling;
use super::{Defect, each_life, on, one_replica};
use crate::system::wiring::{Answer, Wired};

/// See `about`.
pub static GATING_ONLY_IN_THE_DESCRIPTION: Defect = Defect {
    id: "gating_only_in_the_description",
    about: "which tool may act where is written in the tools' descriptions, and nothing looks at the step",
    caught_by: "in-step",
    hunted_on: &[on("steps/out_of_step")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|_, stored| {
                let gated = calling(|call| call.name == "suggest_gifts").unwrap_or(false);
                Some(if gated { at_step(stored, Step::GenerateIdeas) } else { stored })
            })
        })
    },
};

/// See `about`.
pub static STEP_MOVED_BY_A_REFUSED_CALL: Defect = Defect {
    id: "step_moved_by_a_refused_call",
    about: "the step is moved first, and the call refused afterwards",
    caught_by: "in-step",
    hunted_on: &[on("steps/out_of_step")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let reply = app.call_tool(call.clone()).await?;
                if reply.structured.pointer("/error/code").and_then(Value::as_str) == Some("OUT_OF_STEP") {
                    rewritten(&app, &call, |workflow| Workflow { step: Step::ChooseGift, ..workflow }).await;
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static STALE_PRICE_AFTER_GOING_BACK: Defect = Defect {
    id: "stale_price_after_going_back",
    about: "going back moves the display, and the old checkout can still be paid",
    caught_by: "in-step",
    hunted_on: &[on("steps/the_old_price_is_left_behind")],
    wiring: || {
        each_life(|wired| {
            writing_sessions(wired, |session| {
                (session.state == SessionState::Abandoned)
                    .then(|| Session { state: SessionState::Open, ..session.clone() })
            })
        })
    },
};

/// A journal that is written other sessions than the checkout means.
fn writing_sessions(wired: Wired, other: fn(&Session) -> Option<Session>) -> Wired {
    wired.mapping(
        |_, stored| Some(stored),
        move |mut batch| {
            for write in &mut batch.writes {
                if let Record::Session(session) = &*write.record
                    && let Some(session) = other(session)
                {
                    write.record = Arc::new(Record::Session(session));
                }
            }
            batch
        },
    )
}

/// See `about`.
pub static PRICE_FROZEN_AFTER_A_MOVE: Defect = Defect {
    id: "price_frozen_after_a_move",
    about: "a price that comes in after the person has moved back is frozen all the same, and takes them to the checkout",
    caught_by: "in-step",
    hunted_on: &[on("steps/a_price_comes_in_after_a_move")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let reply = app.call_tool(call.clone()).await?;
                let says =
                    |pointer: &str| reply.structured.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let moved = says("/error/code") == "OUT_OF_STEP" && says("/error/message").contains("moved meanwhile");
                if moved && call.name == "create_checkout_session" { app.call_tool(call).await } else { Ok(reply) }
            })
        })
    },
};

/// See `about`.
pub static PAID_WORKFLOW_SOLD_AGAIN: Defect = Defect {
    id: "paid_workflow_sold_again",
    about: "a conversation whose gift is paid freezes another price: Regenerate on the whole turn buys twice",
    caught_by: "one-effect",
    hunted_on: &[on("steps/regenerated_after_the_purchase")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|key, stored| {
                let quoting = calling(|call| call.name == "create_checkout_session").unwrap_or(false);
                (!quoting || !matches!(key, Key::Order(_))).then_some(stored)
            })
        })
    },
};

/// See `about`.
pub static DECLINED_PRICE_OPEN_AGAIN: Defect = Defect {
    id: "declined_price_open_again",
    about: "a price that was left while its order had it is open again once that order has failed",
    caught_by: "in-step",
    hunted_on: &[on("steps/a_declined_price_is_left"), on("steps/a_decline_that_is_not_certain_yet")],
    wiring: || {
        each_life(|wired| {
            writing_sessions(wired, |session| match &session.state {
                SessionState::Left(order) => {
                    Some(Session { state: SessionState::Taken(order.clone()), ..session.clone() })
                }
                SessionState::Open | SessionState::Taken(_) | SessionState::Closed(_) | SessionState::Abandoned => None,
            })
        })
    },
};

/// See `about`.
pub static CARD_NOT_ON_FILE_LEAVES_THE_CHECKOUT: Defect = Defect {
    id: "card_not_on_file_leaves_the_checkout",
    about: "a sale whose payment method is not on file is over, and the checkout says nothing of another one",
    caught_by: "in-step",
    hunted_on: &[on("steps/another_card_after_one_that_is_not_on_file")],
    wiring: || {
        each_life(|wired| {
            writing_sessions(wired, |session| {
                (session.declined).then(|| Session { declined: false, ..session.clone() })
            })
        })
    },
};

/// See `about`.
pub static REPEATED_MOVE_TAKEN_FOR_A_NEW_ONE: Defect = Defect {
    id: "repeated_move_taken_for_a_new_one",
    about: "a move that its platform repeats after the process died is made, because the repeat began after the payment",
    caught_by: "no-blind-charge",
    hunted_on: &[on("steps/paid_as_the_process_dies_under_a_move")],
    wiring: || {
        let lives = AtomicU32::new(0);
        Arc::new(move |wired: Wired| match lives.fetch_add(1, Ordering::Relaxed) {
            0 => wired,
            _ => wired.taking(left_all_the_same),
        })
    },
};

/// Makes a move again that was refused because its price was paid: another move is the person's own.
async fn left_all_the_same(app: Arc<App>, call: ToolCall) -> Answer {
    let reply = app.call_tool(call.clone()).await?;
    match reply.structured.pointer("/error/code").and_then(Value::as_str) {
        Some("ORDER_PAID") => {
            app.answered(&reply);
            app.call_tool(call).await
        }
        _ => Ok(reply),
    }
}

/// See `about`.
pub static LEFT_ALTHOUGH_PAID_MEANWHILE: Defect = Defect {
    id: "left_although_paid_meanwhile",
    about: "a move that finds its sale paid meanwhile is made all the same, and the person buys again",
    caught_by: "no-blind-charge",
    hunted_on: &[on("steps/paid_while_the_person_goes_back"), on("steps/going_back_before_the_charge")],
    wiring: || each_life(|wired| wired.taking(left_all_the_same)),
};

/// See `about`.
pub static UNTOLD_PAYMENT_LEFT_BEHIND: Defect = Defect {
    id: "untold_payment_left_behind",
    about: "a paid gift can be left at once, although no answer has told that it is paid, and is bought again",
    caught_by: "one-effect",
    hunted_on: &[on("steps/a_paid_gift_that_was_never_told")],
    wiring: || each_life(|wired| wired.taking(left_all_the_same)),
};

/// See `about`.
pub static NAVIGATION_WHILE_THE_CHARGE_IS_UNSETTLED: Defect = Defect {
    id: "navigation_while_the_charge_is_unsettled",
    about: "the person can leave the checkout at any time, whatever their payment is doing",
    caught_by: "in-step",
    hunted_on: &[on("steps/going_back_while_the_charge_is_out")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|key, stored| {
                let moving = calling(|call| call.name == "user_navigated_to_step").unwrap_or(false);
                (!moving || !matches!(key, Key::Order(_))).then_some(stored)
            })
        })
    },
};

/// See `about`.
pub static EXPIRED_PRICE_AFTER_RESUMING: Defect = Defect {
    id: "expired_price_after_resuming",
    about: "a chat that is opened a day later is at the checkout as if it had never been closed",
    caught_by: "in-step",
    hunted_on: &[on("steps/a_day_later")],
    wiring: || each_life(prices_that_never_expire),
};

/// See `about`.
pub static EXPIRED_PRICE_IN_ONE_REPLICA: Defect = Defect {
    id: "expired_price_in_one_replica",
    about: "one of two replicas takes a price for open for ever, and what a chat may do depends on who answers",
    caught_by: "in-step",
    hunted_on: &[on("replicas/a_day_later")],
    wiring: || one_replica(prices_that_never_expire),
};

fn prices_that_never_expire(wired: Wired) -> Wired {
    /// For ever, as far as a chat goes.
    const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    wired.reading(|_, stored| match &*stored.record {
        Record::Session(session) => {
            let expires_at = giftgenius::time::add(session.expires_at, EVER);
            let record = Arc::new(Record::Session(Session { expires_at, ..session.clone() }));
            Some(Stored { version: stored.version, record })
        }
        _ => Some(stored),
    })
}

/// See `about`.
pub static WORKFLOW_VISIBLE_TO_ANOTHER_USER: Defect = Defect {
    id: "workflow_visible_to_another_user",
    about: "a workflow is found by its id alone, whoever asks",
    caught_by: "isolated",
    hunted_on: &[on("steps/somebody_elses_workflow")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|_, stored| {
                match (&*stored.record, calling(|call| call.user.clone())) {
                    (Record::Workflow(workflow), Some(user)) => {
                        let record = Arc::new(Record::Workflow(Workflow { user, ..workflow.clone() }));
                        Some(Stored { version: stored.version, record })
                    }
                    _ => Some(stored),
                }
            })
        })
    },
};

/// A workflow as if it were at another step, with nothing that could be paid.
fn at_step(stored: Stored, step: Step) -> Stored {
    let Record::Workflow(workflow) = &*stored.record else { return stored };
    let record = Arc::new(Record::Workflow(Workflow { step, ..workflow.clone() }));
    Stored { version: stored.version, record }
}

/// Rewrites the workflow that a call names.
pub(super) async fn rewritten(app: &App, call: &ToolCall, change: impl FnOnce(Workflow) -> Workflow) {
    let Some(id) = call.arguments.get("workflow_id").and_then(Value::as_str) else { return };
    let Ok(Some((version, workflow))) = app.workflow(&WorkflowId::from(id)).await else { return };
    let batch = Batch::default().put(Some(version), Record::Workflow(change(workflow)));
    // A defect is not expected to be careful with its store.
    let _ = app.ports().journal.commit(batch).await;
}
