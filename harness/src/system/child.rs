//! Inside the system's process: GiftGenius over streamable HTTP with production adapters.
//!
//! Two threads of the operating system's own, beside the runtime, speak the control channel: even a runtime that hangs
//! does not keep the process alive when misrule is gone.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use giftgenius::adapters::{SystemClock, TokioTasks, TracingStepLog, json_lines};
use giftgenius::app::App;
use giftgenius::journal::sqlite::SqliteJournal;
use giftgenius::ports::Ports;
use giftgenius::serve::{Access, serve_http};
use giftgenius::users::Users;
use giftgenius::webhooks::WebhookSecret;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::announcing::{Announcing, Waiting};
use super::control::{FromChild, JOURNAL_FILES, STOPPED, Settings, ToChild};
use super::entropy::SeededEntropy;

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
pub fn main() -> ExitCode {
    let folder = std::env::args_os().nth(2).map(PathBuf::from);
    let Err(Failure(why)) = run(folder.as_deref());
    // stderr is read by misrule, which shows it.
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(COULD_NOT_RUN)
}

fn run(folder: Option<&Path>) -> Result<Infallible, Failure> {
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
        ToChild::Decide { .. } | ToChild::Stop => return Err(Failure(String::from("the first line is not `start`"))),
    };
    json_lines::init_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::of("no runtime could be started"))?;
    if let Err(failure) = runtime.block_on(serve(settings)) {
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

async fn serve(settings: Settings) -> Result<(), Failure> {
    let waiting = Arc::new(Waiting::default());
    let (stop, mut stopping) = watch::channel(false);
    let lines = speak();
    let transport = Announcing::new(settings.providers, settings.nobody, waiting.clone(), lines.clone())
        .map_err(Failure::of("the HTTP client could not be set up"))?;
    let journal = SqliteJournal::open(&settings.journal()).map_err(Failure::of("the journal could not be opened"))?;
    // Not before the journal is open: files that are just being made could be missed when the folder is removed.
    listen(settings.folder.clone(), waiting, stop);
    let ports = Ports {
        transport: Arc::new(transport),
        journal: Arc::new(journal),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SeededEntropy::new(settings.seed, settings.incarnation)),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(TracingStepLog),
    };
    let list: Vec<_> = settings.users.iter().map(|user| format!("{}={}", user.name, user.token)).collect();
    let users = Users::parse(&SecretString::from(list.join(",")))
        .map_err(|error| Failure(format!("the list of users {error}")))?;
    let secret = settings.webhook_secret.map(|secret| WebhookSecret::new(SecretString::from(secret))).transpose();
    let secret = secret.map_err(Failure::of("the webhook secret cannot be used"))?;
    let app = App::with_webhooks(ports, settings.policy, secret);

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::of("no port could be opened"))?;
    let address = listener.local_addr().map_err(Failure::of("the port has no address"))?;
    app.recover().await.map_err(Failure::of("recovery could not begin"))?;
    // Connections that come between this line and the accepting wait in the listener's queue.
    let _ = lines.send(FromChild::Listening(address));

    let mut asked = stopping.clone();
    let shutdown = async move { _ = asked.wait_for(|stop| *stop).await };
    let serving = serve_http(app, listener, Access::local(users), shutdown);
    let over = async {
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        biased;
        served = serving => served.map_err(Failure::of("the server failed")),
        () = over => Ok(()),
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
            // If nobody reads, stdin has ended too, which ends the process.
            let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
        }
    });
    sender
}

/// The thread that reads control lines, and ends the process when misrule is gone, also one that is being stopped.
fn listen(folder: PathBuf, waiting: Arc<Waiting>, stop: watch::Sender<bool>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line.map(|line| serde_json::from_str(&line)) {
                Ok(Ok(ToChild::Decide { id, decision })) => waiting.decide(id, decision),
                Ok(Ok(ToChild::Stop)) => _ = stop.send_replace(true),
                Ok(Ok(ToChild::Start(_)) | Err(_)) | Err(_) => break,
            }
        }
        // Nobody is left who could tidy up.
        tidy_up(&folder);
        std::process::exit(COULD_NOT_RUN.into());
    });
}

/// Removes the run's folder, by the names of what is in it: a folder that holds anything else is not a run's.
pub(crate) fn tidy_up(folder: &Path) {
    for file in JOURNAL_FILES {
        let _ = std::fs::remove_file(folder.join(file));
    }
    let _ = std::fs::remove_dir(folder);
}
