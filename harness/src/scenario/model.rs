//! A scenario, checked: every name resolves, every reference is backward, every number is in range.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use giftgenius::policy::{PaymentProfile, Policy};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use crate::fault::menu::Breadth;
use crate::fault::plan::Plan;
use crate::provider::catalog::Shop;
use crate::scenario::template::{Piece, pieces};

/// Where a run happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WorldKind {
    /// In memory, in virtual time.
    Sim,
    /// On real sockets, in real time.
    Wire,
}

impl WorldKind {
    /// The word for files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Wire => "wire",
        }
    }

    /// Where that is, in a sentence.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Sim => "in simulation",
            Self::Wire => "on the wire",
        }
    }
}

/// What the system's store is in simulation; on the wire it is always its SQLite file.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// Records in memory.
    #[default]
    Memory,
    /// The rows of the SQLite journal, on a connection that is used inline.
    Sqlite,
}

/// A scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Theme and file name without ending: `checkout/lost_charge_reply`.
    pub name: String,
    /// The file, as it was given.
    pub path: PathBuf,
    /// One line.
    pub title: String,
    /// What it teaches, one sentence.
    pub lesson: String,
    /// Requirement ids.
    pub covers: Vec<String>,
    /// Where it runs; `sim` always among them.
    pub worlds: Vec<WorldKind>,
    /// The system's policy: the defaults with the file's overrides.
    pub policy: Policy,
    /// What the providers sell.
    pub shop: Shop,
    /// Stock that differs from the fixture's: SKU and quantity.
    pub stock: BTreeMap<String, u32>,
    /// How many processes of the system share one journal.
    pub replicas: Replicas,
    /// What they share it in, in simulation. No file says so: the command line does.
    pub store: StoreKind,
    /// Whether the payment provider sends events.
    pub webhooks: bool,
    /// What the host does, in order; a step's number is its index + 1.
    pub script: Vec<Step>,
    /// What goes wrong.
    pub plan: Plan,
    /// The seed for identifiers and jitter.
    pub seed: u64,
    /// What is expected beyond the oracles.
    pub expect: Expect,
    /// Oracles that do not judge this scenario, with the reason.
    pub excused: BTreeMap<String, String>,
    /// What exploration tries, where that is less than everything.
    pub explore: Narrowing,
}

/// How a scenario narrows what exploration tries.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Narrowing {
    /// The menu, unless the command line names another; the full one where neither does.
    pub menu: Option<Breadth>,
    /// Only at these places (`payment.charge`) and providers (`provider.payment`); everywhere if none is named.
    pub sites: Vec<String>,
    /// Only these faults, by name; every one if none is named.
    pub faults: Vec<String>,
    /// Up to how many faults at a time the gate explores it; none if 0.
    pub gate_depth: u8,
}

impl Narrowing {
    /// The same with what another one says in its place; what that leaves open stays.
    #[must_use]
    pub fn replaced_by(&self, other: &Self) -> Self {
        let words =
            |ours: &[String], theirs: &[String]| if theirs.is_empty() { ours.to_vec() } else { theirs.to_vec() };
        Self {
            menu: other.menu.or(self.menu),
            sites: words(&self.sites, &other.sites),
            faults: words(&self.faults, &other.faults),
            gate_depth: self.gate_depth,
        }
    }
}

impl Scenario {
    /// Whether a run under this plan is held to what the scenario expects. Expectations belong to the scenario's own
    /// plan; what happens under any other is for the oracles alone.
    pub fn expects_of(&self, plan: &Plan) -> bool {
        self.plan.same_faults(plan)
    }

    /// The same scenario against a payment provider that promises something else. What the file expects was written for
    /// the profile it names, so that under another one the oracles judge alone.
    #[must_use]
    pub fn with_profile(&self, profile: PaymentProfile) -> Self {
        if profile == self.policy.payment_profile {
            return self.clone();
        }
        let mut scenario = self.without_expectations();
        scenario.policy.payment_profile = profile;
        scenario
    }

    /// The same scenario, judged by oracles alone.
    #[must_use]
    pub fn without_expectations(&self) -> Self {
        let mut scenario = self.clone();
        scenario.expect = Expect::nothing();
        for step in &mut scenario.script {
            if let Step::Call(call) = step {
                call.expect = None;
            }
        }
        scenario
    }

    /// How long the script itself waits, in all.
    pub fn script_waits(&self) -> Duration {
        let waits = self.script.iter().map(|step| match step {
            Step::Wait(span) => *span,
            Step::Call(_) | Step::WaitForRest | Step::Restart | Step::Health | Step::Switch { .. } => Duration::ZERO,
        });
        waits.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How many calls the script makes one after the other; a host that misbehaves makes more.
    pub fn calls(&self) -> u32 {
        let calls = self.script.iter().map(|step| match step {
            Step::Call(call) => match &call.manner {
                Manner::Repeat(times) | Manner::Retry(times) => *times,
                Manner::Regenerate => 2,
                Manner::Once | Manner::Concurrent(_) | Manner::DoubleClick | Manner::CancelAfter(_) => 1,
            },
            Step::Wait(_) | Step::WaitForRest | Step::Restart | Step::Health | Step::Switch { .. } => 0,
        });
        calls.fold(0, u32::saturating_add)
    }

    /// Everybody who calls, each once, in order of name.
    pub fn users(&self) -> Vec<SmolStr> {
        let mut users: Vec<_> = self
            .script
            .iter()
            .filter_map(|step| match step {
                Step::Call(call) => Some(call.user.clone()),
                Step::Wait(_) | Step::WaitForRest | Step::Restart | Step::Health | Step::Switch { .. } => None,
            })
            .collect();
        users.sort();
        users.dedup();
        users
    }
}

/// Processes of the system on one journal; calls go to them in turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replicas {
    /// How many, at least 1.
    pub count: u32,
    /// How far the calendar clock of each is ahead of the one before it, in milliseconds.
    pub skew_ms: u32,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { count: 1, skew_ms: 0 }
    }
}

impl Replicas {
    /// How far each one's clock is off, in milliseconds; the first is right.
    pub fn clocks_ms(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |replica| i64::from(replica) * i64::from(self.skew_ms))
    }

    /// How far two clocks are apart at most.
    pub fn skew_max(self) -> Duration {
        Duration::from_millis(u64::from(self.count.saturating_sub(1)) * u64::from(self.skew_ms))
    }
}

/// One step of a script.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// The host calls a tool.
    Call(CallStep),
    /// The host waits this long.
    Wait(Duration),
    /// The host waits until the system has nothing left to do.
    WaitForRest,
    /// The system is stopped in good order and started again on the same journal.
    Restart,
    /// A monitor asks the system for its health.
    Health,
    /// The operator turns the checkout switch.
    Switch {
        /// Whether sales may begin from now on.
        checkout: bool,
    },
}

/// The arguments of a call as a script has them: an object's members.
#[derive(Clone, PartialEq, Debug)]
pub struct Arguments {
    members: Map<String, Value>,
    /// The whole, where no run fills anything in: then every run's call shares it.
    whole: Option<Arc<Value>>,
}

impl Arguments {
    /// The arguments as they are for every run, unless something is to be filled in.
    pub const fn whole(&self) -> Option<&Arc<Value>> {
        self.whole.as_ref()
    }
}

impl From<Map<String, Value>> for Arguments {
    fn from(members: Map<String, Value>) -> Self {
        let open = members.values().any(is_open);
        let whole = (!open).then(|| Arc::new(Value::Object(members.clone())));
        Self { members, whole }
    }
}

impl std::ops::Deref for Arguments {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        &self.members
    }
}

/// Whether a template stands anywhere in a value.
fn is_open(value: &Value) -> bool {
    match value {
        Value::String(text) => pieces(text).any(|piece| !matches!(piece, Piece::Text(_))),
        Value::Array(items) => items.iter().any(is_open),
        Value::Object(members) => members.values().any(is_open),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A tool call of a script.
#[derive(Clone, PartialEq, Debug)]
pub struct CallStep {
    /// The tool; one that does not exist, where the model is to hallucinate it.
    pub tool: SmolStr,
    /// Who calls.
    pub user: SmolStr,
    /// The purchase that the step is for.
    pub intent: Option<SmolStr>,
    /// The arguments, with `{key:NAME}`, `{session:INTENT}`, `{order:INTENT}` and `{workflow:INTENT}` still in place
    /// inside strings.
    pub arguments: Arguments,
    /// Whether the host sends the key of the arguments in the request's `_meta` in their place.
    pub key_in_meta: bool,
    /// How the host makes the call.
    pub manner: Manner,
    /// What the (last) answer must be.
    pub expect: Option<Answer>,
}

/// How the host makes a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Once.
    Once,
    /// This many times in a row, each after the answer to the one before.
    Repeat(u32),
    /// This many times at once.
    Concurrent(u32),
    /// Twice at once, each with a key of its own (a double click on a button that makes a key a click).
    DoubleClick,
    /// Again after the answer, with a fresh key (Regenerate in a chat).
    Regenerate,
    /// As a model would: while the answer is a retryable error or `pending`, the identical call again after what
    /// `retry_after_ms` says (or a second), at most this many times in all.
    Retry(u32),
    /// Once, and cancelled after this long if it has not been answered by then.
    CancelAfter(Duration),
}

/// What a call is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A result, and for a sale `success`.
    Success,
    /// A tool error with any code.
    Failed,
    /// A sale that is not settled.
    Pending,
    /// A tool error with this code.
    Code(String),
    /// An order that was paid and taken back, or of which nothing stands.
    Cancelled,
    /// The host cancelled the call before it was answered.
    Interrupted,
    /// The protocol's own error: there is no such tool.
    ProtocolError,
}

/// What a scenario expects beyond the oracles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expect {
    /// The answer of the last `create_order` (or of the last call, where there is none).
    pub answer: Option<Answer>,
    /// How many requests the provider operations see, in all; by label.
    pub requests: BTreeMap<String, u32>,
    /// How many effects of a kind stand at rest: by `charge`, `reserve`, `commit`.
    pub standing: BTreeMap<String, u32>,
    /// How many orders are parked at the end; none by default, any number if `None`.
    pub parked: Option<u32>,
    /// Oracles that must be broken: for a scenario that shows a flaw on purpose (of another server).
    pub broken: Vec<String>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { parked: Some(0), ..Self::nothing() }
    }
}

impl Expect {
    /// Nothing at all, not even that no order is parked.
    pub const fn nothing() -> Self {
        Self { answer: None, requests: BTreeMap::new(), standing: BTreeMap::new(), parked: None, broken: Vec::new() }
    }
}
