//! The lives of the simulated system: how one begins, how a crash ends it, and how the next takes over.
//!
//! Every port handle belongs to one incarnation and asks its [`Pulse`] first: what is dead never acts again, even in the
//! instant between the crash and the abortion of its tasks. The journal, the clocks' errors and what is on its way in the
//! network outlive a crash; everything else is lost with the process.

use std::hash::Hash as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use giftgenius::app::{App, ToolCall};
use giftgenius::operations::health::{Health, health};
use giftgenius::policy::Policy;
use giftgenius::ports::{BoxFuture, Ports};
use tokio::sync::Notify;

use super::fuel::{Fuel, Use};
use super::journal::SimJournal;
use super::ports::{SimClock, SimEntropy, SimLog};
use super::store::Store;
use super::tasks::SimTasks;
use super::transport::SimTransport;
use crate::provider::event::secret;
use crate::scenario::model::StoreKind;
use crate::system::wiring::{Answer, Door, HealthPage, Post, Wired, Wiring};
use crate::trace::EventKind;
use crate::world::late_by;
use crate::world::post::{Letterbox, Sorted};
use crate::world::print::Print;
use crate::world::stage::Stage;
use crate::world::{RESTART_AFTER, STARTS_MAX};

/// Whether an incarnation lives.
pub struct Pulse {
    /// Which life, from 1; replicas and their successors are counted together.
    pub incarnation: u32,
    /// Which replica it is.
    pub replica: usize,
    dead: AtomicBool,
    died: Notify,
    /// What all that it does takes from.
    pub fuel: Arc<Fuel>,
}

impl Pulse {
    /// Of a life that begins.
    pub fn new(incarnation: u32, replica: usize, fuel: Arc<Fuel>) -> Self {
        Self { incarnation, replica, dead: AtomicBool::new(false), died: Notify::new(), fuel }
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends it; false if it had ended before.
    fn end(&self) -> bool {
        let was_alive = !self.dead.swap(true, Ordering::Relaxed);
        self.died.notify_waiters();
        was_alive
    }

    /// Goes on if it lives, and never otherwise.
    pub async fn alive(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// Uses a port: goes on if it lives and has fuel, and never otherwise.
    pub async fn acts(&self, what: Use) {
        self.alive().await;
        self.fuel.goes_on(what).await;
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        let died = self.died.notified();
        if !self.is_dead() {
            died.await;
        }
    }
}

/// What ends with an incarnation.
pub struct Life {
    /// The application.
    pub app: Arc<App>,
    /// Who takes its calls, where that is not the application itself.
    door: Option<Door>,
    /// Who answers for its health, where that is not the application itself.
    health: Option<HealthPage>,
    /// Who takes the payment provider's deliveries, where that is not the application itself.
    post: Option<Post>,
    /// Its background work.
    pub tasks: Arc<SimTasks>,
    /// Whether it lives.
    pub pulse: Arc<Pulse>,
}

impl Life {
    /// Calls a tool of the application.
    pub fn take_call(&self, call: ToolCall) -> BoxFuture<'static, Answer> {
        let app = self.app.clone();
        match &self.door {
            None => Box::pin(async move { app.call_tool(call).await }),
            Some(door) => door(app, call),
        }
    }

    /// Brings the application a delivery of the payment provider's.
    async fn take_delivery(&self, signature: String, body: Bytes) -> u16 {
        match &self.post {
            None => self.app.payment_webhook(Some(&signature), &body).await.http_status(),
            Some(post) => post(self.app.clone(), signature, body).await,
        }
    }

    /// Asks the application for its health.
    pub async fn health(&self) -> Health {
        match &self.health {
            None => health(&self.app).await,
            Some(page) => page(self.app.clone()).await,
        }
    }
}

/// A replica: its latest life.
struct Replica {
    life: Arc<Life>,
    /// Whether it takes calls: recovery has begun.
    up: bool,
}

/// What outlives the system's incarnations.
pub struct House {
    /// Providers, choices and record.
    pub stage: Arc<Stage>,
    /// The store.
    pub journal: Store,
    /// What all that the system does takes from.
    pub fuel: Arc<Fuel>,
    /// Each replica's calendar clock.
    pub clocks: Vec<Arc<SimClock>>,
    /// The system's numbers.
    pub policy: Policy,
    /// Deliveries that are still to come.
    pub late: Arc<AtomicUsize>,
    /// Told when the host hangs up on every call in flight.
    pub hung_up: Notify,
    seed: u64,
    wiring: Option<Arc<dyn Wiring>>,
    lives: Mutex<Vec<Replica>>,
    /// Told when a replica takes calls again.
    risen: Notify,
    /// Replicas that are being started again.
    reviving: AtomicUsize,
    /// The payment provider's events that were delivered.
    sorted: Sorted,
    /// Whether the system takes them.
    webhooks: bool,
}

impl House {
    /// A house whose replicas run, one for each clock.
    pub fn open(
        stage: Arc<Stage>,
        fuel: Arc<Fuel>,
        clocks: Vec<Arc<SimClock>>,
        policy: Policy,
        seed: u64,
        wiring: Option<Arc<dyn Wiring>>,
        (store, webhooks): (StoreKind, bool),
    ) -> Arc<Self> {
        let replicas = clocks.len();
        let house = Arc::new(Self {
            stage,
            journal: Store::new(store),
            fuel,
            clocks,
            policy,
            late: Arc::new(AtomicUsize::new(0)),
            hung_up: Notify::new(),
            seed,
            wiring,
            lives: Mutex::new(Vec::with_capacity(replicas)),
            risen: Notify::new(),
            reviving: AtomicUsize::new(0),
            sorted: Sorted::default(),
            webhooks,
        });
        for replica in 0..replicas {
            let incarnation = u32::try_from(replica + 1).expect("there are few replicas");
            let life = house.begin(replica, incarnation);
            house.lives().push(Replica { life, up: true });
        }
        house.stage.recorder().lock().incarnation = u32::try_from(replicas).expect("there are few replicas");
        house
    }

    fn lives(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.lives.lock().expect("no holder of the lives panics")
    }

    /// Lets go of every life, at the end of a run. Nothing can be asked of the house any more.
    pub fn end(&self) {
        self.fuel.end();
        self.lives().clear();
    }

    /// How many replicas there are.
    pub fn replicas(&self) -> usize {
        self.clocks.len()
    }

    fn begin(self: &Arc<Self>, replica: usize, incarnation: u32) -> Arc<Life> {
        let pulse = Arc::new(Pulse::new(incarnation, replica, self.fuel.clone()));
        let tasks = Arc::new(SimTasks::new(pulse.clone()));
        let ports = Ports {
            transport: Arc::new(SimTransport::new(self.clone(), pulse.clone())),
            journal: Arc::new(SimJournal::new(self.clone(), pulse.clone())),
            clock: self.clocks[replica].clone(),
            entropy: Arc::new(SimEntropy::new(self.seed, incarnation, self.fuel.clone())),
            tasks: tasks.clone(),
            log: Arc::new(SimLog::new(self.stage.recorder().clone(), pulse.clone())),
        };
        let Wired { ports, policy, door, health, post } =
            Wired::whole(ports, self.policy.clone()).with(self.wiring.as_deref());
        let app = App::with_webhooks(ports, policy, self.webhooks.then(secret));
        Arc::new(Life { app, door, health, post, tasks, pulse })
    }

    /// The life of a replica, once it takes calls.
    pub async fn life(&self, replica: usize) -> Arc<Life> {
        loop {
            let risen = self.risen.notified();
            if let Some(found) = self.life_now(replica) {
                return found;
            }
            risen.await;
        }
    }

    /// The life of a replica, if it takes calls.
    pub fn life_now(&self, replica: usize) -> Option<Arc<Life>> {
        let lives = self.lives();
        let replica = &lives[replica];
        replica.up.then(|| replica.life.clone())
    }

    /// The latest life of a replica.
    fn latest(&self, replica: usize) -> Arc<Life> {
        self.lives()[replica].life.clone()
    }

    /// Everybody's latest life.
    pub fn everybody(&self) -> Vec<Arc<Life>> {
        self.lives().iter().map(|replica| replica.life.clone()).collect()
    }

    /// Whether every replica takes calls.
    pub fn is_up(&self) -> bool {
        self.reviving.load(Ordering::Relaxed) == 0
    }

    /// Waits until a replica that is being started again takes calls, or is given up.
    pub async fn rises(&self) {
        let risen = self.risen.notified();
        if !self.is_up() {
            risen.await;
        }
    }

    /// Makes the print of the run at this moment. There is none while something is on its way in the network, or where
    /// the provider tells of things by itself; and after a restart none where something else may remember: another
    /// replica, or parts from outside.
    pub fn make_print(&self, as_print: fn(u128) -> Print) {
        self.stage.make_print(as_print, |ink| {
            let remembers = self.replicas() > 1 || self.wiring.is_some();
            let is_restart = matches!(as_print(0), Print::Restarted(_));
            if self.webhooks || self.late.load(Ordering::Relaxed) > 0 || (is_restart && remembers) {
                return None;
            }
            self.clocks.iter().for_each(|clock| clock.shows().hash(ink));
            self.journal.write_state(ink);
            Some(())
        });
    }

    /// Kills an incarnation's process; it is started again a little later.
    pub fn crash(self: &Arc<Self>, pulse: &Pulse) {
        if !pulse.end() {
            return;
        }
        self.lives()[pulse.replica].up = false;
        self.stage.recorder().push_in(pulse.incarnation, EventKind::Crashed);
        self.reviving.fetch_add(1, Ordering::Relaxed);
        let (house, replica) = (self.clone(), pulse.replica);
        tokio::spawn(async move {
            house.revive(replica).await;
            house.reviving.fetch_sub(1, Ordering::Relaxed);
            house.risen.notify_waiters();
        });
    }

    /// Kills the process of a replica, if it runs.
    pub fn crash_replica(self: &Arc<Self>, replica: usize) {
        self.crash(&self.latest(replica).pulse);
    }

    /// Stops a replica in good order and starts it again.
    pub async fn restart(self: &Arc<Self>, replica: usize) {
        let life = self.latest(replica);
        life.tasks.end().await;
        life.pulse.end();
        drop(life);
        self.start(replica).await;
    }

    async fn revive(self: &Arc<Self>, replica: usize) {
        self.latest(replica).tasks.end().await;
        tokio::time::sleep(RESTART_AFTER).await;
        self.start(replica).await;
    }

    /// Starts a replica's next life. One that cannot read its store ends, and is started again by whoever runs it.
    async fn start(self: &Arc<Self>, replica: usize) {
        for _ in 0..STARTS_MAX {
            let incarnation = {
                let mut record = self.stage.recorder().lock();
                record.incarnation += 1;
                record.incarnation
            };
            let life = self.begin(replica, incarnation);
            self.lives()[replica] = Replica { life: life.clone(), up: false };
            self.stage.recorder().push_in(incarnation, EventKind::Restarted);
            if self.stage.crashed_for_good() {
                self.make_print(Print::Restarted);
            }
            let recovered = tokio::select! {
                biased;
                // A process that panics as it begins ends, as one that cannot read its store.
                recovered = AssertUnwindSafe(life.app.recover()).catch_unwind() => matches!(recovered, Ok(Ok(_))),
                // It crashed while it recovered: another start is under way.
                () = life.pulse.ended() => return,
            };
            if recovered {
                self.lives()[replica].up = true;
                self.risen.notify_waiters();
                return;
            }
            life.pulse.end();
            tokio::time::sleep(RESTART_AFTER).await;
        }
    }
}

/// What keeps the run from coming to rest.
struct Pending(Arc<House>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.late.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Letterbox for House {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn late_by(&self) -> Duration {
        late_by(self.policy.late_max)
    }

    fn sorted(&self) -> &Sorted {
        &self.sorted
    }

    /// To the replicas in turn; past one that is down.
    fn knock(self: Arc<Self>, number: u32, signature: String, body: Bytes) -> BoxFuture<'static, Option<u16>> {
        Box::pin(async move {
            let replicas = self.replicas();
            let first = usize::try_from(number).unwrap_or_default() % replicas;
            let life = (0..replicas).find_map(|next| self.life_now((first + next) % replicas))?;
            tokio::select! {
                biased;
                // First: what is dead answers nothing, although its last thoughts may still be polled.
                () = life.pulse.ended() => None,
                status = life.take_delivery(signature, body) => Some(status),
            }
        })
    }

    fn pend(self: Arc<Self>) -> Box<dyn Send> {
        self.late.fetch_add(1, Ordering::Relaxed);
        Box::new(Pending(self))
    }
}
