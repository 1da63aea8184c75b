//! The lives of the system on the wire: its replicas' processes, how one begins, how a crash ends it, and how the next
//! takes over.
//!
//! At every moment there is a process that removes the run's folder should misrule be killed: the next one stands by
//! before the last one is ended.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use giftgenius::journal::sqlite::SqliteJournal;
use tokio::sync::{Mutex, MutexGuard, OnceCell, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::SetUp;
use super::client::{Client, Server};
use super::desk::Desk;
use super::folder::Folder;
use super::life::{ClockError, Fate, Life, Undertaker};
use crate::canary::{TOKEN_PREFIX, WEBHOOK_SECRET};
use crate::error::RunError;
use crate::system::child::tidy_up;
use crate::system::control::JOURNAL;
use crate::system::conversation::Remote;
use crate::system::{Begun, Process, Settings, Standby, User};
use crate::trace::{Channel, EventKind};
use crate::undivided::undivided;
use crate::world::{RESTART_AFTER, STARTS_MAX};

/// How often it is looked what each process takes: memory fills by a gigabyte or two within a second.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// A replica that takes calls.
pub(super) struct Up {
    /// Its life.
    pub(super) life: Arc<Life>,
    /// Where it serves.
    pub(super) server: Server,
    /// To speak to its process.
    pub(super) remote: Remote,
}

/// What a replica is to those who call it.
#[derive(Clone)]
enum State {
    Down,
    Up(Arc<Up>),
    /// It could not be started again; the run is void.
    Gone,
}

/// One place in the row of processes on the journal.
struct Replica {
    /// The latest one; stopped, but there, once the run is over. Locked while it is being replaced.
    process: Mutex<Option<Process>>,
    state: watch::Sender<State>,
    clock: ClockError,
}

/// The system's processes, and what outlives each of them.
pub(super) struct Lives {
    // Before the folder: no process is left when the last of that is removed.
    replicas: Vec<Replica>,
    /// misrule's own handle on the journal, once there is one.
    journal: OnceCell<SqliteJournal>,
    undertaker: Undertaker,
    desk: Arc<Desk>,
    client: Client,
    set_up: SetUp,
    settings: Settings,
    folder: Folder,
}

impl Lives {
    /// Starts every replica, the first life of each. Crashed ones come out of the receiver, for [`bury`].
    pub(super) async fn begin(
        desk: Arc<Desk>,
        set_up: SetUp,
        providers: [SocketAddr; 3],
        nobody: SocketAddr,
    ) -> Result<(Arc<Self>, mpsc::UnboundedReceiver<usize>), RunError> {
        let users: Vec<_> = set_up
            .users
            .iter()
            .map(|name| User { name: name.to_string(), token: format!("{TOKEN_PREFIX}{name}") })
            .collect();
        let recorder = desk.stage().recorder().clone();
        let client = Client::new(users.clone(), set_up.policy.tool_deadline * 3 / 2, recorder)?;
        let (undertaker, crashed) = Undertaker::new(desk.stage().recorder().clone());
        let replica = |ms| Replica {
            process: Mutex::new(None),
            state: watch::Sender::new(State::Down),
            clock: ClockError::of(ms),
        };
        // As one act: from then on a process removes the folder, however this one ends.
        let (folder, standby) = undivided(|| {
            let folder = Folder::make()?;
            let standby = Standby::start(&set_up.program, folder.path())?;
            Ok::<_, RunError>((folder, standby))
        })?;
        let settings = Settings {
            policy: set_up.policy.clone(),
            providers,
            nobody,
            folder: folder.path().to_owned(),
            users,
            seed: set_up.seed,
            incarnation: 0,
            clock_off_ms: 0,
            recovers: false,
            webhook_secret: set_up.webhooks.then(|| WEBHOOK_SECRET.to_owned()),
            defect: set_up.defect.map(str::to_owned),
        };
        let lives = Arc::new(Self {
            replicas: set_up.replicas.clocks_ms().map(replica).collect(),
            journal: OnceCell::new(),
            undertaker,
            desk,
            client,
            set_up,
            settings,
            folder,
        });
        let mut first = Some(standby);
        for replica in 0..lives.replicas.len() {
            let standby = first.take().map_or_else(|| lives.stand_by(), Ok)?;
            let incarnation = u32::try_from(replica + 1).expect("there are few replicas");
            let mut slot = lives.replicas[replica].process.lock().await;
            // It has nothing to recover, so its store cannot keep it from beginning.
            lives.live(&mut slot, standby, replica, incarnation, false).await?;
            lives.desk.stage().recorder().lock().incarnation = incarnation;
        }
        Ok((lives, crashed))
    }

    /// How many replicas there are.
    pub(super) fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// The run's folder.
    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The host's side of the wire.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// How many replicas are being started again.
    pub(super) fn reviving(&self) -> watch::Receiver<usize> {
        self.undertaker.reviving()
    }

    /// A replica, once it takes calls; `None` if it never will.
    pub(super) async fn up(&self, replica: usize) -> Option<Arc<Up>> {
        let mut state = self.replicas[replica].state.subscribe();
        let known = |state: &State| match state {
            State::Down => false,
            State::Up(up) => !up.life.is_over(),
            State::Gone => true,
        };
        match &*state.wait_for(known).await.ok()? {
            State::Up(up) => Some(up.clone()),
            State::Down | State::Gone => None,
        }
    }

    /// The replicas that take calls now.
    pub(super) fn all_up(&self) -> Vec<Arc<Up>> {
        let up = |replica: &Replica| match &*replica.state.borrow() {
            State::Up(up) if !up.life.is_over() => Some(up.clone()),
            State::Up(_) | State::Down | State::Gone => None,
        };
        self.replicas.iter().filter_map(up).collect()
    }

    /// Kills the process of a replica, if it runs.
    pub(super) fn crash(&self, replica: usize) {
        let state = self.replicas[replica].state.borrow().clone();
        if let State::Up(up) = state {
            up.life.crash();
        }
    }

    /// Lets the calendar clock of every replica jump.
    pub(super) async fn jump(&self, span: Duration) {
        for replica in &self.replicas {
            replica.clock.add(span);
        }
        for up in self.all_up() {
            tokio::select! {
                () = up.life.ended() => {}
                () = up.remote.jump(span) => {}
            }
        }
    }

    async fn crashed(&self, replica: usize) {
        if let Err(error) = self.revive(replica).await {
            self.desk.trouble(error);
            self.replicas[replica].state.send_replace(State::Gone);
        }
        self.undertaker.revived();
    }

    async fn revive(&self, replica: usize) -> Result<(), RunError> {
        let mut slot = self.replicas[replica].process.lock().await;
        let standby = self.stand_by()?;
        if let Some(dead) = slot.take() {
            dead.kill().await;
        }
        tokio::time::sleep(RESTART_AFTER).await;
        self.succeed(slot, standby, replica).await
    }

    /// Stops a replica in good order and starts it again.
    pub(super) async fn restart(&self, replica: usize) -> Result<(), RunError> {
        let mut slot = self.replicas[replica].process.lock().await;
        let state = self.replicas[replica].state.send_replace(State::Down);
        if let Some(process) = slot.as_mut() {
            process.stop().await?;
        }
        if let State::Up(up) = state {
            up.life.end();
        }
        let standby = self.stand_by()?;
        self.succeed(slot, standby, replica).await
    }

    /// Starts a replica's next life. One that cannot read its store ends, and is started again.
    async fn succeed(
        &self,
        mut slot: MutexGuard<'_, Option<Process>>,
        mut standby: Standby,
        replica: usize,
    ) -> Result<(), RunError> {
        for _ in 0..STARTS_MAX {
            let incarnation = self.next_incarnation();
            if self.live(&mut slot, standby, replica, incarnation, true).await? {
                return Ok(());
            }
            tokio::time::sleep(RESTART_AFTER).await;
            standby = self.stand_by()?;
        }
        Err(RunError::NeverBegan { program: self.set_up.program.clone(), starts: STARTS_MAX })
    }

    fn next_incarnation(&self) -> u32 {
        let recorder = self.desk.stage().recorder();
        let now = recorder.now();
        let mut record = recorder.lock();
        record.incarnation += 1;
        record.push(now, EventKind::Restarted);
        record.incarnation
    }

    /// Begins a life, which is in `slot` from then on. False if its store kept it from beginning; it is then only there
    /// to see to the folder. One that crashes as it begins counts as begun: the next start is under way.
    async fn live(
        &self,
        slot: &mut Option<Process>,
        standby: Standby,
        replica: usize,
        incarnation: u32,
        recovers: bool,
    ) -> Result<bool, RunError> {
        let Replica { state, clock, .. } = &self.replicas[replica];
        let life = Life::begin(incarnation, replica, self.undertaker.clone());
        let fate = Fate {
            desk: self.desk.clone(),
            life: life.clone(),
            clock: clock.clone(),
            policy: self.set_up.policy.clone(),
        };
        let settings = Settings { incarnation, clock_off_ms: clock.ms(), recovers, ..self.settings.clone() };
        let recorder = self.desk.stage().recorder().clone();
        // What was there before is dropped only now: there is always one that sees to the folder.
        let process = slot.insert(Process::begin(standby, settings, recorder, Arc::new(fate)));
        let id = process.id();
        let begins = async {
            match process.begins().await? {
                Begun::StoreFailed(_) => Ok(None),
                Begun::Listening(address) => {
                    let server = self.client.connect(address, id).await?;
                    self.desk.takes_events(replica, address);
                    Ok(Some(server))
                }
            }
        };
        let server = tokio::select! {
            biased;
            () = life.ended() => return Ok(true),
            server = begins => server?,
        };
        let Some(server) = server else {
            life.end();
            return Ok(false);
        };
        let remote = process.remote();
        state.send_replace(State::Up(Arc::new(Up { life, server, remote })));
        Ok(true)
    }

    fn stand_by(&self) -> Result<Standby, RunError> {
        Standby::start(&self.set_up.program, self.folder.path())
    }

    /// Whether every process that is not being replaced runs; the error otherwise.
    pub(super) async fn check(&self) -> Result<(), RunError> {
        for replica in &self.replicas {
            if let Ok(mut slot) = replica.process.try_lock()
                && let Some(process) = slot.as_mut()
            {
                process.check().await?;
            }
        }
        Ok(())
    }

    /// Waits until a process takes more than it may: processor time, memory, lines. It is ended then.
    pub(super) async fn exceeded(&self) -> RunError {
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            for replica in &self.replicas {
                if let Ok(mut slot) = replica.process.try_lock()
                    && let Some(process) = slot.as_mut()
                    && let Some(error) = process.exceeds().await
                {
                    return error;
                }
            }
        }
    }

    /// Waits until no replica is being started again.
    pub(super) async fn all_revived(&self, deadline: Instant, waited: Duration) -> Result<(), RunError> {
        let mut reviving = self.reviving();
        match timeout_at(deadline, reviving.wait_for(|count| *count == 0)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(RunError::NoRest { waited, left: String::from("the system was still being started again") }),
        }
    }

    /// Stops every process in good order. They stay, to see to the folder, until this is dropped.
    pub(super) async fn stop(&self) -> Result<(), RunError> {
        for replica in &self.replicas {
            if let Some(process) = replica.process.lock().await.as_mut() {
                process.stop().await?;
            }
        }
        Ok(())
    }

    /// misrule's own handle on the journal, beside the system's.
    pub(super) async fn journal(&self) -> Result<&SqliteJournal, RunError> {
        let open =
            async || SqliteJournal::open(&self.journal_path()).map_err(|error| self.journal_failed("opened", &error));
        self.journal.get_or_try_init(open).await
    }

    /// That handle's failure is the harness's own.
    pub(super) fn journal_failed(&self, act: &'static str, error: &dyn std::error::Error) -> RunError {
        RunError::Journal { path: self.journal_path(), act, reason: super::chain(error) }
    }

    /// Notes what stands in the files of the run's folder.
    pub(super) fn hear_files(&self) -> Result<(), RunError> {
        let path = self.folder.path();
        let failed = |error: std::io::Error| self.journal_failed("read", &error);
        let mut files = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files.iter().filter(|file| file.file_type().is_ok_and(|kind| kind.is_file())) {
            let bytes = std::fs::read(file.path()).map_err(failed)?;
            self.desk.stage().recorder().hear(Channel::Journal, &bytes);
        }
        Ok(())
    }

    /// The journal's file.
    pub(super) fn journal_path(&self) -> PathBuf {
        self.folder.path().join(JOURNAL)
    }
}

impl Drop for Lives {
    /// The folder goes first, while there still is a process that would remove it: misrule may be killed at any instant.
    fn drop(&mut self) {
        drop(self.journal.take());
        tidy_up(self.folder.path());
    }
}

/// Ends the process of each replica that crashed, and starts the next, until the run is over.
pub(super) async fn bury(lives: Weak<Lives>, mut crashed: mpsc::UnboundedReceiver<usize>) {
    let mut reviving = JoinSet::new();
    while let Some(replica) = crashed.recv().await
        && let Some(lives) = lives.upgrade()
    {
        reviving.spawn(async move { lives.crashed(replica).await });
        while reviving.try_join_next().is_some() {}
    }
}
