//! The world in memory, in virtual time: the production code of the system over simulated ports.
//!
//! Nothing here touches a socket, a thread or a disk, so a run is a pure function of scenario, plan and seed and costs
//! microseconds. It must run on [`runtime`]'s runtime, whose clock is paused: time then jumps from timer to timer.
//! [`life`] holds the system's incarnations and ends them, [`fuel`] ends a run that has no end of its own, [`transport`] realises deliveries, [`store`] is what outlives
//! them and [`journal`] an incarnation's handle on it,
//! [`tasks`] holds what runs in the background, [`ports`] are clock, chance and log.

pub mod fuel;
pub mod journal;
pub mod life;
pub mod ports;
pub mod store;
pub mod tasks;
pub mod transport;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll as Polled};
use std::time::Duration;

use futures_util::FutureExt as _;
use giftgenius::app::ToolCall;
use giftgenius::checkout::order::{Order, Page};
use giftgenius::checkout::recovery;
use giftgenius::ids::{CorrelationId, UserId};
use giftgenius::journal::{JournalError, Overview, Record, RecordState};
use giftgenius::operations::{parked, switches};
use giftgenius::ports::{BoxFuture, Journal, Tasks as _};
use tokio::runtime::Runtime;

use self::fuel::Fuel;
use self::life::{House, Life};
use self::ports::SimClock;
use super::stage::Stage;
use super::stock::{named, take_stock};
use super::{OutgoingCall, Poll, World};
use crate::choice::Choices;
use crate::error::RunError;
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::oracle::Rest;
use crate::provider::Providers;
use crate::scenario::model::Scenario;
use crate::stopwatch::{StandingTime, Stopwatch};
use crate::system::wiring::Wiring;
use crate::trace::{EventKind, HealthAsked, HostReply, Kept, Recorder};
use crate::watchdog::Seat;

/// The longest that a run may take in virtual time: past every lease, retention and background round there is.
const REST_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A world in memory.
pub struct SimWorld {
    house: Arc<House>,
    /// How many calls were made: they go to the replicas in turn.
    calls: AtomicUsize,
}

/// What a world runs on: one thread, whose clock is paused, and what is known of that clock.
///
/// Several worlds that begin at the same instant may share one: each then goes as it would alone. Time moves where none has
/// anything to do; timers that are due at the same millisecond fire in the order in which they were set; and what waits
/// outside of tasks goes on once every task has come to a halt, however many there are (which is what the interval says).
pub fn runtime() -> (Runtime, StandingTime) {
    let standing = StandingTime::default();
    let told = standing.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .event_interval(u32::MAX)
        .on_thread_unpark(move || told.moved())
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    (runtime, standing)
}

impl SimWorld {
    /// A fresh world on [`runtime`]'s runtime, its system started; `wiring` puts parts into it that are not production's.
    /// Where it goes on it says so at its `seat`.
    pub fn start(
        scenario: &Scenario,
        choices: Choices,
        seed: u64,
        wiring: Option<Arc<dyn Wiring>>,
        standing: StandingTime,
        seat: Seat,
    ) -> Self {
        let stopwatch = Stopwatch::start_paused(standing);
        let recorder = Recorder::with(stopwatch.clone());
        let fuel = Arc::new(Fuel::new(recorder.clone(), seat));
        let clock = Arc::new(SimClock::new(stopwatch.clone()));
        let mut providers = Providers::new((&scenario.policy).into(), &scenario.shop.fixture);
        for (sku, quantity) in &scenario.stock {
            providers.set_stock(sku, *quantity);
        }
        let stage = Stage::new(providers, choices, recorder, clock);
        let stage = if scenario.webhooks { stage.with_webhooks(scenario.policy.webhooks.tolerance) } else { stage };
        let stage = Arc::new(stage);
        let clock = |ms| Arc::new(SimClock::off_by(stopwatch.clone(), ms, fuel.clone()));
        let clocks = scenario.replicas.clocks_ms().map(clock).collect();
        let kept = (scenario.store, scenario.webhooks);
        let house = House::open(stage, fuel, clocks, scenario.policy.clone(), seed, wiring, kept);
        Self { house, calls: AtomicUsize::new(0) }
    }

    /// Whether an order has work left.
    fn leaves_work(&self) -> bool {
        // A store that cannot be read is told of when stock is taken.
        let open = self.house.journal.all(RecordState::OrderOpen);
        open.is_ok_and(|open| !open.is_empty()) || self.has_parked(|order| !order.alerted)
    }

    /// What the run takes from whatever the system does.
    pub fn fuel(&self) -> &Fuel {
        &self.house.fuel
    }

    fn store_or_switch_was_touched(&self) -> bool {
        let record = self.house.stage.recorder().lock();
        record.trace.events.iter().any(|event| match &event.kind {
            EventKind::Struck { site, .. } => matches!(site.place, Place::JournalRead | Place::JournalWrite),
            EventKind::Switched { .. } => true,
            _ => false,
        })
    }

    /// Asks a life for its health, and looks at the store itself before and after.
    async fn ask(&self, life: &Life) {
        let recorder = self.house.stage.recorder();
        let events = || recorder.lock().trace.events.len();
        let stands = || {
            let seen = self.house.journal.glance().ok();
            (seen.map(|Overview { open, parked, switches: _ }| (open, parked)), self.house.stage.journal_uses())
        };
        let (asked, at, (orders, uses)) = (events(), recorder.now(), stands());
        let page = tokio::select! {
            biased;
            () = life.pulse.ended() => return,
            page = life.health() => page,
        };
        let (answered, until, (orders_then, uses_then)) = (events(), recorder.now(), stands());
        let trace = &mut recorder.lock().trace;
        let writes = Some(trace.writes.len());
        trace.health.push(HealthAsked {
            events: (asked, answered),
            writes,
            at: (at, until),
            incarnation: life.pulse.incarnation,
            answer: Some((page.http_status(), page)),
            orders: orders.zip(orders_then).map(|(before, after)| [before, after]),
            // Nothing else runs at one instant while this task goes on.
            uses: (at == until).then_some([uses, uses_then]),
        });
    }

    /// Whether an order waits for a person, and what `is_it` says holds of it.
    fn has_parked(&self, is_it: fn(&Order) -> bool) -> bool {
        let parked = self.house.journal.all(RecordState::OrderParked).unwrap_or_default();
        parked.iter().any(|stored| matches!(&*stored.record, Record::Order(order) if is_it(order)))
    }

    /// Calls people to the orders that wait for one, as housekeeping does.
    async fn call_people(&self) {
        let recorder = self.house.stage.recorder();
        for replica in 0..self.house.replicas() {
            let Some(life) = self.house.life_now(replica) else { continue };
            let (at, before) = (recorder.now(), recorder.lock().trace.events.len());
            let called = tokio::select! {
                biased;
                () = life.pulse.ended() => continue,
                called = AssertUnwindSafe(Box::pin(parked::call_people(&life.app))).catch_unwind() => called,
            };
            let mut record = recorder.lock();
            let until = record.trace.events.len();
            // Of a round in which the store failed nothing is expected.
            let struck = record.trace.events[before..].iter().any(|it| matches!(it.kind, EventKind::Struck { .. }));
            if matches!(called, Ok(Ok(()))) && !struck {
                record.trace.houses_kept.push(Kept { at, until });
            }
        }
    }

    /// Lets the time pass after which money that stands for a parked order pages a person, and keeps house then: a person
    /// is paged by now, or not at all.
    async fn wait_for_pages(&self) {
        if !self.has_parked(|order| order.page != Page::Sent) {
            return;
        }
        tokio::time::sleep(self.house.policy.late_max + parked::UNSOLD_MAX + HOUSEKEEPING).await;
        // Again where a round was lost to the store, or to a process that died.
        for _ in 0..3 {
            self.call_people().await;
            // A process that died over it is up again, and has been told of everything, before the run ends.
            while !self.house.is_up() {
                self.house.rises().await;
            }
            if !self.has_parked(|order| order.page != Page::Sent && order.unsold_since.is_some()) {
                return;
            }
            tokio::time::sleep(HOUSEKEEPING).await;
        }
    }

    /// Takes up what nobody works on, as housekeeping does again and again in production. Its interval does not matter
    /// here, but that it comes back does.
    async fn keep_house(&self) -> bool {
        if !self.leaves_work() {
            return false;
        }
        tokio::time::sleep(HOUSEKEEPING).await;
        for replica in 0..self.house.replicas() {
            if let Some(life) = self.house.life_now(replica) {
                tokio::select! {
                    biased;
                    // A store that fails is asked again the next time; what a bug takes down is tried again then too.
                    _ = AssertUnwindSafe(Box::pin(recovery::take_up_abandoned(&life.app))).catch_unwind() => {}
                    () = life.pulse.ended() => {}
                }
            }
        }
        true
    }
}

impl Drop for SimWorld {
    fn drop(&mut self) {
        // Each life's ports lead back to the house that holds the life: left alone, no run would ever be freed.
        self.house.end();
    }
}

/// A call as its caller waits for it. A caller that hangs up ends the waiting and not the call, which a real server
/// brings to its end with nobody there.
struct Attended<T: Send + 'static> {
    /// `None` once it is answered.
    call: Option<BoxFuture<'static, T>>,
    life: Arc<Life>,
}

impl<T: Send + 'static> Future for Attended<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled<T> {
        let Self { call, life } = &mut *self;
        let Some(call) = call.as_mut().filter(|_| life.pulse.fuel.polls("a call")) else {
            return Polled::Pending;
        };
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
            self.life.tasks.spawn("a call that nobody waits for", Box::pin(async { _ = call.await }));
        }
    }
}

/// The simulated journal's failure is the harness's own.
fn journal_failed(act: &'static str) -> impl FnOnce(JournalError) -> RunError {
    move |error| RunError::Journal { path: "(memory)".into(), act, reason: error.to_string() }
}

impl World for SimWorld {
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let house = self.house.clone();
        let replica = self.calls.fetch_add(1, Ordering::Relaxed) % house.replicas();
        Box::pin(async move {
            match &call.fault {
                None => {}
                Some(Fault::Crash(_)) => house.crash_replica(replica),
                // What was done is in the books; of what is told of it no call waits for the answer.
                Some(Fault::Acts(_)) => drop(super::post::hand_over(&house, house.stage.take_events(None))),
                Some(fault) => match fault.jumps() {
                    Some(expiry) => house.clocks.iter().for_each(|clock| clock.jump(expiry.span(&house.policy))),
                    None => {
                        unreachable!("`{fault}` is the host's to bring about, or was refused when its plan was read")
                    }
                },
            }
            let life = house.life(replica).await;
            let patience = house.policy.tool_deadline * 3 / 2;
            let call = ToolCall {
                name: call.tool.to_string(),
                arguments: call.arguments,
                user: UserId::from(call.user),
                correlation_id: Some(CorrelationId::from(call.correlation)),
                idempotency_key: call.key_in_meta,
            };
            let answer = Attended { call: Some(life.take_call(call)), life: life.clone() };
            let answer = tokio::time::timeout_at(house.stage.recorder().ahead(patience), answer);
            tokio::select! {
                biased;
                // First: what is dead answers nothing, although its last thoughts may still be polled.
                () = life.pulse.ended() => HostReply::Broken,
                answer = answer => match answer {
                    // It was killed in the moment in which it would have answered.
                    _ if life.pulse.is_dead() => HostReply::Broken,
                    Err(_) => HostReply::NoAnswer,
                    Ok(Ok(reply)) => {
                        life.app.answered(&reply);
                        HostReply::Tool { structured: reply.structured.into(), is_error: reply.is_error }
                    }
                    Ok(Err(unknown)) => HostReply::Protocol { code: INVALID_PARAMS, message: unknown.to_string() },
                },
                () = house.hung_up.notified() => HostReply::Cancelled,
            }
        })
    }

    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let until = self.house.stage.recorder().ahead(span);
            // In a long time house is kept: what a person has to be called for does not wait for the next call.
            let mut rounds = span.as_secs().saturating_sub(1) / HOUSEKEEPING.as_secs();
            let mut next = self.house.stage.recorder().ahead(HOUSEKEEPING);
            while rounds > 0 {
                if !self.has_parked(|_| true) {
                    // Nobody has to be called, and in a day there are a thousand rounds: the next one that matters comes after
                    // an order was parked.
                    tokio::select! {
                        biased;
                        () = self.house.journal.parks() => {}
                        () = tokio::time::sleep_until(until) => return,
                    }
                    while rounds > 0 && next <= self.house.stage.recorder().ahead(Duration::ZERO) {
                        next += HOUSEKEEPING;
                        rounds -= 1;
                    }
                    continue;
                }
                tokio::time::sleep_until(next).await;
                if self.has_parked(|_| true) {
                    self.call_people().await;
                }
                next = self.house.stage.recorder().ahead(HOUSEKEEPING);
                rounds -= 1;
            }
            tokio::time::sleep_until(until).await;
        })
    }

    fn rest(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            let resting = async {
                loop {
                    while !self.house.is_up() {
                        self.house.rises().await;
                    }
                    for life in self.house.everybody() {
                        life.tasks.idle().await;
                    }
                    if !self.house.is_up() {
                        continue;
                    }
                    if self.house.late.load(Ordering::Relaxed) > 0 {
                        // A late delivery is a timer of its own, at most `late_max` away. Where that is nothing, time has to
                        // move all the same.
                        tokio::time::sleep(self.house.policy.late_max.max(Duration::from_millis(1))).await;
                    } else if !self.keep_house().await {
                        return Ok(());
                    }
                }
            };
            match tokio::time::timeout_at(self.house.stage.recorder().ahead(REST_MAX), resting).await {
                Ok(rested) => rested,
                // Left open by the system for ever: for `settled` to judge.
                Err(_) if self.leaves_work() => Ok(()),
                Err(_) => {
                    let running: usize = self.house.everybody().iter().map(|life| life.tasks.running()).sum();
                    let left = format!("{running} tasks were still running in virtual time");
                    Err(RunError::NoRest { waited: REST_MAX, left })
                }
            }
        })
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            for replica in 0..self.house.replicas() {
                self.house.restart(replica).await;
            }
            Ok(())
        })
    }

    fn switch(&self, checkout: bool) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(async move {
            let set = switches::set_checkout(&self.house.journal, checkout).await;
            set.map_err(|error| RunError::Journal {
                path: "(memory)".into(),
                act: "written",
                reason: error.to_string(),
            })?;
            self.house.stage.recorder().push(EventKind::Switched { checkout });
            Ok(())
        })
    }

    /// At rest only where a page could be wrong about more than what every run shows: each question costs.
    fn health(&self, when: Poll) -> Option<BoxFuture<'_, ()>> {
        let asks = match when {
            Poll::AfterCall => false,
            Poll::AtRest => self.store_or_switch_was_touched(),
            Poll::Scripted => true,
        };
        asks.then(|| -> BoxFuture<'_, ()> {
            Box::pin(async move {
                for replica in 0..self.house.replicas() {
                    if let Some(life) = self.house.life_now(replica) {
                        self.ask(&life).await;
                    }
                }
            })
        })
    }

    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>> {
        Box::pin(async move {
            self.wait_for_pages().await;
            for life in self.house.everybody() {
                life.tasks.end().await;
            }
            let named = named(&self.house.stage.recorder().lock());
            let journal: &dyn Journal = &self.house.journal;
            take_stock(journal, named).await.map_err(journal_failed("read"))
        })
    }

    fn stage(&self) -> &Stage {
        &self.house.stage
    }
}

/// How often production looks for orders that nobody works on.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// JSON-RPC's code for invalid params, which MCP uses for an unknown tool.
const INVALID_PARAMS: i64 = -32602;
