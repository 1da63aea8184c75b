//! The workflow: the backend's only truth about which step a purchase conversation is in (F9).

use serde::{Deserialize, Serialize};

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
    pub selected_gift: Option<String>,
    /// The checkout session that is open.
    pub session: Option<SessionId>,
}

impl Workflow {
    /// A new workflow, at its first step.
    pub const fn begin(id: WorkflowId, user: UserId) -> Self {
        Self { id, user, step: Step::GatherInformation, budget: None, selected_gift: None, session: None }
    }
}
