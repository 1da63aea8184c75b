//! What a host does with a call beyond its script: each [`HostFault`], realised by calls. They are the same in both worlds,
//! and nothing more goes wrong with the calls that they add: a host misbehaves in one way at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::templates::Fresh;
use super::{Host, Ready, Turn};
use crate::fault::{Fault, HostFault};
use crate::trace::HostReply;

/// The user who calls with another user's ids; and the one who does if that user is calling already.
pub const STRANGERS: [&str; 2] = ["mallory", "eve"];

/// A tool that does not exist.
const MADE_UP_TOOL: &str = "buy_gift_now";

/// How long after a call was made the person goes back: in the middle of a payment that nothing holds up.
const IN_THE_MIDDLE: Duration = Duration::from_millis(15);

/// How often the same call is made in a loop, all in all.
const ROUNDS: u32 = 6;

/// How often a final error is not believed.
const DISBELIEFS: u32 = 2;

/// The budget that a person names who has changed their mind.
const OTHER_BUDGET: u32 = 1_000;

impl Host<'_> {
    /// Makes a call that is ready in a way that it should not be made. Answers with its last answer, if it was made.
    pub(super) async fn misbehave(&mut self, how: HostFault, turn: Turn<'_>, ready: Ready) -> Option<HostReply> {
        match how {
            HostFault::Repeat => {
                self.plainly(turn.step, ready.clone(), None).await;
            }
            HostFault::Regenerate => {
                self.plainly(turn.step, ready, None).await;
                let again = self.ready(turn.number, turn.step, Fresh::Yes)?;
                return Some(self.plainly(turn.step, again, None).await);
            }
            HostFault::Concurrent => {
                self.together(turn.step, vec![ready.clone(), ready], |_, _| None).await;
                return None;
            }
            HostFault::DoubleClick => {
                let again = self.ready(turn.number, turn.step, Fresh::Yes)?;
                self.together(turn.step, vec![ready, again], |_, _| None).await;
                return None;
            }
            HostFault::Stubborn => {
                for _ in 0..DISBELIEFS {
                    let reply = self.plainly(turn.step, ready.clone(), None).await;
                    if !is_final_error(&reply) {
                        return Some(reply);
                    }
                }
            }
            HostFault::Loop => {
                let mut reply = self.plainly(turn.step, ready, None).await;
                for _ in 1..ROUNDS {
                    let again = self.ready(turn.number, turn.step, Fresh::Yes)?;
                    reply = self.plainly(turn.step, again, None).await;
                }
                return Some(reply);
            }
            HostFault::WrongOrder => self.next_one_first(turn).await,
            HostFault::GoBack => return Some(self.going_back(turn, ready).await),
            HostFault::Resume => return Some(self.a_day_later(turn, ready).await),
            HostFault::ChangeMind => self.another_budget(turn).await,
            HostFault::Skip => return None,
            HostFault::Hallucinate => {
                let arguments = ready.arguments.clone();
                self.aside(turn, MADE_UP_TOOL, arguments, None).await;
            }
            HostFault::Foreign => {
                let stranger = STRANGERS.into_iter().find(|stranger| *stranger != &*turn.step.user)?;
                let arguments = ready.arguments.clone();
                let theirs = Ready::new(turn.number, turn.step.tool.clone(), arguments, stranger.into(), None);
                self.made(theirs, None).await;
            }
        }
        Some(self.plainly(turn.step, ready, None).await)
    }

    /// A call beside the script, on behalf of a step.
    async fn aside(
        &self,
        turn: Turn<'_>,
        tool: &str,
        arguments: impl Into<Arc<Value>>,
        fault: Option<Fault>,
    ) -> HostReply {
        let (user, intent) = (turn.step.user.clone(), turn.step.intent.clone());
        self.made(Ready::new(turn.number, tool.into(), arguments, user, intent), fault).await
    }

    async fn navigated(&self, turn: Turn<'_>, workflow: &str, step: &str) -> HostReply {
        self.aside(turn, "user_navigated_to_step", json!({"workflow_id": workflow, "step": step}), None).await
    }

    /// The workflow of a step's purchase, where the host was told of one.
    fn workflow(&self, turn: Turn<'_>) -> Option<SmolStr> {
        Some(self.notes.workflow(turn.step.intent.as_deref()?)?.into())
    }

    async fn next_one_first(&mut self, turn: Turn<'_>) {
        let Some((number, next)) = turn.next else { return };
        self.notes.invents = true;
        let ready = self.ready(number, next, Fresh::No);
        self.notes.invents = false;
        if let Some(ready) = ready {
            self.plainly(next, ready, None).await;
        }
    }

    /// The person leaves in the middle of the call, and comes back to the checkout once both are answered.
    async fn going_back(&mut self, turn: Turn<'_>, ready: Ready) -> HostReply {
        let Some(workflow) = self.workflow(turn) else { return self.plainly(turn.step, ready, None).await };
        let reply = {
            let this = &*self;
            let leaving = async {
                this.world.wait(IN_THE_MIDDLE).await;
                this.navigated(turn, &workflow, "choose_gift").await
            };
            join(this.made(ready, None), leaving).await.0
        };
        self.notes.take(turn.step, &reply);
        self.navigated(turn, &workflow, "checkout").await;
        reply
    }

    /// The calendar is a day further on; the widget asks where the conversation is before anything else.
    async fn a_day_later(&mut self, turn: Turn<'_>, ready: Ready) -> HostReply {
        let day = Some(Fault::Host(HostFault::Resume));
        let Some(workflow) = self.workflow(turn) else { return self.plainly(turn.step, ready, day).await };
        self.aside(turn, "get_workflow", json!({"workflow_id": &*workflow}), day).await;
        self.plainly(turn.step, ready, None).await
    }

    async fn another_budget(&mut self, turn: Turn<'_>) {
        let Some(workflow) = self.workflow(turn) else {
            self.aside(turn, "suggest_gifts", json!({"budget": OTHER_BUDGET}), None).await;
            return;
        };
        let arguments = json!({"budget": OTHER_BUDGET, "workflow_id": &*workflow});
        let reply = self.aside(turn, "suggest_gifts", arguments.clone(), None).await;
        if is_final_error(&reply) && is_moved(&self.navigated(turn, &workflow, "generate_ideas").await) {
            self.aside(turn, "suggest_gifts", arguments, None).await;
        }
    }
}

/// Whether an answer says that the same call will not succeed.
fn is_final_error(reply: &HostReply) -> bool {
    let HostReply::Tool { structured, is_error: true } = reply else { return false };
    structured.pointer("/error/retryable") == Some(&Value::Bool(false))
}

fn is_moved(reply: &HostReply) -> bool {
    matches!(reply, HostReply::Tool { is_error: false, .. })
}
