//! The world `wire`: GiftGenius as a process of its own, real sockets, real time.
//!
//! The way of a provider request: the system announces it over the control channel, the [`desk`] asks the stage what
//! goes wrong with it, the system connects to the provider's [`relay`] (or, refused, to a port without a listener), and
//! the relay applies it at the [`upstream`] and realises the reply on the socket. The [`client`] is the host's side.
//! [`lives`] holds the system's processes, [`life`] decides what becomes of one of them and its store, [`vigil`] notices
//! what nobody works on, [`answering`] whether a call that was given up goes on. [`standalone`] is the providers' side alone, for a system that misrule did not start.

mod answering;
pub mod client;
pub mod desk;
mod folder;
pub mod life;
mod limit;
mod lives;
pub mod raw;
pub mod relay;
mod rpc;
pub mod standalone;
pub mod upstream;
mod vigil;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use giftgenius::journal::{Journal as _, RecordState, Version};
use giftgenius::operations::switches;
use giftgenius::policy::Policy;
use giftgenius::ports::{BoxFuture, Provider};
use smol_str::SmolStr;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use self::answering::is_answering;
use self::client::Client;
use self::desk::Desk;
use self::limit::Limit;
use self::lives::{Lives, Up};
use self::relay::Relay;
use self::vigil::Vigil;
use super::stage::Stage;
use super::stock::{named, take_stock};
use super::{OutgoingCall, Poll, World, late_by};
use crate::error::RunError;
use crate::fault::Fault;
use crate::oracle::Rest;
use crate::scenario::model::Replicas;
use crate::trace::{EventKind, HealthAsked, HostReply, Trace};

/// How long a run may take to come to rest. Scenarios for the wire declare policies of milliseconds.
const REST_MAX: Duration = Duration::from_secs(30);

/// How long a run may take at most beyond the waits of its own script. The longest one takes a few seconds.
const RUN_MAX: Duration = Duration::from_secs(120);

/// A run may take so many times what its script and its policy allow: a machine may be slow.
const SLOWER_BY: u32 = 3;

/// How often the system is asked whether it is at rest.
const REST_POLL: Duration = Duration::from_millis(10);

/// What a wire world is made of, beside its stage.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// misrule's own executable, which becomes the system's process.
    pub program: PathBuf,
    /// The system's numbers.
    pub policy: Policy,
    /// For identifiers and jitter.
    pub seed: u64,
    /// Who calls.
    pub users: Vec<SmolStr>,
    /// Whether it takes the payment provider's events.
    pub webhooks: bool,
    /// How many processes share the journal.
    pub replicas: Replicas,
    /// How long the script itself waits, in all.
    pub script_waits: Duration,
    /// How many calls the script makes at least.
    pub calls: u32,
    /// The planted bug that is wired in, by its name.
    pub defect: Option<&'static str>,
}

/// GiftGenius on real sockets. Dropping it ends the processes, closes all ports and removes the run's folder.
pub struct WireWorld {
    policy: Policy,
    limit: Limit,
    desk: Arc<Desk>,
    lives: Arc<Lives>,
    /// Ends and starts the processes of replicas that crash.
    burying: AbortHandle,
    /// How many calls were made: they go to the replicas in turn.
    calls: AtomicUsize,
    /// Questions about the system's health that were asked beside the script.
    polls: Mutex<JoinSet<()>>,
    relays: [Relay; 3],
    _nobody: Nobody,
}

impl WireWorld {
    /// Opens the ports and starts the system; it serves when this returns.
    pub async fn start(stage: Arc<Stage>, set_up: SetUp) -> Result<Self, RunError> {
        let policy = set_up.policy.clone();
        let limit = Limit::begin(bound(&set_up));
        let desk = Desk::open(stage, late_by(policy.late_max)).await?;
        let [payment, catalog, inventory] = Provider::ALL;
        let relays = [
            Relay::open(payment, desk.clone()).await?,
            Relay::open(catalog, desk.clone()).await?,
            Relay::open(inventory, desk.clone()).await?,
        ];
        let nobody = Nobody::reserve()?;
        let addresses = [0, 1, 2].map(|index: usize| relays[index].address());
        let (lives, crashed) = Lives::begin(desk.clone(), set_up, addresses, nobody.address).await?;
        let burying = tokio::spawn(lives::bury(Arc::downgrade(&lives), crashed)).abort_handle();
        let (calls, polls) = (AtomicUsize::new(0), Mutex::default());
        Ok(Self { policy, limit, desk, lives, burying, calls, polls, relays, _nobody: nobody })
    }

    /// MCP beyond tool calls: asks the system `method` (`tools/list`) as the first user.
    pub async fn ask(&self, method: &'static str, params: serde_json::Value) -> Result<serde_json::Value, RunError> {
        match self.lives.up(0).await {
            Some(up) => Client::ask(&up.server, method, params).await,
            None => Err(self.check().await.expect_err("a system that is never there again has left its reason")),
        }
    }

    /// Waits until the run has taken longer than it may, or is asked for a wait that would; or until a process of the
    /// system has taken more than it may.
    pub async fn overdue(&self) -> RunError {
        tokio::select! {
            overdue = self.limit.exceeded(|| waited_for(&self.desk.stage().recorder().lock().trace)) => overdue,
            exceeded = self.lives.exceeded() => exceeded,
        }
    }

    async fn check(&self) -> Result<(), RunError> {
        if let Some(trouble) = self.desk.take_trouble() {
            return Err(trouble);
        }
        self.lives.check().await
    }

    /// At rest means: every replica is there, no delivery is pending and no saga has work left, twice in a row, because
    /// work that moves from one place to another may be seen in neither for an instant.
    async fn come_to_rest(&self) -> Result<(), RunError> {
        let deadline = Instant::now() + REST_MAX;
        let mut pending = self.desk.pending();
        let mut was_quiet = false;
        let mut vigil = Vigil::begin(self.policy.lease + self.policy.background.delay_cap);
        loop {
            self.check().await?;
            self.lives.all_revived(deadline, REST_MAX).await?;
            if timeout_at(deadline, pending.wait_for(|count| *count == 0)).await.is_err() {
                let left = format!("{} deliveries or connections to providers are still open", *pending.borrow());
                return Err(RunError::NoRest { waited: REST_MAX, left });
            }
            let open = self.open_orders().await?;
            let quiet = open.is_empty()
                && *pending.borrow() == 0
                && *self.lives.reviving().borrow() == 0
                && !self.is_answering();
            // A saga that never ends is the system's doing: the rest of the run says so, and the rules judge it.
            if (quiet && was_quiet) || Instant::now() >= deadline {
                return self.check().await;
            }
            was_quiet = quiet;
            if vigil.is_abandoned(open) {
                self.lives.all_up().iter().for_each(|up| up.remote.keep_house());
            }
            tokio::time::sleep(REST_POLL).await;
        }
    }

    /// Whether a call that its host gave up is still being answered.
    fn is_answering(&self) -> bool {
        let recorder = self.desk.stage().recorder();
        let (now, patience) = (recorder.now(), self.policy.tool_deadline * 3 / 2);
        is_answering(&recorder.lock().trace, now, patience)
    }

    /// The orders with work left, with their versions. Read from the journal itself: asking the system would be a use of
    /// its store, where things can go wrong.
    async fn open_orders(&self) -> Result<Vec<(String, Version)>, RunError> {
        let open = self.lives.journal().await?.list(RecordState::OrderOpen).await;
        let open = open.map_err(|error| self.lives.journal_failed("read", &error))?;
        Ok(open.into_iter().map(|stored| (stored.record.key().to_string(), stored.version)).collect())
    }

    /// Asks every process that is up, at once. `at_rest`: nothing else uses the journal, so that it can be looked at.
    async fn poll(lives: Arc<Lives>, desk: Arc<Desk>, at_rest: bool) {
        join_all(lives.all_up().into_iter().map(|up| Self::poll_one(&lives, &desk, up, at_rest))).await;
    }

    async fn poll_one(lives: &Lives, desk: &Desk, up: Arc<Up>, at_rest: bool) {
        let recorder = desk.stage().recorder();
        let orders = async || {
            let overview = if at_rest { lives.journal().await.ok()?.overview().await.ok() } else { None };
            overview.map(|overview| (overview.open, overview.parked))
        };
        let before = orders().await;
        let (asked, at) = (recorder.lock().trace.events.len(), recorder.now());
        let answer = lives.client().health(&up.server).await;
        let (answered, until) = (recorder.lock().trace.events.len(), recorder.now());
        let after = orders().await;
        // Of a process that is being ended nothing can be asked.
        let Some(answer) = answer.filter(|_| !up.life.is_over()) else { return };
        recorder.lock().trace.health.push(HealthAsked {
            events: (asked, answered),
            writes: None,
            at: (at, until),
            incarnation: up.life.incarnation,
            answer,
            orders: before.zip(after).map(|(before, after)| [before, after]),
            uses: None,
        });
    }

    /// Waits for the questions that were asked beside the script.
    async fn polled(&self) {
        let mut polls = std::mem::take(&mut *self.polls.lock().expect("no holder of the questions panics"));
        while polls.join_next().await.is_some() {}
    }

    async fn restart_system(&self) -> Result<(), RunError> {
        self.polled().await;
        self.lives.all_revived(Instant::now() + REST_MAX, REST_MAX).await?;
        for replica in 0..self.lives.replicas() {
            self.lives.restart(replica).await?;
        }
        Ok(())
    }

    async fn turn_switch(&self, checkout: bool) -> Result<(), RunError> {
        let set = switches::set_checkout(self.lives.journal().await?, checkout).await;
        set.map_err(|error| self.lives.journal_failed("written", &error))?;
        self.desk.stage().recorder().push(EventKind::Switched { checkout });
        Ok(())
    }

    async fn end(&self) -> Result<Rest, RunError> {
        self.polled().await;
        self.lives.all_revived(Instant::now() + REST_MAX, REST_MAX).await?;
        // What crashes from here on is not started again.
        self.burying.abort();
        self.lives.stop().await?;
        self.check().await?;
        self.lives.hear_files()?;
        self.lives.folder().check_disk()?;
        let named = named(&self.desk.stage().recorder().lock());
        let stock = take_stock(self.lives.journal().await?, named).await;
        stock.map_err(|error| self.lives.journal_failed("read", &error))
    }
}

impl Drop for WireWorld {
    fn drop(&mut self) {
        self.burying.abort();
    }
}

impl World for WireWorld {
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let (lives, desk, policy) = (self.lives.clone(), self.desk.clone(), self.policy.clone());
        let replica = self.calls.fetch_add(1, Ordering::Relaxed) % lives.replicas();
        Box::pin(async move {
            match &call.fault {
                None => {}
                Some(Fault::Crash(_)) => lives.crash(replica),
                // What was done is in the books; of what is told of it no call waits for the answer.
                Some(Fault::Acts(_)) => drop(super::post::hand_over(&desk, desk.stage().take_events(None))),
                Some(fault) => match fault.jumps() {
                    Some(expiry) => lives.jump(expiry.span(&policy)).await,
                    None => {
                        unreachable!("`{fault}` is the host's to bring about, or was refused when its plan was read")
                    }
                },
            }
            // If it never comes back, the run is void, and says why at its end.
            let Some(up) = lives.up(replica).await else { return HostReply::NoAnswer };
            let mut hung_up = desk.hung_up();
            tokio::select! {
                biased;
                // First: what is dead answers nothing, whatever it had written before.
                () = up.life.ended() => HostReply::Broken,
                _ = hung_up.changed() => HostReply::Cancelled,
                answer = lives.client().call(&up.server, call) => answer,
            }
        })
    }

    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.limit.wait(span))
    }

    fn rest(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(self.come_to_rest())
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(self.restart_system())
    }

    fn switch(&self, checkout: bool) -> BoxFuture<'_, Result<(), RunError>> {
        Box::pin(self.turn_switch(checkout))
    }

    /// After a call nobody waits for the page: the script must not become slower by it.
    fn health(&self, when: Poll) -> Option<BoxFuture<'_, ()>> {
        let (lives, desk) = (self.lives.clone(), self.desk.clone());
        let polling = Self::poll(lives, desk, when == Poll::AtRest);
        if when == Poll::AfterCall {
            self.polls.lock().expect("no holder of the questions panics").spawn(polling);
            return None;
        }
        Some(Box::pin(async move {
            self.polled().await;
            polling.await;
        }))
    }

    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>> {
        Box::pin(self.end())
    }

    fn stage(&self) -> &Stage {
        self.desk.stage()
    }
}

/// How long a run may take: what its script waits, what its policy allows each call and what comes to rest after it, and
/// that three times, but no longer than [`RUN_MAX`] beyond the script's own waits.
fn bound(set_up: &SetUp) -> Duration {
    let SetUp { policy, calls, script_waits, .. } = set_up;
    let patience = policy.tool_deadline * 3 / 2;
    let rest = policy.late_max + policy.lease + policy.background.delay_cap + REST_MAX;
    let allowed = patience.saturating_mul(*calls).saturating_add(rest);
    *script_waits + allowed.saturating_mul(SLOWER_BY).min(RUN_MAX)
}

/// What a run waits for that has not come to its end.
fn waited_for(trace: &Trace) -> String {
    let ended = |call| {
        trace
            .events
            .iter()
            .any(|event| matches!(&event.kind, EventKind::CallEnded { call: ended, .. } if *ended == call))
    };
    let open = trace.events.iter().rev().find_map(|event| match &event.kind {
        EventKind::CallStarted(started) if !ended(started.call) => Some(started),
        _ => None,
    });
    open.map_or_else(
        || "it waited for the system to come to rest".to_owned(),
        |started| format!("it waited for the answer to {} of script step {}", started.tool, started.step),
    )
}

/// A port where nobody listens and, as long as this lives, nobody can: it is bound, so the operating system gives it to
/// no one else, and refuses every connection to it.
struct Nobody {
    _socket: socket2::Socket,
    address: SocketAddr,
}

impl Nobody {
    fn reserve() -> Result<Self, RunError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserve = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            socket.bind(&any.into())?;
            let address = socket.local_addr()?.as_socket().unwrap_or(any);
            Ok(Self { _socket: socket, address })
        };
        reserve().map_err(|source| RunError::Listen { role: "refused requests", address: any.to_string(), source })
    }
}

/// An HTTP client that sends each request once, on a connection of its own.
fn http_client() -> Result<reqwest::Client, RunError> {
    reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| RunError::HttpClient(chain(&error)))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
