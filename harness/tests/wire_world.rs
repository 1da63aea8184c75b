//! The world `wire` with the real binary: GiftGenius as a process, spoken to over MCP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use giftgenius::adapters::SystemClock;
use giftgenius::policy::{PaymentProfile, Policy};
use misrule::choice::Choices;
use misrule::error::RunError;
use misrule::fault::plan::Plan;
use misrule::provider::Providers;
use misrule::provider::catalog::Fixture;
use misrule::system::control::{FromChild, ToChild};
use misrule::system::{Decision, Process, Settings, User, child};
use misrule::trace::{EventKind, HostReply, Recorder};
use misrule::world::stage::Stage;
use misrule::world::wire::{SetUp, WireWorld};
use misrule::world::{OutgoingCall, World as _};
use serde_json::json;

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_misrule"))
}

async fn world() -> WireWorld {
    let stage = Stage::new(
        Providers::new(PaymentProfile::Stripe, &Fixture::embedded()),
        Choices::replay(Plan::default()),
        Recorder::start(),
        Arc::new(SystemClock),
    );
    let set_up = SetUp { program: program(), policy: Policy::default(), seed: 1, users: vec!["ada".into(), "bob".into()] };
    WireWorld::start(Arc::new(stage), set_up).await.unwrap()
}

fn call(tool: &str, user: &str) -> OutgoingCall {
    OutgoingCall {
        tool: tool.into(),
        arguments: json!({}),
        user: user.into(),
        correlation: "step-1.1".into(),
        key_in_meta: None,
    }
}

fn no_such_tool(reply: &HostReply) -> bool {
    matches!(reply, HostReply::Protocol { code: -32602, message } if message.contains("no_such_tool"))
}

#[tokio::test]
async fn the_system_answers_every_user_over_mcp_and_comes_to_rest() {
    let world = world().await;
    let tools = world.ask("tools/list", json!({})).await.unwrap();
    assert!(tools["tools"].is_array(), "{tools}");
    let (ada, bob) = (call("no_such_tool", "ada"), call("no_such_tool", "bob"));
    let (ada, bob) = tokio::join!(world.call(ada), world.call(bob));
    assert!(no_such_tool(&ada), "{ada:?}");
    assert!(no_such_tool(&bob), "{bob:?}");
    assert_eq!(world.call(call("no_such_tool", "eve")).await, HostReply::NoAnswer, "eve is nobody's user");
    world.rest().await.unwrap();
    let rest = world.finish().await.unwrap();
    assert_eq!((rest.open, rest.parked, rest.orders), (0, vec![], vec![]));
}

#[tokio::test]
async fn a_restart_begins_the_next_incarnation_on_the_same_journal() {
    let world = world().await;
    world.switch(false).await.unwrap();
    world.restart().await.unwrap();
    let reply = world.call(call("no_such_tool", "ada")).await;
    assert!(no_such_tool(&reply), "{reply:?}");
    world.finish().await.unwrap();
    let record = world.stage().recorder().finish();
    assert_eq!(record.incarnation, 2);
    let events: Vec<_> = record.trace.events.iter().map(|event| (event.incarnation, &event.kind)).collect();
    assert!(
        matches!(events[..], [(1, EventKind::Switched { checkout: false }), (2, EventKind::Restarted), ..]),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_system_answering() {
    let world = world().await;
    let _ = tokio::time::timeout(Duration::ZERO, world.call(call("no_such_tool", "ada"))).await;
    let reply = world.call(call("no_such_tool", "ada")).await;
    assert!(no_such_tool(&reply), "{reply:?}");
}

fn settings(folder: &Path) -> Settings {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    Settings {
        policy: Policy::default(),
        providers: [nobody; 3],
        nobody,
        folder: folder.to_owned(),
        users: vec![User { name: String::from("ada"), token: String::from("t") }],
        seed: 1,
        incarnation: 1,
    }
}

async fn start(folder: &Path) -> Result<Process, RunError> {
    Process::start(&program(), settings(folder), Recorder::start(), Arc::new(|_| Decision::Plain)).await
}

#[tokio::test]
async fn a_system_that_is_killed_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(folder.path()).await.unwrap();
    process.check().await.unwrap();
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    let Err(RunError::Died { status, .. }) = process.stop().await else { panic!("it cannot have stopped in order") };
    assert!(status.contains('9'), "{status}");
}

#[tokio::test]
async fn a_process_that_is_dropped_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let process = start(folder.path()).await.unwrap();
    let id = process.id().unwrap();
    let alive = || Command::new("kill").args(["-0", &id.to_string()]).stderr(Stdio::null()).status().unwrap().success();
    assert!(alive());
    drop(process);
    assert!(!alive());
}

#[tokio::test]
async fn a_system_without_a_place_for_its_journal_dies_with_the_reason() {
    let Err(error) = start(Path::new("/nonexistent/folder")).await else { panic!("it has no journal") };
    assert!(matches!(error, RunError::Died { .. }), "{error}");
    assert!(error.to_string().contains("the journal could not be opened"), "{error}");
}

#[test]
fn a_system_whose_misrule_is_gone_ends_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    std::fs::create_dir(&path).unwrap();
    let mut system = Command::new(program())
        .arg(child::SUBCOMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = system.stdin.take().unwrap();
    let start = serde_json::to_string(&ToChild::Start(Box::new(settings(&path)))).unwrap();
    writeln!(stdin, "{start}").unwrap();
    let mut line = String::new();
    BufReader::new(system.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(matches!(serde_json::from_str(&line), Ok(FromChild::Listening(_))), "{line}");
    assert!(path.join("journal.sqlite").exists());
    drop(stdin);
    assert_eq!(system.wait().unwrap().code(), Some(4));
    assert!(!path.exists());
}

#[test]
fn the_systems_subcommand_is_no_users_business() {
    let output = Command::new(program()).arg(child::SUBCOMMAND).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by misrule itself"));
}
