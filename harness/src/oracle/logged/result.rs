//! The `checkout_result` line: whether it agrees with what its caller received.

use giftgenius::error::Code;
use giftgenius::ids::WorkflowId;
use giftgenius::step_log::{CheckoutStatus, Level};

use super::OfCall;
use super::call::may_be_a_card;
use crate::oracle::codes;
use crate::oracle::evidence::{CallView, Evidence};
use crate::oracle::told::{Told, ToldStatus};

/// How the `checkout_result` line disagrees with the answer.
pub(super) fn wrong_result(
    evidence: &Evidence<'_>,
    call: &CallView<'_>,
    told: &Told<'_>,
    code: Option<Code>,
    of_call: &OfCall<'_>,
) -> Option<String> {
    if of_call.results > 1 {
        return Some(format!("left {} checkout_result lines", of_call.results));
    }
    let place = evidence.call_of(&call.started.correlation);
    let began = call.order.is_some_and(|order| evidence.orders[order].begun_by == place);
    let needed = !told.is_error || began || !code.is_some_and(codes::before_the_claim);
    let Some(line) = of_call.result else {
        return needed.then(|| String::from("left no checkout_result line"));
    };
    if line.event != "checkout_result" || line.error_code.is_some_and(|code| line.level != Level::of(code)) {
        return Some(format!("left a checkout_result line of event `{}` at level {:?}", line.event, line.level));
    }
    let open = code.is_some_and(codes::leaves_the_sale_open);
    let agrees = match line.status {
        CheckoutStatus::Success => told.status == ToldStatus::Success,
        CheckoutStatus::Pending => told.status == ToldStatus::Pending || open,
        CheckoutStatus::Failed => told.is_error,
        CheckoutStatus::Cancelled => !told.is_error && told.status != ToldStatus::Success,
    };
    if !agrees {
        return Some(format!("was told `{}`, but its checkout_result says {:?}", told.status.name(), line.status));
    }
    if line.status == CheckoutStatus::Failed && code.is_some() && line.error_code != code {
        return Some(format!(
            "was told {}, but its checkout_result says {}",
            code.map_or("no code", Code::as_str),
            line.error_code.map_or("no code", Code::as_str)
        ));
    }
    if let Some(step) = of_call.step
        && step.workflow_id != line.workflow_id
    {
        let says = |id: Option<&WorkflowId>| id.map_or_else(|| String::from("none"), ToString::to_string);
        return Some(format!(
            "is logged in workflow {}, but its checkout_result in {}",
            says(step.workflow_id.as_ref()),
            says(line.workflow_id.as_ref())
        ));
    }
    let session = call.text("checkout_session_id");
    if session.is_some_and(may_be_a_card) && line.checkout_session_id.as_str().contains("[digits]") {
        return None;
    }
    (session != Some(line.checkout_session_id.as_str())).then(|| {
        format!(
            "paid session {}, but its checkout_result names {}",
            session.unwrap_or("(none)"),
            line.checkout_session_id
        )
    })
}
