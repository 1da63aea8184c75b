//! Inside the system's process: GiftGenius over streamable HTTP with production adapters.
//!
//! Two threads of the operating system's own, beside the runtime, speak the control channel: even a runtime that hangs
//! does not keep the process alive when misrule is gone.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{BufRead as _, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::FutureExt as _;
use giftgenius::adapters::{TokioTasks, TracingStepLog, json_lines};
use giftgenius::app::App;
use giftgenius::checkout::recovery::take_up_abandoned;
use giftgenius::journal::sqlite::SqliteJournal;
use giftgenius::ports::Ports;
use giftgenius::serve::{Access, serve_http};
use giftgenius::users::Users;
use giftgenius::webhooks::WebhookSecret;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::announcing::Announcing;
use super::channel::Channel;
use super::clock::OffClock;
use super::control::{FromChild, JOURNAL_FILES, STOPPED, Settings, ToChild};
use super::entropy::SeededEntropy;
use super::store::Announced;
use super::wiring::{Wired, Wiring};

/// The subcommand that makes misrule the system's process. No user's business, so in no help text.
pub const SUBCOMMAND: &str = "__system";

/// How long calls that are being answered may hold up a stop. Their sales are in the journal.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long what is being written to the journal may hold up a stop.
const STOP_MAX: Duration = Duration::from_secs(4);

/// The exit code where the system could not run.
const COULD_NOT_RUN: u8 = 4;

/// What keeps the system from running, in a sentence.
struct Failure(String);

impl Failure {
    fn of<E: Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

/// The process: reads its settings from stdin, serves until `stop`, and then waits until it is killed or misrule is gone.
/// Its one argument is the run's folder, which it has to know before it is told anything: misrule may be gone by then.
/// `find`: the planted bug of a name, where the settings name one.
pub fn main(find: Find) -> ExitCode {
    let folder = std::env::args_os().nth(2).map(PathBuf::from);
    let Err(Failure(why)) = run(folder.as_deref(), find);
    // stderr is read by misrule, which shows it. If nobody reads, misrule is gone, and the failure may come of that: another
    // process of the run has begun to remove the folder.
    if writeln!(std::io::stderr(), "{why}").is_err() {
        folder.inspect(|folder| tidy_up(folder));
    }
    ExitCode::from(COULD_NOT_RUN)
}

/// What is wired otherwise under a name.
pub type Find = fn(&str) -> Option<Arc<dyn Wiring>>;

fn run(folder: Option<&Path>, find: Find) -> Result<Infallible, Failure> {
    let mut first = String::new();
    std::io::stdin().lock().read_line(&mut first).map_err(Failure::of("stdin could not be read"))?;
    if !first.ends_with('\n') {
        folder.inspect(|folder| tidy_up(folder));
        return Err(Failure(format!(
            "`{SUBCOMMAND}` is started by misrule itself, which tells it on stdin what to do"
        )));
    }
    let settings = match serde_json::from_str(&first).map_err(Failure::of("the settings could not be read"))? {
        ToChild::Start(settings) => *settings,
        ToChild::Decide { .. } | ToChild::Grant { .. } | ToChild::Jump(_) | ToChild::KeepHouse | ToChild::Stop => {
            return Err(Failure(String::from("the first line is not `start`")));
        }
    };
    let wiring = match &settings.defect {
        None => None,
        Some(id) => Some(find(id).ok_or_else(|| Failure(format!("there is no planted bug `{id}`")))?),
    };
    json_lines::init_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::of("no runtime could be started"))?;
    if let Err(failure) = runtime.block_on(serve(settings, wiring.as_deref())) {
        runtime.shutdown_background();
        return Err(failure);
    }
    // Background work is left to recovery, as at a crash: what it has done is in the journal.
    runtime.shutdown_timeout(STOP_MAX);
    let _ = writeln!(std::io::stderr(), "{STOPPED}");
    // Nothing of the system acts any more. The process stays, because the folder would have nobody if misrule died now.
    loop {
        std::thread::park();
    }
}

/// Serves until `stop`, or ends as soon as its store fails when it begins.
async fn serve(settings: Settings, wiring: Option<&dyn Wiring>) -> Result<(), Failure> {
    let channel = Arc::new(Channel::new(speak()));
    let clock = Arc::new(OffClock::by(settings.clock_off_ms));
    let ports = ports(&settings, &channel, &clock)?;
    let (stop, mut stopping) = watch::channel(false);
    let keep_house = Arc::new(Notify::new());
    let ears = Ears { channel: channel.clone(), clock, keep_house: keep_house.clone(), stop };
    // Not before the journal is open: files that are just being made could be missed when the folder is removed.
    ears.listen(settings.folder.clone());
    let list: Vec<_> = settings.users.iter().map(|user| format!("{}={}", user.name, user.token)).collect();
    let users = Users::parse(&SecretString::from(list.join(",")))
        .map_err(|error| Failure(format!("the list of users {error}")))?;
    let Wired { ports, policy, door, health, post } = Wired::whole(ports, settings.policy).with(wiring);
    if door.is_some() || health.is_some() || post.is_some() {
        return Err(Failure(String::from("this planted bug is a broken door, and here the door is production's own")));
    }
    let secret = settings.webhook_secret.map(|secret| WebhookSecret::new(SecretString::from(secret))).transpose();
    let secret = secret.map_err(Failure::of("the webhook secret cannot be used"))?;
    let app = App::with_webhooks(ports, policy, secret);

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::of("no port could be opened"))?;
    let address = listener.local_addr().map_err(Failure::of("the port has no address"))?;
    if settings.recovers {
        // A process that panics as it begins ends, as one that cannot read its store.
        let failed = match AssertUnwindSafe(app.recover()).catch_unwind().await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_panic) => Some(String::from("it panicked")),
        };
        if let Some(failed) = failed {
            channel.say(FromChild::NotBegun(failed));
            return Ok(());
        }
    }
    // Connections that come between this line and the accepting wait in the listener's queue.
    channel.say(FromChild::Listening(address));
    tokio::spawn(keep_house_when_told(app.clone(), keep_house));

    let mut asked = stopping.clone();
    let shutdown = async move { _ = asked.wait_for(|stop| *stop).await };
    let serving = serve_http(app, listener, Access::local(users), shutdown);
    let over = async {
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        biased;
        () = serving => {}
        () = over => {}
    }
    Ok(())
}

/// Production's adapters, each behind what lets misrule decide.
fn ports(settings: &Settings, channel: &Arc<Channel>, clock: &Arc<OffClock>) -> Result<Ports, Failure> {
    let transport = Announcing::new(settings.providers, settings.nobody, channel.clone())
        .map_err(Failure::of("the HTTP client could not be set up"))?;
    let journal = SqliteJournal::open(&settings.journal()).map_err(Failure::of("the journal could not be opened"))?;
    Ok(Ports {
        transport: Arc::new(transport),
        journal: Arc::new(Announced { journal, channel: channel.clone(), clock: clock.clone() }),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(settings.seed, settings.incarnation)),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(TracingStepLog),
    })
}

/// Housekeeping of a production server, at misrule's word instead of by the minute.
async fn keep_house_when_told(app: Arc<App>, told: Arc<Notify>) {
    loop {
        told.notified().await;
        // A store that fails is asked again the next time.
        let _ = take_up_abandoned(&app).await;
    }
}

/// The thread that writes control lines.
fn speak() -> mpsc::Sender<FromChild> {
    let (sender, lines) = mpsc::channel::<FromChild>();
    std::thread::spawn(move || {
        let mut stdout = std::io::stdout().lock();
        for line in lines {
            let mut line = serde_json::to_vec(&line).expect("control lines hold nothing that JSON cannot");
            line.push(b'\n');
            // If it is not read, stdin has ended too, which ends the process.
            let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
        }
    });
    sender
}

/// What is told what misrule says.
struct Ears {
    channel: Arc<Channel>,
    clock: Arc<OffClock>,
    keep_house: Arc<Notify>,
    stop: watch::Sender<bool>,
}

impl Ears {
    /// The thread that reads control lines, and ends the process when misrule is gone, also one that is being stopped.
    fn listen(self, folder: PathBuf) {
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                match line.map(|line| serde_json::from_str(&line)) {
                    Ok(Ok(ToChild::Decide { id, decision })) => self.channel.decide(id, decision),
                    Ok(Ok(ToChild::Grant { id, grant })) => self.channel.give(id, grant),
                    Ok(Ok(ToChild::Jump(ms))) => {
                        self.clock.jump(ms);
                        self.channel.say(FromChild::Jumped);
                    }
                    Ok(Ok(ToChild::KeepHouse)) => self.keep_house.notify_one(),
                    Ok(Ok(ToChild::Stop)) => _ = self.stop.send_replace(true),
                    Ok(Ok(ToChild::Start(_)) | Err(_)) | Err(_) => break,
                }
            }
            // No process is left to clean up.
            tidy_up(&folder);
            std::process::exit(COULD_NOT_RUN.into());
        });
    }
}

/// Removes the run's folder, by the names of what is in it: a folder that holds anything else is not a run's.
pub(crate) fn tidy_up(folder: &Path) {
    for file in JOURNAL_FILES {
        let _ = std::fs::remove_file(folder.join(file));
    }
    let _ = std::fs::remove_dir(folder);
}
