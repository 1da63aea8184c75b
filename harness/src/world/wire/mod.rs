//! The world `wire`: GiftGenius as a process of its own, real sockets, real time.
//!
//! The way of a provider request: the system announces it over the control channel, the [`desk`] asks the stage what
//! goes wrong with it, the system connects to the provider's [`relay`] (or, refused, to a port where nobody listens), and
//! the relay applies it at the [`upstream`] and realises the reply on the socket. The [`client`] is the host's side.

pub mod client;
pub mod desk;
mod folder;
pub mod relay;
mod rpc;
pub mod upstream;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use giftgenius::journal::JournalError;
use giftgenius::journal::sqlite::SqliteJournal;
use giftgenius::operations::switches;
use giftgenius::policy::Policy;
use giftgenius::ports::{BoxFuture, Provider};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use self::client::Client;
use self::desk::{Desk, Leave};
use self::folder::Folder;
use self::relay::Relay;
use super::stage::{Arrival, Stage};
use super::stock::{orders_named, take_stock};
use super::{OutgoingCall, World, late_by};
use crate::error::RunError;
use crate::oracle::Rest;
use crate::system::control::JOURNAL;
use crate::system::process::Decide;
use crate::system::{Announcement, Decision, Process, Settings, User};
use crate::trace::{EventKind, HostReply};

/// How long a run may take to come to rest. Scenarios for the wire declare policies of milliseconds.
const REST_MAX: Duration = Duration::from_secs(30);

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
    pub users: Vec<Arc<str>>,
}

/// GiftGenius on real sockets. Dropping it ends the process, closes all ports and removes the run's folder.
pub struct WireWorld {
    set_up: SetUp,
    users: Vec<User>,
    desk: Arc<Desk>,
    relays: [Relay; 3],
    nobody: Nobody,
    client: Client,
    /// `None` until the world is started; stopped, but there, once it is finished.
    process: Mutex<Option<Process>>,
    folder: Folder,
}

impl WireWorld {
    /// Opens the ports and starts the system; it serves when this returns.
    pub async fn start(stage: Arc<Stage>, set_up: SetUp) -> Result<Self, RunError> {
        let desk = Desk::open(stage, late_by(set_up.policy.late_max)).await?;
        let [payment, catalog, inventory] = Provider::ALL;
        let relays = [
            Relay::open(payment, desk.clone()).await?,
            Relay::open(catalog, desk.clone()).await?,
            Relay::open(inventory, desk.clone()).await?,
        ];
        let users: Vec<_> = set_up
            .users
            .iter()
            .map(|name| User { name: name.to_string(), token: format!("misrule-token-of-{name}") })
            .collect();
        let world = Self {
            client: Client::new(users.clone(), set_up.policy.tool_deadline * 3 / 2)?,
            nobody: Nobody::reserve()?,
            process: Mutex::new(None),
            set_up,
            users,
            desk,
            relays,
            // Last, because nobody sees to it before the system's process runs.
            folder: Folder::make()?,
        };
        *world.process.lock().await = Some(world.start_system(1).await?);
        Ok(world)
    }

    async fn start_system(&self, incarnation: u32) -> Result<Process, RunError> {
        let settings = Settings {
            policy: self.set_up.policy.clone(),
            providers: [0, 1, 2].map(|index: usize| self.relays[index].address()),
            nobody: self.nobody.address,
            folder: self.folder.path().to_owned(),
            users: self.users.clone(),
            seed: self.set_up.seed,
            incarnation,
        };
        let desk = self.desk.clone();
        let decide: Decide = Arc::new(move |announcement| decide(&desk, announcement));
        let recorder = self.desk.stage().recorder().clone();
        let process = Process::start(&self.set_up.program, settings, recorder, decide).await?;
        self.client.connect(process.address()).await?;
        Ok(process)
    }

    /// MCP beyond tool calls: asks the system `method` (`tools/list`) as the first user.
    pub async fn ask(&self, method: &'static str, params: serde_json::Value) -> Result<serde_json::Value, RunError> {
        self.client.ask(method, params).await
    }

    async fn check(&self) -> Result<(), RunError> {
        if let Some(trouble) = self.desk.take_trouble() {
            return Err(trouble);
        }
        match self.process.lock().await.as_mut() {
            Some(process) => process.check().await,
            None => Ok(()),
        }
    }

    /// At rest means: no delivery is pending and no saga has work left, twice in a row, because work that moves from one
    /// place to another may be seen in neither for an instant.
    async fn come_to_rest(&self) -> Result<(), RunError> {
        let deadline = Instant::now() + REST_MAX;
        let mut pending = self.desk.pending();
        let mut was_quiet = false;
        loop {
            self.check().await?;
            if timeout_at(deadline, pending.wait_for(|count| *count == 0)).await.is_err() {
                let left = format!("{} deliveries or connections to providers are still open", *pending.borrow());
                return Err(RunError::NoRest { waited: REST_MAX, left });
            }
            let quiet = self.client.sagas().await?.open == 0 && *pending.borrow() == 0;
            // A saga that never ends is the system's doing: the rest of the run says so, and the rules judge it.
            if (quiet && was_quiet) || Instant::now() >= deadline {
                return Ok(());
            }
            was_quiet = quiet;
            tokio::time::sleep(REST_POLL).await;
        }
    }

    async fn restart_system(&self) -> Result<(), RunError> {
        let mut process = self.process.lock().await;
        if let Some(process) = process.as_mut() {
            process.stop().await?;
        }
        let recorder = self.desk.stage().recorder();
        let incarnation = {
            let now = recorder.now();
            let mut record = recorder.lock();
            record.incarnation += 1;
            record.push(now, EventKind::Restarted);
            record.incarnation
        };
        // The stopped one is dropped only now: there is always one that sees to the folder.
        *process = Some(self.start_system(incarnation).await?);
        Ok(())
    }

    async fn turn_switch(&self, checkout: bool) -> Result<(), RunError> {
        let journal = self.open_journal()?;
        switches::set_checkout(&journal, checkout).await.map_err(|error| self.journal_failed("written", &error))?;
        self.desk.stage().recorder().push(EventKind::Switched { checkout });
        Ok(())
    }

    async fn end(&self) -> Result<Rest, RunError> {
        if let Some(process) = self.process.lock().await.as_mut() {
            process.stop().await?;
        }
        self.check().await?;
        self.folder.check_disk()?;
        let orders = orders_named(&self.desk.stage().recorder().lock());
        let journal = self.open_journal()?;
        take_stock(&journal, orders).await.map_err(|error| self.journal_failed("read", &error))
    }

    fn open_journal(&self) -> Result<SqliteJournal, RunError> {
        SqliteJournal::open(&self.folder.path().join(JOURNAL))
            .map_err(|error: JournalError| self.journal_failed("opened", &error))
    }

    fn journal_failed(&self, act: &'static str, error: &dyn std::error::Error) -> RunError {
        RunError::Journal { path: self.folder.path().join(JOURNAL), act, reason: chain(error) }
    }
}

impl World for WireWorld {
    fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        self.client.call(call)
    }

    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
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

    fn finish(&self) -> BoxFuture<'_, Result<Rest, RunError>> {
        Box::pin(self.end())
    }

    fn stage(&self) -> &Stage {
        self.desk.stage()
    }
}

/// Asks the desk about an announced request.
fn decide(desk: &Desk, announcement: Announcement) -> Decision {
    let Announcement { id: _, provider, method, path, key, correlation, body } = announcement;
    let arrival = Arrival { provider, method, path, key, correlation, body: Bytes::from(body), incarnation: None };
    match desk.announced(arrival) {
        Leave::Go(exchange) => Decision::Exchange(exchange.0),
        Leave::Refused => Decision::Refuse,
        Leave::Unknown => Decision::Plain,
    }
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
