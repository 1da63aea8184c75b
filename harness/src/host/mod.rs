//! The host: the model, the platform and the person, played from a script. It repeats, regenerates, cancels and waits
//! as they do, and notes what it was told; where a plan says so it makes a mistake in a call and mends it.
//! [`templates`] fills in what the script leaves open.

pub mod templates;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use giftgenius::ports::BoxFuture;
use serde_json::Value;

use self::templates::{Fresh, Notes};
use crate::error::RunError;
use crate::fault::site::Place;
use crate::fault::{Fault, Label};
use crate::malform::{self, Published, Sent};
use crate::repair::{Agent, Answer, TURNS_MAX};
use crate::scenario::model::{CallStep, Manner, Scenario, Step};
use crate::trace::{CallId, CallStarted, EventKind, HostReply, Malformed};
use crate::world::stage::CORRELATION_PREFIX;
use crate::world::{OutgoingCall, World};

/// How long a model waits before it repeats a call when the answer does not say.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Plays a script to its end, then waits until nothing is left to do.
pub async fn play(scenario: &Scenario, world: &dyn World) -> Result<(), RunError> {
    let mut host = Host {
        world,
        notes: Notes::default(),
        calls: AtomicU32::new(0),
        pause: RETRY_PAUSE.min(scenario.policy.tool_deadline),
    };
    for (index, step) in scenario.script.iter().enumerate() {
        let number = u32::try_from(index + 1).expect("a script has fewer steps than that");
        match step {
            Step::Call(call) => host.make(number, call).await,
            Step::Wait(span) => world.wait(*span).await,
            Step::WaitForRest => world.rest().await?,
            Step::Restart => world.restart().await?,
            Step::Switch { checkout } => world.switch(*checkout).await?,
        }
    }
    world.rest().await
}

struct Host<'a> {
    world: &'a dyn World,
    notes: Notes,
    /// Calls made so far.
    calls: AtomicU32,
    pause: Duration,
}

/// How often a platform makes a call again whose connection broke.
const REPEATS_MAX: u32 = 8;

/// A call that is ready to be made.
#[derive(Clone)]
struct Ready {
    started: CallStarted,
    outgoing: OutgoingCall,
}

impl Ready {
    /// The same call with other arguments, to a tool of this name.
    fn with(&self, tool: Arc<str>, arguments: Value, malformed: Malformed) -> Self {
        let arguments = Arc::new(arguments);
        let started = CallStarted {
            tool: tool.clone(),
            key: arguments.get("idempotency_key").and_then(Value::as_str).map(str::to_owned),
            arguments: arguments.clone(),
            malformed: Some(Arc::new(malformed)),
            ..self.started.clone()
        };
        Self { started, outgoing: OutgoingCall { tool, arguments, ..self.outgoing.clone() } }
    }
}

/// Who makes a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The model, which may make a mistake.
    Model,
    /// The platform, which sends again what it sent before.
    Platform,
}

/// A call that was begun.
struct Begun {
    /// As it was sent.
    ready: Ready,
    call: CallId,
    answer: BoxFuture<'static, HostReply>,
}

/// What a tool publishes of its arguments.
fn schema_of(tool: &str) -> Option<&'static Value> {
    giftgenius::tools::table().iter().find(|known| known.spec.name == tool).map(|known| &*known.spec.input_schema)
}

impl Host<'_> {
    /// Makes the calls of a step, in its manner. A step whose placeholders have nothing to stand for is left out, as a
    /// model would that was never told the id.
    async fn make(&mut self, number: u32, step: &CallStep) {
        match &step.manner {
            Manner::Once => {
                self.once(number, step, Fresh::No).await;
            }
            Manner::Repeat(times) => {
                for _ in 0..*times {
                    self.once(number, step, Fresh::No).await;
                }
            }
            Manner::Regenerate => {
                self.once(number, step, Fresh::No).await;
                self.once(number, step, Fresh::Yes).await;
            }
            Manner::Concurrent(times) => {
                self.at_once(number, step, &vec![Fresh::No; usize::try_from(*times).unwrap_or(1)]).await;
            }
            Manner::DoubleClick => self.at_once(number, step, &[Fresh::No, Fresh::Yes]).await,
            Manner::Retry(times) => {
                for attempt in 1..=*times {
                    let Some(reply) = self.once(number, step, Fresh::No).await else { return };
                    let Some(pause) = repeats_after(&reply, self.pause) else { return };
                    if attempt < *times {
                        self.world.wait(pause).await;
                    }
                }
            }
            Manner::CancelAfter(span) => self.cancelled(number, step, *span).await,
        }
    }

    async fn once(&mut self, number: u32, step: &CallStep, fresh: Fresh) -> Option<HostReply> {
        let ready = self.ready(number, step, fresh)?;
        let reply = self.made(ready).await;
        self.notes.take(step, &reply);
        Some(reply)
    }

    /// All begin before any is answered; each answer is noted when it comes.
    async fn at_once(&mut self, number: u32, step: &CallStep, fresh: &[Fresh]) {
        let ready: Vec<_> = fresh.iter().filter_map(|fresh| self.ready(number, step, *fresh)).collect();
        let calls: Vec<_> = ready
            .into_iter()
            .map(|ready| {
                // Begun here, before any of them is waited for.
                self.begun(ready, By::Model)
            })
            .collect();
        let this = &*self;
        let answers = calls.into_iter().map(|begun| this.answered(begun));
        for reply in join_all(answers).await {
            self.notes.take(step, &reply);
        }
    }

    /// Makes a call and waits for its answer, as a platform does: again where the connection breaks.
    async fn made(&self, ready: Ready) -> HostReply {
        let begun = self.begun(ready, By::Model);
        self.answered(begun).await
    }

    /// Waits for the answer, and mends the call where a mistake was made in it.
    async fn answered(&self, begun: Begun) -> HostReply {
        let ready = begun.ready.clone();
        let reply = self.told(begun).await;
        match ready.started.malformed.clone().filter(|malformed| malformed.turn == 0) {
            None => reply,
            Some(mistake) => self.mended(ready, &mistake, reply).await,
        }
    }

    async fn told(&self, begun: Begun) -> HostReply {
        let Begun { mut ready, mut call, mut answer } = begun;
        let mut repeats = 0;
        loop {
            let reply = answer.await;
            self.world.stage().recorder().push(EventKind::CallEnded { call, reply: reply.clone() });
            if reply != HostReply::Broken || repeats == REPEATS_MAX {
                return reply;
            }
            repeats += 1;
            Begun { ready, call, answer } = self.begun(ready, By::Platform);
        }
    }

    /// Calls again as an agent would that knows nothing but the tool's schema and the errors' own words.
    async fn mended(&self, mut ready: Ready, mistake: &Malformed, mut reply: HostReply) -> HostReply {
        let Some(schema) = schema_of(&mistake.tool) else { return reply };
        let mut agent = Agent::new(&mistake.tool, schema, ready.started.step.into());
        for turn in 1..=TURNS_MAX {
            let answer = match &reply {
                HostReply::Tool { structured, is_error: true } => Answer::Tool(structured),
                HostReply::Protocol { message, .. } => Answer::Protocol(message),
                HostReply::Tool { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => break,
            };
            let Some(next) = agent.mend(&ready.outgoing.arguments, answer) else { break };
            let tool = next.tool.map_or_else(|| ready.outgoing.tool.clone(), Arc::from);
            ready = ready.with(tool, next.arguments, Malformed { turn, ..mistake.clone() });
            reply = self.told(self.begun(ready.clone(), By::Model)).await;
        }
        reply
    }

    /// The call with the mistake of a label in it, if it can be made there.
    fn malformed(ready: &Ready, label: &Label) -> Option<Ready> {
        if ready.started.malformed.is_some() {
            return None;
        }
        let (tool, meant) = (&ready.outgoing.tool, &ready.outgoing.arguments);
        let case = malform::case(&Published::new(tool, schema_of(tool)?), meant, label)?;
        let mistake =
            Malformed { label: case.label, tool: tool.clone(), meant: meant.clone(), remedy: case.remedy, turn: 0 };
        match case.sent {
            Sent::Arguments(arguments) => Some(ready.with(tool.clone(), arguments, mistake)),
            Sent::ToTool(name) => Some(ready.with(name.into(), Value::clone(meant), mistake)),
            Sent::Frame(_) | Sent::Nothing => None,
        }
    }

    fn begun(&self, ready: Ready, by: By) -> Begun {
        let stage = self.world.stage();
        let (site, fault) = stage.ask(Place::HostCall, Some(ready.started.step));
        let wrong = match &fault {
            Some(Fault::Malformed(label)) if by == By::Model => Some(Self::malformed(&ready, label)),
            // What a platform sends again is what it sent before.
            Some(Fault::Malformed(_)) => Some(None),
            _ => None,
        };
        let misfires = matches!(wrong, Some(None));
        let ready = wrong.flatten().unwrap_or(ready);
        let Ready { started, outgoing } = ready.clone();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = CallId(number);
        let correlation: Arc<str> = format!("{CORRELATION_PREFIX}{}.{}", started.step, number + 1).into();
        let started = CallStarted { call, correlation: correlation.clone(), ..started };
        stage.recorder().push(EventKind::CallStarted(started));
        match (&fault, misfires) {
            (None, _) => {}
            (Some(_), true) => stage.misfired(site),
            (Some(fault), false) => stage.strike(site, fault.clone()),
        }
        Begun { ready, call, answer: self.world.call(OutgoingCall { correlation, fault, ..outgoing }) }
    }

    async fn cancelled(&mut self, number: u32, step: &CallStep, span: Duration) {
        let Some(ready) = self.ready(number, step, Fresh::No) else { return };
        let Begun { call, answer, .. } = self.begun(ready, By::Model);
        let reply = {
            tokio::select! {
                biased;
                reply = answer => reply,
                () = self.world.wait(span) => HostReply::Cancelled,
            }
        };
        self.notes.take(step, &reply);
        self.world.stage().recorder().push(EventKind::CallEnded { call, reply });
    }

    fn ready(&mut self, number: u32, step: &CallStep, fresh: Fresh) -> Option<Ready> {
        let arguments = Arc::new(self.notes.fill(step, fresh)?);
        // Call and correlation id are given when it is begun.
        let correlation: Arc<str> = Arc::from("");
        let started = CallStarted {
            call: CallId(0),
            step: number,
            tool: step.tool.clone(),
            key: arguments.get("idempotency_key").and_then(Value::as_str).map(str::to_owned),
            arguments: arguments.clone(),
            user: step.user.clone(),
            correlation: correlation.clone(),
            intent: step.intent.clone(),
            malformed: None,
        };
        let outgoing = OutgoingCall {
            tool: step.tool.clone(),
            arguments,
            user: step.user.clone(),
            correlation,
            key_in_meta: None,
            fault: None,
        };
        Some(Ready { started, outgoing })
    }
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
