//! Worlds: where a run happens. [`World`] is what the host and the run see of one; [`stage`] is what all share:
//! providers, choices and the record; [`post`] takes the payment provider's events to the system. [`sim`] is in memory and virtual time; [`wire`] is real: processes, sockets, time.

pub mod outgoing;
pub mod post;
pub mod print;
pub mod sim;
pub mod stage;
pub mod stock;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use giftgenius::ports::BoxFuture;
use serde_json::Value;
use smol_str::SmolStr;

use crate::error::RunError;
use crate::fault::Fault;
use crate::rest::Rest;
use crate::trace::HostReply;
use stage::Stage;

/// A tool call as the host hands it to a world, placeholders filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct OutgoingCall {
    /// The tool.
    pub tool: SmolStr,
    /// The arguments.
    pub arguments: Arc<Value>,
    /// Who calls.
    pub user: SmolStr,
    /// Sent in `_meta` as `correlation_id`.
    pub correlation: SmolStr,
    /// Sent in `_meta` as `idempotency_key`, where the call carries its key there.
    pub key_in_meta: Option<String>,
    /// What goes wrong just before it, of what is the world's to bring about: the process dies, the calendar jumps.
    pub fault: Option<Fault>,
}

/// When a monitor asks for the system's health.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// After a call of the script.
    AfterCall,
    /// When nothing is left to do.
    AtRest,
    /// Where the script says so.
    Scripted,
}

/// Where a run happens: the system, its providers and the faults between them.
///
/// A world records what the system and the providers do, restarts and switches included, because it alone knows their
/// moment. Tool calls are recorded by who makes them.
pub trait World: Send + Sync {
    /// Makes one tool call. Never fails: what goes wrong is a [`HostReply`], and no answer within the policy's tool
    /// deadline and a half is [`HostReply::NoAnswer`]. Dropping the future cancels the call as a host that gives up
    /// would: it tells the server and hangs up.
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply>;

    /// Lets this much time pass.
    fn wait(&self, span: Duration) -> BoxFuture<'_, ()>;

    /// Waits until the system has no work left and no delivery is pending.
    fn rest(&self) -> BoxFuture<'_, Result<(), RunError>>;

    /// Stops the system in good order and starts it again on the same journal, as its next incarnation; recovery has
    /// begun when this returns.
    fn restart(&self) -> BoxFuture<'_, Result<(), RunError>>;

    /// Turns the journalled checkout switch, as `giftgenius switch checkout` would.
    fn switch(&self, checkout: bool) -> BoxFuture<'_, Result<(), RunError>>;

    /// Asks each process of the system for its health and records the answers, without changing anything else in the run.
    /// `None` where this world does not ask at such a moment.
    fn health(&self, when: Poll) -> Option<BoxFuture<'_, ()>>;

    /// Stops the system and reads how things stand. Nothing can be asked of the world afterwards.
    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>>;

    /// Providers, choices and record.
    fn stage(&self) -> &Stage;
}

/// How long it takes until a crashed process is started again: whoever runs it has to notice first. The same in both
/// worlds, so that what the host does meanwhile is the same too.
pub const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How often a process that cannot begin (its store fails) is started again before it is left alone.
pub const STARTS_MAX: u32 = 20;

/// How much later than its reply a late duplicate is applied: just under the provider's declared bound.
pub fn late_by(late_max: Duration) -> Duration {
    late_max * 9 / 10
}
