//! Raw frames of every kind against guard, rmcp, face and application in one process: nothing panics or hangs, every
//! frame is answered unless JSON-RPC forbids it, and nothing is left behind.
//!
//! The seeds count up from `GIFTGENIUS_FUZZ_SEED` (0) for `GIFTGENIUS_FUZZ_SECONDS` (3); each gives the same sessions
//! on every machine. A failure names its seed and the smallest session that still fails.

mod due;
mod sent;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use giftgenius::adapters::TokioTasks;
use giftgenius::app::App;
use giftgenius::frame::stdio::GuardedLines;
use giftgenius::frame::{Verdict, judge};
use giftgenius::ids::UserId;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::mcp::{McpFace, Principal};
use giftgenius::policy::{Policy, UserPolicy};
use giftgenius::ports::{BoxFuture, Clock, Entropy, Ports, Purpose, Request, Response, Transport, TransportError};
use giftgenius::step_log::{LogLine, StepLog};
use jiff::Timestamp;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rmcp::ServiceExt as _;
use rmcp::model::ClientJsonRpcMessage;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use due::hold;
use sent::{Session, meta, session};

/// No session needs longer, in virtual time: the longest call ends by its deadline of 25 s, and they run at once.
const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(60);
/// The same in real time, with the slowest machine in mind.
const REAL_TIME_MAX: Duration = Duration::from_secs(30);
const SESSIONS_A_SEED: u32 = 16;
/// The id of the last request of every session.
pub(crate) const LAST: &str = "the last one";

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Providers that are not there.
struct Nobody;

impl Transport for Nobody {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async { Err(TransportError::NotSent) })
    }
}

/// A calendar in which nothing expires.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Entropy for Counter {
    fn next(&self, _: Purpose) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) as u64
    }
}

struct Unread;

impl StepLog for Unread {
    fn record(&self, _: LogLine) {}
}

fn app() -> Arc<App> {
    let ports = Ports {
        transport: Arc::new(Nobody),
        journal: Arc::new(MemoryJournal::new()),
        clock: Arc::new(Standing),
        entropy: Arc::new(Counter::default()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(Unread),
    };
    // One user, more calls than any person makes.
    let users = UserPolicy { calls_max: u32::MAX, sessions_max: u32::MAX, ..Policy::default().users };
    App::new(ports, Policy { users, ..Policy::default() })
}

/// What the server wrote until it closed its output; the error says what it kept.
async fn spoken_to(app: &Arc<App>, session: &Session) -> Result<Vec<u8>, String> {
    let (client, server) = tokio::io::duplex(4096);
    let (input, output) = tokio::io::split(server);
    let lines = GuardedLines::new(input, output, Policy::default().tool_deadline + Duration::from_secs(1));
    let in_flight = lines.in_flight();
    let face = McpFace::new(Arc::clone(app), Principal::Configured(UserId::from("ann")));
    let serving = tokio::spawn(async move {
        if let Ok(running) = face.serve(lines).await {
            let _ = running.waiting().await;
        }
    });
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let mut bytes = session.frames.join(&b'\n');
    let last = json!({ "jsonrpc": "2.0", "id": LAST, "method": "tools/list", "params": { "_meta": meta() } });
    bytes.extend_from_slice(format!("\n{last}\n").as_bytes());
    let chunk = session.chunk;
    let writing = tokio::spawn(async move {
        for part in bytes.chunks(chunk) {
            to_server.write_all(part).await.map_err(|error| format!("the server stopped reading: {error}"))?;
        }
        to_server.shutdown().await.map_err(|error| error.to_string())
    });
    let mut said = Vec::new();
    from_server.read_to_end(&mut said).await.map_err(|error| error.to_string())?;
    writing.await.map_err(|error| error.to_string())??;
    serving.await.map_err(|error| error.to_string())?;
    if in_flight.is_empty() { Ok(said) } else { Err(format!("{} requests are still in flight", in_flight.len())) }
}

/// What goes on over HTTP is what rmcp reads there.
fn hold_verdict(frame: &[u8]) -> Result<(), String> {
    let Verdict::Request(asked) = judge(frame) else { return Ok(()) };
    let body = asked.rewritten.as_deref().unwrap_or(frame.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(frame));
    match serde_json::from_slice(body) {
        Ok(ClientJsonRpcMessage::Request(request)) if request.id == asked.id => Ok(()),
        other => Err(format!("the guard let through what rmcp cannot read as that request: {other:?}")),
    }
}

fn run(app: &Arc<App>, runtime: &tokio::runtime::Runtime, session: &Session) -> Result<(), String> {
    let began = Instant::now();
    for frame in &session.frames {
        hold_verdict(frame)?;
    }
    let said = runtime.block_on(async { tokio::time::timeout(VIRTUAL_TIME_MAX, spoken_to(app, session)).await });
    let said = said.map_err(|_| String::from("the server hangs"))??;
    if PANICS.swap(0, Ordering::SeqCst) > 0 {
        return Err(String::from("something panicked; see above"));
    }
    // What was spawned for the session ends with it.
    runtime.block_on(async { tokio::time::sleep(VIRTUAL_TIME_MAX).await });
    let left = runtime.metrics().num_alive_tasks();
    if left > 0 {
        return Err(format!("{left} tasks are left behind"));
    }
    if began.elapsed() > REAL_TIME_MAX {
        return Err(format!("it took {:?}", began.elapsed()));
    }
    hold(session, &said)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was tried is what one wants to know of it")]
fn no_frame_makes_the_server_panic_hang_grow_or_stay_silent() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    let until = Instant::now() + Duration::from_secs(setting("GIFTGENIUS_FUZZ_SECONDS", 3));
    let first = setting("GIFTGENIUS_FUZZ_SEED", 0);
    let mut seed = first;
    while seed == first || Instant::now() < until {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config =
            Config { cases: SESSIONS_A_SEED, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let outcome = runner.run(&session(), |session| {
            // An application and a runtime of its own: what is left behind is this session's.
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let app = runtime.block_on(async { app() });
            run(&app, &runtime, &session).map_err(TestCaseError::fail)
        });
        if let Err(error) = outcome {
            let (why, session) = match error {
                TestError::Fail(why, session) => (why, session),
                TestError::Abort(why) => panic!("{why}"),
            };
            let frames: Vec<String> =
                session.frames.iter().map(|frame| frame[..frame.len().min(2000)].escape_ascii().to_string()).collect();
            panic!("GIFTGENIUS_FUZZ_SEED={seed}: {why}\n{} bytes at a time:\n{}", session.chunk, frames.join("\n"));
        }
        seed += 1;
    }
    println!("{} sessions, seeds {first} to {}", (seed - first) * u64::from(SESSIONS_A_SEED), seed - 1);
}
