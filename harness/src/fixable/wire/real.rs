//! The real system and the two ways to it: a process over HTTP that misrule's wire world holds, and one on stdio beside
//! it, on the same journal and the same providers, for the same user.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use giftgenius::adapters::SystemClock;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::held::{Came, answer};
use super::{Transport, Wire};
use crate::choice::Choices;
use crate::fault::plan::Plan;
use crate::fixable::judge::{accepted, told};
use crate::fixable::prepare::{Books, Calls, USER};
use crate::fixable::shown::Turn;
use crate::provider::Providers;
use crate::scenario::model::Scenario;
use crate::system::stdio::{Heard, StdioSystem};
use crate::trace::{HostReply, Recorder};
use crate::world::World as _;
use crate::world::stage::Stage;
use crate::world::wire::raw::Posted;
use crate::world::wire::{SetUp, WireWorld};

/// What the calls that come before buy, and how much of it there is: no frame fails for an empty shelf.
const BOUGHT: &str = "tea-set";
const ON_THE_SHELF: u32 = 1_000_000;

/// The protocol revision that is spoken.
const PROTOCOL_VERSION: &str = "2025-11-25";

/// How long the process on stdio may take until it serves: far beyond what a loaded machine needs.
const START_MAX: Duration = Duration::from_secs(20);

/// A plain valid call, as a check that the server still answers.
const PLAIN_TOOL: &str = "get_payment_methods";

/// The real system. The process on stdio goes first, then the one that sees to the folder, then what runs both ends.
pub(super) struct Real {
    stdio: RefCell<StdioSystem>,
    world: WireWorld,
    runtime: Runtime,
    answer_max: Duration,
    transport: Cell<Transport>,
    ids: Cell<i64>,
    /// Every call that was made since this was emptied, with its answer.
    turns: RefCell<Vec<Turn>>,
}

impl Real {
    /// Starts it; both ways are open when this returns. The error is a sentence.
    pub(super) fn open(scenario: &Scenario, wire: &Wire) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("no threads for the wire could be started: {error}"))?;
        let started = runtime.block_on(async {
            let mut providers = Providers::new((&scenario.policy).into(), &scenario.shop.fixture);
            providers.set_stock(BOUGHT, ON_THE_SHELF);
            let choices = Choices::replay(Plan::default());
            let stage = Arc::new(Stage::new(providers, choices, Recorder::start(), Arc::new(SystemClock)));
            let set_up = SetUp {
                program: wire.program.clone(),
                policy: scenario.policy.clone(),
                seed: scenario.seed,
                users: vec![USER.into()],
                webhooks: false,
                replicas: scenario.replicas,
                script_waits: Duration::ZERO,
                calls: u32::MAX,
                defect: None,
            };
            let world = WireWorld::start(stage, set_up).await?;
            let stdio = StdioSystem::start(&wire.program, &world.ground(), USER)?;
            Ok((world, stdio))
        });
        let (world, stdio) = started.map_err(|error: crate::error::RunError| error.to_string())?;
        let real = Self {
            stdio: RefCell::new(stdio),
            world,
            runtime,
            answer_max: wire.answer_max,
            transport: Cell::new(Transport::Stdio),
            ids: Cell::new(1),
            turns: RefCell::default(),
        };
        real.shake_hands()?;
        Ok(real)
    }

    /// On stdio; over HTTP the world's client has done it.
    fn shake_hands(&self) -> Result<(), String> {
        let params = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "misrule", "version": env!("CARGO_PKG_VERSION") },
        });
        let id = self.next_id();
        let hello = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params}).to_string();
        let came = self.exchange_within(hello.as_bytes(), 1, 1, START_MAX);
        match came.first().map(|came| answer(came, &json!(id))) {
            Some(Ok(HostReply::Tool { .. })) => Ok(()),
            Some(Ok(other)) => Err(format!("the system on stdio did not shake hands: `{}`", told(&other))),
            Some(Err(why)) => Err(format!("the system on stdio did not shake hands: {why}")),
            None => unreachable!("one answer was asked for"),
        }
    }

    /// From now on everything goes this way.
    pub(super) fn go_over(&self, transport: Transport) {
        self.transport.set(transport);
    }

    /// The way that everything goes now.
    pub(super) fn transport(&self) -> Transport {
        self.transport.get()
    }

    /// An id that no request had.
    pub(super) fn next_id(&self) -> i64 {
        self.ids.replace(self.ids.get() + 1)
    }

    /// Effects in the providers' books.
    pub(super) fn effects(&self) -> usize {
        self.world.stage().recorder().lock().ledger.effects.len()
    }

    /// The calls that were made since this was asked last.
    pub(super) fn take_turns(&self) -> Vec<Turn> {
        self.turns.take()
    }

    /// Sends a frame so many times at once, and gives as much as is owed of what comes back.
    pub(super) fn exchange(&self, frame: &[u8], times: usize, owed: usize) -> Vec<Came> {
        self.exchange_within(frame, times, owed, self.answer_max)
    }

    fn exchange_within(&self, frame: &[u8], times: usize, owed: usize, within: Duration) -> Vec<Came> {
        match self.transport.get() {
            Transport::Stdio => {
                let lines = [frame, b"\n"].concat().repeat(times);
                self.runtime.block_on(on_stdio(&mut self.stdio.borrow_mut(), &lines, owed, within))
            }
            Transport::Http => {
                let post = |_| async {
                    match self.world.post(USER, frame.to_vec(), within).await {
                        Posted::Reply { body, .. } => Came::Bytes(body),
                        Posted::Nothing => Came::Nothing,
                        Posted::Broken(how) => Came::Gone(how),
                    }
                };
                self.runtime.block_on(join_all((0..times).map(post)))
            }
        }
    }

    /// Makes a plain valid call. Tells what else came before its answer; the error says how it was not answered.
    pub(super) fn is_well(&self) -> Result<Vec<String>, String> {
        let (id, frame) = self.request(PLAIN_TOOL, &json!({}));
        let mut came = self.exchange(&frame, 1, 1).remove(0);
        let mut strays = Vec::new();
        loop {
            let bytes = match &came {
                Came::Bytes(bytes) if self.transport.get() == Transport::Stdio => bytes,
                Came::Bytes(_) | Came::Nothing | Came::Gone(_) => break,
            };
            let is_ours =
                serde_json::from_slice::<Value>(bytes).is_ok_and(|message| message.get("id") == Some(&json!(id)));
            if is_ours {
                break;
            }
            strays.push(String::from_utf8_lossy(bytes).chars().take(100).collect());
            came = self.runtime.block_on(next_line(&mut self.stdio.borrow_mut(), self.answer_max));
        }
        match answer(&came, &json!(id))? {
            reply if accepted(&reply) => Ok(strays),
            other => Err(format!("it was answered `{}`", told(&other))),
        }
    }

    fn request(&self, tool: &str, arguments: &Value) -> (i64, Vec<u8>) {
        let id = self.next_id();
        let params = json!({"name": tool, "arguments": arguments});
        (id, json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string().into_bytes())
    }
}

/// Writes lines, and gives as many as are owed of those that come back.
async fn on_stdio(stdio: &mut StdioSystem, lines: &[u8], owed: usize, within: Duration) -> Vec<Came> {
    if !stdio.say(lines, within).await {
        let gone = match next_line(stdio, within).await {
            Came::Gone(how) => how,
            Came::Bytes(_) | Came::Nothing => String::from("it reads no more"),
        };
        return vec![Came::Gone(gone); owed];
    }
    let mut came = Vec::new();
    while came.len() < owed {
        came.push(next_line(stdio, within).await);
    }
    came
}

async fn next_line(stdio: &mut StdioSystem, within: Duration) -> Came {
    match stdio.hear(within).await {
        Heard::Line(line) => Came::Bytes(line),
        Heard::Nothing => Came::Nothing,
        Heard::Ended(how) => Came::Gone(how),
    }
}

impl Calls for Real {
    fn call(&self, _: &str, tool: &str, arguments: Value) -> HostReply {
        let (id, frame) = self.request(tool, &arguments);
        let came = self.exchange(&frame, 1, 1).remove(0);
        let reply = answer(&came, &json!(id)).unwrap_or(HostReply::NoAnswer);
        self.turns.borrow_mut().push(Turn::of(tool, arguments, &reply));
        reply
    }

    fn books(&self) -> Books {
        Books::of(&self.world.stage().recorder().lock().ledger)
    }
}
