//! The world in memory, in virtual time: the production code of the system over simulated ports.
//!
//! Nothing here touches a socket, a thread or a disk, so a run is a pure function of scenario, plan and seed and costs
//! microseconds. It must run on a current-thread tokio runtime whose clock is paused: time then jumps from timer to timer.
//! [`transport`] realises deliveries, [`tasks`] holds what runs in the background, [`ports`] are clock and log.

pub mod ports;
pub mod tasks;
pub mod transport;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use giftgenius::app::{App, ToolCall};
use giftgenius::ids::{CorrelationId, UserId};
use giftgenius::journal::JournalError;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::operations::switches;
use giftgenius::policy::Policy;
use giftgenius::ports::{BoxFuture, Journal, Ports, Tasks as _};

use self::ports::{SimClock, SimLog};
use self::tasks::SimTasks;
use self::transport::SimTransport;
use super::stage::Stage;
use super::stock::{orders_named, take_stock};
use super::{OutgoingCall, World};
use crate::choice::Choices;
use crate::error::RunError;
use crate::oracle::Rest;
use crate::provider::Providers;

use crate::scenario::model::Scenario;
use crate::system::entropy::SeededEntropy;
use crate::trace::{EventKind, HostReply, Recorder};

/// The longest that a run may take in virtual time: past every lease, retention and background round there is.
const REST_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A world in memory.
pub struct SimWorld {
    stage: Arc<Stage>,
    journal: Arc<MemoryJournal>,
    seed: u64,
    clock: Arc<SimClock>,
    policy: Policy,
    /// Deliveries that are still to come.
    late: Arc<AtomicUsize>,
    life: Mutex<Life>,
}

/// What ends with an incarnation.
struct Life {
    app: Arc<App>,
    tasks: Arc<SimTasks>,
}

impl SimWorld {
    /// A fresh world, its system started.
    pub fn start(scenario: &Scenario, choices: Choices, seed: u64) -> Self {
        let recorder = Recorder::start();
        let clock = Arc::new(SimClock::start());
        let mut providers = Providers::new(scenario.policy.payment_profile, &scenario.shop.fixture);
        for (sku, quantity) in &scenario.stock {
            providers.set_stock(sku, *quantity);
        }
        let stage = Arc::new(Stage::new(providers, choices, recorder, clock.clone()));
        let journal = Arc::new(MemoryJournal::new());
        let late = Arc::new(AtomicUsize::new(0));
        let life = Mutex::new(begin(&stage, &journal, &clock, seed, 1, &late, &scenario.policy));
        Self { stage, journal, seed, clock, policy: scenario.policy.clone(), late, life }
    }

    fn app(&self) -> Arc<App> {
        self.life.lock().expect("no holder of the life panics").app.clone()
    }

    fn tasks(&self) -> Arc<SimTasks> {
        self.life.lock().expect("no holder of the life panics").tasks.clone()
    }
}

fn begin(
    stage: &Arc<Stage>,
    journal: &Arc<MemoryJournal>,
    clock: &Arc<SimClock>,
    seed: u64,
    incarnation: u32,
    late: &Arc<AtomicUsize>,
    policy: &Policy,
) -> Life {
    let tasks = Arc::new(SimTasks::default());
    let ports = Ports {
        transport: Arc::new(SimTransport::new(stage.clone(), late.clone(), policy.late_max)),
        journal: journal.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(seed, incarnation)),
        tasks: tasks.clone(),
        log: Arc::new(SimLog::new(stage.recorder().clone())),
    };
    Life { app: App::new(ports, policy.clone()), tasks }
}

/// A call as its caller waits for it. A caller that hangs up ends the waiting and not the call, which a real server
/// brings to its end with nobody there.
struct Attended<T: Send + 'static> {
    /// `None` once it is answered.
    call: Option<BoxFuture<'static, T>>,
    tasks: Arc<SimTasks>,
}

impl<T: Send + 'static> Future for Attended<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(call) = &mut self.call else { return Poll::Pending };
        let answer = call.as_mut().poll(context);
        if answer.is_ready() {
            self.call = None;
        }
        answer
    }
}

impl<T: Send + 'static> Drop for Attended<T> {
    fn drop(&mut self) {
        // Without a runtime the whole run is being torn down.
        if let Some(call) = self.call.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.tasks.spawn("a call that nobody waits for", Box::pin(async { _ = call.await }));
        }
    }
}

/// The simulated journal's failure is the harness's own.
fn journal_failed(act: &'static str) -> impl FnOnce(JournalError) -> RunError {
    move |error| RunError::Journal { path: "(memory)".into(), act, reason: error.to_string() }
}

impl World for SimWorld {
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let (app, tasks) = (self.app(), self.tasks());
        let patience = self.policy.tool_deadline * 3 / 2;
        Box::pin(async move {
            let call = ToolCall {
                name: call.tool.to_string(),
                arguments: call.arguments,
                user: UserId::from(call.user),
                correlation_id: Some(CorrelationId::from(call.correlation)),
                idempotency_key: call.key_in_meta,
            };
            let answer = Attended { call: Some(Box::pin(async move { app.call_tool(call).await })), tasks };
            match tokio::time::timeout(patience, answer).await {
                Err(_) => HostReply::NoAnswer,
                Ok(Ok(reply)) => HostReply::Tool { structured: reply.structured, is_error: reply.is_error },
                Ok(Err(unknown)) => HostReply::Protocol { code: INVALID_PARAMS, message: unknown.to_string() },
            }
        })
    }

    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }

    fn rest(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            let resting = async {
                loop {
                    self.tasks().idle().await;
                    if self.late.load(Ordering::Relaxed) == 0 {
                        return;
                    }
                    // A late delivery is a timer of its own, at most `late_max` away.
                    tokio::time::sleep(self.policy.late_max).await;
                }
            };
            tokio::time::timeout(REST_MAX, resting).await.map_err(|_| RunError::NoRest {
                waited: REST_MAX,
                left: format!("{} tasks were still running in virtual time", self.tasks().running()),
            })
        })
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            self.tasks().end().await;
            let incarnation = {
                let mut record = self.stage.recorder().lock();
                record.incarnation += 1;
                record.incarnation
            };
            let life = begin(&self.stage, &self.journal, &self.clock, self.seed, incarnation, &self.late, &self.policy);
            self.stage.recorder().push(EventKind::Restarted);
            let app = life.app.clone();
            *self.life.lock().expect("no holder of the life panics") = life;
            app.recover().await.map(|_| ()).map_err(journal_failed("read"))
        })
    }

    fn switch(&self, checkout: bool) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            let set = switches::set_checkout(&*self.journal, checkout).await;
            set.map_err(|error| RunError::Journal {
                path: "(memory)".into(),
                act: "written",
                reason: error.to_string(),
            })?;
            self.stage.recorder().push(EventKind::Switched { checkout });
            Ok(())
        })
    }

    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>> {
        Box::pin(async move {
            self.tasks().end().await;
            let orders = orders_named(&self.stage.recorder().lock());
            let journal: &dyn Journal = &*self.journal;
            take_stock(journal, orders).await.map_err(journal_failed("read"))
        })
    }

    fn stage(&self) -> &Stage {
        &self.stage
    }
}

/// JSON-RPC's code for invalid params, which MCP uses for an unknown tool.
const INVALID_PARAMS: i64 = -32602;
