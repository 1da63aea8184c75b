//! What an oracle is shown of a run: trace and ledger, the host's calls decoded, and how things stood at rest.

use std::time::Duration;

use giftgenius::policy::Policy;
use serde_json::Value;

use crate::provider::ledger::Ledger;
use crate::scenario::model::WorldKind;
use crate::trace::{CallStarted, HostReply, Trace};

/// How things stood when nothing was left to do.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Orders whose saga has work left.
    pub open: usize,
    /// Orders that wait for a person, as a person can list them: order id, what stands, and whether money stands.
    pub parked: Vec<ParkedOrder>,
    /// Every order in the journal with its ending, where the world can read it; for `conserved`.
    pub orders: Vec<OrderAtRest>,
}

/// A parked order, as listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedOrder {
    /// The order.
    pub order_id: String,
    /// What stands and what to do, as told to the person.
    pub note: String,
}

/// An order as the system's own record has it at rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderAtRest {
    /// The order.
    pub order_id: String,
    /// `paid`, `cancelled`, `parked` or `open`.
    pub status: String,
    /// Whether the record says that a charge stands: `charged`, `unknown` or `none`.
    pub money: String,
}

/// A tool call with what came of it.
#[derive(Clone, Debug)]
pub struct CallView<'a> {
    /// The call.
    pub started: &'a CallStarted,
    /// The index of its start in the trace.
    pub start_event: usize,
    /// When it was made.
    pub start: Duration,
    /// The index of its end in the trace and when; `None` if the run ended first.
    pub end: Option<(usize, Duration)>,
    /// What came of it.
    pub reply: Option<&'a HostReply>,
    /// What it was told about a sale, where the answer speaks of one.
    pub told: Option<Told<'a>>,
}

/// How a sale was told to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToldStatus {
    /// Paid and committed.
    Success,
    /// Nothing stands.
    Failed,
    /// Not settled yet.
    Pending,
    /// (Of `get_order` and `cancel_order`.) It was cancelled, nothing stands.
    Cancelled,
}

/// What an answer says about a sale, or about an error.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The status; for a tool error `Failed`.
    pub status: ToldStatus,
    /// `none`, `unknown` or `charged`, where it is said.
    pub effects: Option<&'a str>,
    /// The order, where it is said.
    pub order_id: Option<&'a str>,
    /// The error's code.
    pub code: Option<&'a str>,
    /// The error's `retryable`.
    pub retryable: Option<bool>,
    /// The amount told, in minor units, and its currency.
    pub amount: Option<(i64, &'a str)>,
    /// The whole structured content.
    pub structured: &'a Value,
}

/// A run, as oracles see it.
pub struct Evidence<'a> {
    /// What happened.
    pub trace: &'a Trace,
    /// What took effect.
    pub ledger: &'a Ledger,
    /// The host's calls, in the order in which they were begun.
    pub calls: Vec<CallView<'a>>,
    /// How things stood at rest.
    pub rest: &'a Rest,
    /// The numbers that the system runs under.
    pub policy: &'a Policy,
    /// Where the run happened; timing rules have a tolerance on the wire.
    pub world: WorldKind,
    /// Texts planted where they must not come out again: secrets, card numbers, internal addresses, stack frames.
    pub canaries: &'a [&'a str],
    /// The plan, for rules that depend on what was made impossible.
    pub plan: &'a crate::fault::plan::Plan,
    /// Whether the checkout switch was on when the run began.
    pub checkout_on_at_start: bool,
}
