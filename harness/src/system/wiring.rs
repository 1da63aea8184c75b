//! Parts of GiftGenius that are put in from outside: decorators around its ports, its numbers, and its door.

use std::sync::Arc;

use bytes::Bytes;
use giftgenius::app::{App, ToolCall, ToolReply, UnknownTool};
use giftgenius::operations::health::Health;
use giftgenius::policy::Policy;
use giftgenius::ports::{BoxFuture, Ports};

/// What comes of a call.
pub type Answer = Result<ToolReply, UnknownTool>;

/// Who takes calls.
pub type Door = Arc<dyn Fn(Arc<App>, ToolCall) -> BoxFuture<'static, Answer> + Send + Sync>;

/// Who answers for the system's health.
pub type HealthPage = Arc<dyn Fn(Arc<App>) -> BoxFuture<'static, Health> + Send + Sync>;

/// Who takes the payment provider's deliveries: with the signature and the body, to the status that is answered.
pub type Post = Arc<dyn Fn(Arc<App>, String, Bytes) -> BoxFuture<'static, u16> + Send + Sync>;

/// Everything that GiftGenius is started with.
pub struct Wired {
    /// How it reaches the world.
    pub ports: Ports,
    /// Its numbers. Oracles judge by the scenario's, whatever stands here.
    pub policy: Policy,
    /// Who takes calls instead of the application itself, if anybody.
    pub door: Option<Door>,
    /// Who answers for its health instead of the application itself, if anybody.
    pub health: Option<HealthPage>,
    /// Who takes the payment provider's deliveries instead of the application itself, if anybody.
    pub post: Option<Post>,
}

impl Wired {
    /// As production is wired.
    pub const fn whole(ports: Ports, policy: Policy) -> Self {
        Self { ports, policy, door: None, health: None, post: None }
    }

    /// The same with parts from outside, where there are any.
    #[must_use]
    pub fn with(self, wiring: Option<&dyn Wiring>) -> Self {
        match wiring {
            None => self,
            Some(wiring) => wiring.wire(self),
        }
    }
}

/// How a system is wired otherwise than in production. Each incarnation is wired anew, so that what a decorator remembers
/// dies with the process, unless the wiring itself keeps it.
pub trait Wiring: Send + Sync {
    /// Puts its parts in.
    fn wire(&self, wired: Wired) -> Wired;
}

impl<F: Fn(Wired) -> Wired + Send + Sync> Wiring for F {
    fn wire(&self, wired: Wired) -> Wired {
        self(wired)
    }
}
