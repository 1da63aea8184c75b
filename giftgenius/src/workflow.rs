//! The workflow: the backend's only truth about which step a purchase conversation is in (F9), and which tools may act
//! there (F10).
//!
//! A step is never kept where it can be read off: a checkout whose quote has expired is back at choosing a gift, and one
//! whose card was declined is at choosing a payment method, without anybody having written that down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::checkout::session::{Session, SessionState};

use crate::ids::{SessionId, UserId, WorkflowId};
use crate::money::Money;

/// The steps of a purchase conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Who is the gift for, what for, how much.
    GatherInformation,
    /// Ideas are on the table.
    GenerateIdeas,
    /// One of them is looked at closely.
    ChooseGift,
    /// A price is frozen and can be paid.
    Checkout,
    /// Another card is being chosen, after a decline.
    ChoosePaymentMethod,
}

/// Tools that read, or undo, or move: they may act at every step.
pub const EVERYWHERE: [&str; 6] =
    ["search_products", "get_payment_methods", "get_order", "cancel_order", "get_workflow", "user_navigated_to_step"];

impl Step {
    /// Every step, in their order.
    pub const ALL: [Self; 5] =
        [Self::GatherInformation, Self::GenerateIdeas, Self::ChooseGift, Self::Checkout, Self::ChoosePaymentMethod];

    /// The step as callers write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GatherInformation => "gather_information",
            Self::GenerateIdeas => "generate_ideas",
            Self::ChooseGift => "choose_gift",
            Self::Checkout => "checkout",
            Self::ChoosePaymentMethod => "choose_payment_method",
        }
    }

    /// The tools that move a purchase on from here; those of [`EVERYWHERE`] may act besides.
    pub const fn tools(self) -> &'static [&'static str] {
        match self {
            Self::GatherInformation => &["suggest_gifts"],
            Self::GenerateIdeas | Self::ChooseGift => &["suggest_gifts", "create_checkout_session"],
            Self::Checkout => &["create_order", "create_checkout_session"],
            Self::ChoosePaymentMethod => &["create_order"],
        }
    }

    /// Whether a tool may act here.
    pub fn allows(self, tool: &str) -> bool {
        self.tools().contains(&tool) || EVERYWHERE.contains(&tool)
    }

    /// Whether the step is of a frozen price that can be paid.
    pub const fn is_paying(self) -> bool {
        matches!(self, Self::Checkout | Self::ChoosePaymentMethod)
    }
}

/// A workflow, as journalled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Workflow {
    /// `wf_…`.
    pub id: WorkflowId,
    /// Whose.
    pub user: UserId,
    /// Where it is.
    pub step: Step,
    /// What may be spent, where it was said.
    pub budget: Option<Money>,
    /// The gift that was chosen, by SKU.
    pub selected_gift: Option<SmolStr>,
    /// The checkout session that is open.
    pub session: Option<SessionId>,
    /// When the record may be dropped, where nothing moves it until then; put off while an order that hangs on it is open or
    /// parked. `None`: never.
    #[serde(default)]
    pub drop_after: Option<Timestamp>,
    /// How often the person has moved it: a call that was waiting for a provider meanwhile does not move it on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moves: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(moves: &u32) -> bool {
    *moves == 0
}

impl Workflow {
    /// A new workflow, at its first step.
    pub const fn begin(id: WorkflowId, user: UserId) -> Self {
        Self {
            id,
            user,
            step: Step::GatherInformation,
            budget: None,
            selected_gift: None,
            session: None,
            drop_after: None,
            moves: 0,
        }
    }

    /// Where the workflow is now, its open session considered: what was quoted may have expired, or its card declined.
    pub fn standing_step(&self, session: Option<&Session>, now: Timestamp) -> Step {
        if !self.step.is_paying() {
            return self.step;
        }
        match session.map(|session| (&session.state, session)) {
            Some((SessionState::Taken(_), _)) => Step::Checkout,
            Some((SessionState::Open, session)) if session.expires_at <= now => Step::ChooseGift,
            Some((SessionState::Open, session)) if session.declined => Step::ChoosePaymentMethod,
            Some((SessionState::Open, _)) => self.step,
            Some((SessionState::Left(_) | SessionState::Closed(_) | SessionState::Abandoned, _)) | None => {
                Step::ChooseGift
            }
        }
    }
}

#[cfg(test)]
mod tests;
