//! The host: the model, the platform and the person, played from a script. It repeats, regenerates, cancels and waits as
//! they do, and notes what it was told. [`templates`] fills in what the script leaves open, [`misbehaving`] does what a
//! plan says of a call beyond its script, [`mending`] makes a mistake in one and mends it.

mod mending;
pub mod misbehaving;
pub mod templates;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use giftgenius::ports::BoxFuture;
use serde_json::Value;
use smol_str::{SmolStr, format_smolstr};

use self::mending::Mistaken;
use self::templates::{Fresh, Notes};
use crate::error::RunError;
use crate::fault::site::Place;
use crate::fault::{Fault, HostFault};
use crate::scenario::model::{CallStep, Manner, Scenario, Step};
use crate::trace::{CallId, CallStarted, EventKind, HostReply, Malformed};
use crate::world::stage::CORRELATION_PREFIX;
use crate::world::{OutgoingCall, Poll, World};

/// How long a model waits before it repeats a call when the answer does not say.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Plays a script to its end, then waits until nothing is left to do.
pub async fn play(scenario: &Scenario, world: &dyn World) -> Result<(), RunError> {
    let mut host = Host {
        world,
        notes: Notes::default(),
        calls: AtomicU32::new(0),
        pause: RETRY_PAUSE.min(scenario.policy.tool_deadline),
        owed: RefCell::default(),
    };
    for (index, step) in scenario.script.iter().enumerate() {
        let number = u32::try_from(index + 1).expect("a script has fewer steps than that");
        match step {
            Step::Call(call) => {
                host.make(Turn { number, step: call, next: next_call(&scenario.script, index) }).await;
                ask_for_health(world, Poll::AfterCall).await;
            }
            Step::Wait(span) => world.wait(*span).await,
            Step::WaitForRest => {
                world.rest().await?;
                ask_for_health(world, Poll::AtRest).await;
            }
            Step::Health => ask_for_health(world, Poll::Scripted).await,
            Step::Restart => world.restart().await?,
            Step::Switch { checkout } => world.switch(*checkout).await?,
        }
    }
    world.rest().await?;
    ask_for_health(world, Poll::AtRest).await;
    Ok(())
}

async fn ask_for_health(world: &dyn World, when: Poll) {
    if let Some(asking) = world.health(when) {
        asking.await;
    }
}

struct Host<'a> {
    world: &'a dyn World,
    notes: Notes,
    /// Calls made so far.
    calls: AtomicU32,
    pause: Duration,
    /// What was planned for a call that could not be made so, being one of several: made up for after them.
    owed: RefCell<Vec<HostFault>>,
}

/// A step that is being made.
#[derive(Clone, Copy)]
struct Turn<'s> {
    number: u32,
    step: &'s CallStep,
    /// The call after it, with its number.
    next: Option<(u32, &'s CallStep)>,
}

fn next_call(script: &[Step], after: usize) -> Option<(u32, &CallStep)> {
    script.iter().zip(1..).skip(after + 1).find_map(|(step, number)| match step {
        Step::Call(call) => Some((number, call)),
        Step::Wait(_) | Step::WaitForRest | Step::Restart | Step::Health | Step::Switch { .. } => None,
    })
}

/// How often a platform makes a call again whose connection broke.
const REPEATS_MAX: u32 = 8;

/// A call that is ready to be made. Number and correlation id are given when it is begun.
#[derive(Clone)]
struct Ready {
    step: u32,
    tool: SmolStr,
    arguments: Arc<Value>,
    user: SmolStr,
    intent: Option<SmolStr>,
    key: Option<SmolStr>,
    /// Whether the key is not among the arguments that are sent, but in the request's `_meta`.
    key_in_meta: bool,
    /// The mistake in it, or the one that it mends.
    malformed: Option<Arc<Malformed>>,
    /// The call that is made after its answer: it again, with a change.
    again: Option<Box<Ready>>,
}

/// Who makes a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The model, which may make a mistake.
    Model,
    /// The same, at once with other calls, or for a host that may hang up.
    ModelAmongOthers,
    /// The platform, which sends again what it sent before.
    Platform,
}

impl Host<'_> {
    /// Makes the calls of a step, in its manner. A step whose placeholders have nothing to stand for is left out, as a
    /// model would that was never told the id.
    async fn make(&mut self, turn: Turn<'_>) {
        self.make_in_its_manner(turn).await;
        while let Some(how) = self.owed.take().pop() {
            // Whoever has made the call cannot make another one before it any more: it would be a purchase of its own.
            if how == HostFault::WrongOrder {
                continue;
            }
            if let Some(ready) = self.ready(turn.number, turn.step, Fresh::No) {
                Box::pin(self.misbehave(how, turn, ready)).await;
            }
        }
    }

    async fn make_in_its_manner(&mut self, turn: Turn<'_>) {
        match &turn.step.manner {
            Manner::Once => {
                self.once(turn, Fresh::No).await;
            }
            Manner::Repeat(times) => {
                for _ in 0..*times {
                    self.once(turn, Fresh::No).await;
                }
            }
            Manner::Regenerate => {
                self.once(turn, Fresh::No).await;
                self.once(turn, Fresh::Yes).await;
            }
            Manner::Concurrent(times) => {
                self.at_once(turn, &vec![Fresh::No; usize::try_from(*times).unwrap_or(1)]).await;
            }
            Manner::DoubleClick => self.at_once(turn, &[Fresh::No, Fresh::Yes]).await,
            Manner::Retry(times) => {
                for attempt in 1..=*times {
                    let Some(reply) = self.once(turn, Fresh::No).await else { return };
                    let Some(pause) = repeats_after(&reply, self.pause) else { return };
                    if attempt < *times {
                        self.world.wait(pause).await;
                    }
                }
            }
            Manner::CancelAfter(span) => self.cancelled(turn, *span).await,
        }
    }

    /// Asks what goes wrong with a call that is about to be made; a mistake in it is made here.
    fn ask(&self, ready: &mut Ready, by: By) -> Option<Fault> {
        let stage = self.world.stage();
        let (site, fault) = stage.ask(Place::HostCall, Some(ready.step));
        let fault = fault?;
        if let Fault::Malformed(label) = &fault {
            let wrong = match by {
                By::Model | By::ModelAmongOthers => mending::malformed(ready, label),
                // What a platform sends again is what it sent before.
                By::Platform => None,
            };
            match (wrong, by) {
                (Some(Mistaken::Instead(wrong)), _) => *ready = wrong,
                (Some(Mistaken::Again { right, again }), By::Model) => {
                    *ready = Ready { again: Some(Box::new(again)), ..right };
                }
                // After which of several it would come again, nobody could say.
                (Some(Mistaken::Again { .. }), By::ModelAmongOthers | By::Platform) | (None, _) => {
                    stage.misfired(site);
                    return None;
                }
            }
            stage.strike(site, fault);
            return None;
        }
        if let Fault::Acts(acting) = fault {
            return stage.act_before_a_call(site, acting).then_some(fault);
        }
        stage.strike(site, fault.clone());
        Some(fault)
    }

    /// The same of a call that is one of several, or a platform's repetition: what the host does is owed then.
    fn ask_one_of_several(&self, ready: &mut Ready, by: By) -> Option<Fault> {
        match self.ask(ready, by)? {
            // The calendar jumps when it is recorded to.
            Fault::Host(HostFault::Resume) => Some(Fault::Host(HostFault::Resume)),
            Fault::Host(how) => {
                self.owed.borrow_mut().push(how);
                None
            }
            fault => Some(fault),
        }
    }

    async fn once(&mut self, turn: Turn<'_>, fresh: Fresh) -> Option<HostReply> {
        let mut ready = self.ready(turn.number, turn.step, fresh)?;
        match self.ask(&mut ready, By::Model) {
            // Boxed, as all that is rare and long: a run is moved with the room for it.
            Some(Fault::Host(how)) => Box::pin(self.misbehave(how, turn, ready)).await,
            fault => Some(self.plainly(turn.step, ready, fault).await),
        }
    }

    /// Makes a call of a step and notes its answer.
    async fn plainly(&mut self, step: &CallStep, mut ready: Ready, fault: Option<Fault>) -> HostReply {
        let again = ready.again.take();
        let mut reply = self.made(ready, fault).await;
        self.notes.take(step, &reply);
        if let Some(again) = again {
            reply = self.made(*again, None).await;
            self.notes.take(step, &reply);
        }
        reply
    }

    /// The calls of a step that are made at once. What goes wrong with one of them happens as it begins: those before it
    /// have begun by then.
    async fn at_once(&mut self, turn: Turn<'_>, fresh: &[Fresh]) {
        let ready: Vec<_> = fresh.iter().filter_map(|fresh| self.ready(turn.number, turn.step, *fresh)).collect();
        self.together(turn.step, ready, |this, ready| this.ask_one_of_several(ready, By::ModelAmongOthers)).await;
    }

    /// All begin before any is answered; each answer is noted when it comes. `ask` says what goes wrong with each.
    async fn together(&mut self, step: &CallStep, ready: Vec<Ready>, ask: fn(&Self, &mut Ready) -> Option<Fault>) {
        let calls: Vec<_> = ready
            .into_iter()
            .map(|mut ready| {
                let fault = ask(self, &mut ready);
                // Begun here, before any of them is waited for.
                let (call, answer) = self.begun(&ready, fault);
                (ready, call, answer)
            })
            .collect();
        let this = &*self;
        let answers = calls.into_iter().map(|(ready, call, answer)| this.answered(ready, call, answer));
        for reply in join_all(answers).await {
            self.notes.take(step, &reply);
        }
    }

    /// Makes a call and waits for its answer, as a platform does: again where the connection breaks.
    async fn made(&self, ready: Ready, fault: Option<Fault>) -> HostReply {
        let (call, answer) = self.begun(&ready, fault);
        self.answered(ready, call, answer).await
    }

    /// Waits for the answer, and mends the call where a mistake was made in it.
    async fn answered(&self, ready: Ready, call: CallId, answer: BoxFuture<'static, HostReply>) -> HostReply {
        let mistake = ready.malformed.clone().filter(|malformed| malformed.turn == 0);
        let Some(mistake) = mistake else { return self.told(ready, call, answer).await };
        let reply = self.told(ready.clone(), call, answer).await;
        Box::pin(self.mended(ready, &mistake, reply)).await
    }

    async fn told(&self, mut ready: Ready, mut call: CallId, mut answer: BoxFuture<'static, HostReply>) -> HostReply {
        let mut repeats = 0;
        loop {
            let reply = answer.await;
            self.world.stage().recorder().push(EventKind::CallEnded { call, reply: reply.clone() });
            if reply != HostReply::Broken || repeats == REPEATS_MAX {
                return reply;
            }
            repeats += 1;
            let fault = self.ask_one_of_several(&mut ready, By::Platform);
            (call, answer) = self.begun(&ready, fault);
        }
    }

    fn begun(&self, ready: &Ready, fault: Option<Fault>) -> (CallId, BoxFuture<'static, HostReply>) {
        let Ready { step, tool, user, intent, key, malformed, .. } = ready;
        let (arguments, key_in_meta) = ready.sent();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = CallId(number);
        let correlation = correlation(*step, number + 1);
        self.world.stage().recorder().push(EventKind::CallStarted(Box::new(CallStarted {
            call,
            step: *step,
            tool: tool.clone(),
            arguments: arguments.clone(),
            key: key.clone(),
            user: user.clone(),
            correlation: correlation.clone(),
            intent: intent.clone(),
            malformed: malformed.clone(),
        })));
        let outgoing =
            OutgoingCall { tool: tool.clone(), arguments, user: user.clone(), correlation, key_in_meta, fault };
        (call, self.world.call(outgoing))
    }

    async fn cancelled(&mut self, turn: Turn<'_>, span: Duration) {
        let Some(mut ready) = self.ready(turn.number, turn.step, Fresh::No) else { return };
        let fault = self.ask_one_of_several(&mut ready, By::ModelAmongOthers);
        let (call, answer) = self.begun(&ready, fault);
        let reply = {
            tokio::select! {
                biased;
                reply = answer => reply,
                () = self.world.wait(span) => HostReply::Cancelled,
            }
        };
        self.notes.take(turn.step, &reply);
        self.world.stage().recorder().push(EventKind::CallEnded { call, reply });
    }

    fn ready(&mut self, number: u32, step: &CallStep, fresh: Fresh) -> Option<Ready> {
        let arguments = self.notes.fill(step, fresh)?;
        let ready = Ready::new(number, step.tool.clone(), arguments, step.user.clone(), step.intent.clone());
        Some(Ready { key_in_meta: step.key_in_meta, ..ready })
    }
}

impl Ready {
    fn new(step: u32, tool: SmolStr, arguments: impl Into<Arc<Value>>, user: SmolStr, intent: Option<SmolStr>) -> Self {
        let arguments = arguments.into();
        let key = arguments.get("idempotency_key").and_then(Value::as_str).map(SmolStr::new);
        Self { step, tool, arguments, user, intent, key, key_in_meta: false, malformed: None, again: None }
    }

    /// The arguments as they are sent, and the key that goes in `_meta`. A mistake is made in the arguments, so that a call with
    /// one in it has its key there too.
    fn sent(&self) -> (Arc<Value>, Option<String>) {
        let Some(key) = self.key.as_ref().filter(|_| self.key_in_meta && self.malformed.is_none()) else {
            return (self.arguments.clone(), None);
        };
        let mut arguments = Value::clone(&self.arguments);
        arguments.as_object_mut().map(|arguments| arguments.remove("idempotency_key"));
        (arguments.into(), Some(key.to_string()))
    }
}

/// The correlation id of a call: `step-2.5` for the fifth of a run, made for its second step.
fn correlation(step: u32, number: u32) -> SmolStr {
    format_smolstr!("{CORRELATION_PREFIX}{step}.{number}")
}

/// How long a model waits before it repeats a call that was answered like this; `None` if it does not repeat it.
fn repeats_after(reply: &HostReply, pause: Duration) -> Option<Duration> {
    let HostReply::Tool { structured, is_error } = reply else { return Some(pause) };
    let (repeats, after) = if *is_error {
        let error = structured.get("error")?;
        (error.get("retryable").and_then(Value::as_bool) == Some(true), error.get("retry_after_ms"))
    } else {
        (structured.get("status").and_then(Value::as_str) == Some("pending"), structured.get("retry_after_ms"))
    };
    repeats.then(|| after.and_then(Value::as_u64).map_or(pause, Duration::from_millis))
}
