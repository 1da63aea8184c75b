//! The world `wire` with the real binary: GiftGenius as a process, spoken to over MCP.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use giftgenius::adapters::SystemClock;
use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::step_log::LogLine;
use misrule::choice::Choices;
use misrule::error::RunError;
use misrule::fault::Fault;
use misrule::fault::plan::{Address, Plan, Planned};
use misrule::provider::catalog::Fixture;
use misrule::provider::ledger::EffectKind;
use misrule::provider::{OperationSpec, Providers, operations};
use misrule::scenario::model::Replicas;
use misrule::system::control::{FromChild, ToChild};
use misrule::system::{Access, Announcement, Decide, Decision, Grant, Process, Settings, Standby, User, child};
use misrule::trace::{EventKind, HostReply, Recorder, Seen};
use misrule::world::stage::Stage;
use misrule::world::wire::{SetUp, WireWorld};
use misrule::world::{OutgoingCall, World as _};
use serde_json::{Value, json};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_misrule"))
}

async fn world() -> WireWorld {
    world_with(Plan::default(), Policy::default()).await
}

async fn world_with(plan: Plan, policy: Policy) -> WireWorld {
    let stage = Stage::new(
        Providers::new((&policy).into(), &Fixture::embedded()),
        Choices::replay(plan),
        Recorder::start(),
        Arc::new(SystemClock),
    );
    let set_up = SetUp {
        program: program(),
        policy,
        seed: 1,
        users: vec!["ada".into(), "bob".into()],
        webhooks: false,
        replicas: Replicas::default(),
        script_waits: Duration::ZERO,
        calls: u32::MAX,
        defect: None,
    };
    WireWorld::start(Arc::new(stage), set_up).await.expect("the world starts")
}

fn call(tool: &str, user: &str) -> OutgoingCall {
    OutgoingCall {
        fault: None,
        tool: tool.into(),
        arguments: json!({}).into(),
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

/// A policy with short delays and patient time-outs, as scenarios for the wire declare.
fn quick() -> Policy {
    let mut policy = Policy::default();
    policy.retry.attempt_timeout = Duration::from_secs(1);
    policy.retry.delay_base = Duration::from_millis(10);
    policy.retry.jitter_max = Duration::from_millis(5);
    policy.background.delay_base = Duration::from_millis(20);
    policy.background.delay_cap = Duration::from_millis(100);
    policy.late_max = Duration::from_secs(2);
    policy.lease = Duration::from_secs(1);
    policy
}

/// Ada buys a tea set; answers what she is told of the sale.
async fn buy(world: &WireWorld, key: &str) -> Value {
    let ask = |tool: &str, arguments: Value| OutgoingCall { arguments: arguments.into(), ..call(tool, "ada") };
    let products = told(world.call(ask("search_products", json!({ "query": "tea" }))).await);
    let sku = &products["products"][0]["sku"];
    let items = json!({ "currency": "EUR", "items": [{ "sku": sku, "quantity": 1 }] });
    let session = told(world.call(ask("create_checkout_session", items)).await);
    let methods = told(world.call(ask("get_payment_methods", json!({}))).await);
    let order = json!({
        "checkout_session_id": session["checkout_session_id"],
        "payment_method_id": methods["payment_methods"][0]["id"],
        "idempotency_key": key,
    });
    told(world.call(ask("create_order", order)).await)
}

fn told(reply: HostReply) -> Value {
    let HostReply::Tool { structured, is_error } = reply else { panic!("{reply:?}") };
    assert!(!is_error, "{structured}");
    Arc::unwrap_or_clone(structured)
}

fn at(operation: &'static OperationSpec, number: u32, fault: Fault) -> Planned {
    Planned::At(Address { place: operation.into(), step: None, number }, fault)
}

#[tokio::test]
async fn a_sale_goes_through_real_refusals_resets_and_silence_with_one_effect_each() {
    let faults = vec![
        at(&operations::SEARCH, 1, Fault::Cut),
        at(&operations::RESERVE, 1, Fault::Refuse),
        at(&operations::RESERVE, 2, Fault::Duplicate),
        at(&operations::CHARGE, 1, Fault::LostReply),
        at(&operations::COMMIT, 1, Fault::ResetAfter),
    ];
    let world = world_with(Plan { faults }, quick()).await;
    let sale = buy(&world, "key-of-ada-1").await;
    assert_eq!(sale["status"], "success", "{sale}");
    world.rest().await.expect("it comes to rest");
    let rest = world.finish().await.expect("it stops");
    assert_eq!((rest.open, rest.parked.len()), (0, 0));
    let [order] = &rest.orders[..] else { panic!("{:?}", rest.orders) };
    assert_eq!((order.status, order.money), ("paid", "charged"));

    assert_eq!(world.stage().with_choices(Choices::unfired), []);
    let record = world.stage().recorder().finish();
    let count = |kind| record.ledger.of_kind(kind).count();
    assert_eq!([EffectKind::Charge, EffectKind::Reserve, EffectKind::Commit].map(count), [1, 1, 1]);
    let refused = record
        .trace
        .events
        .iter()
        .filter(|event| matches!(&event.kind, EventKind::Answered { seen: Seen::Refused, .. }));
    assert_eq!(refused.count(), 1);
    assert!(record.trace.log().any(|(_, _, line)| matches!(line, LogLine::CheckoutResult(_))));
}

#[tokio::test]
async fn rest_waits_for_a_late_copy_and_for_what_the_system_makes_of_it() {
    let mut policy = quick();
    policy.payment_profile = PaymentProfile::Keyless;
    let world = world_with(Plan { faults: vec![at(&operations::CHARGE, 1, Fault::LateDuplicate)] }, policy).await;
    buy(&world, "key-of-ada-1").await;
    world.rest().await.expect("it comes to rest");
    let rest = world.finish().await.expect("it stops");
    assert_eq!(rest.open, 0);
    let ledger = world.stage().recorder().finish().ledger;
    let charges: Vec<_> = ledger.of_kind(EffectKind::Charge).collect();
    assert_eq!(charges.len(), 2, "the copy came");
    let standing: i64 = charges.iter().map(|charge| ledger.charge_standing(charge)).sum();
    assert_eq!(Some(standing), charges[0].amount.map(|amount| amount.minor_units), "one of them was given back");
}

/// A sale whose caller hangs up as soon as the charge stands; the reply to the charge is lost.
async fn a_sale_given_up_in_the_middle() -> Arc<WireWorld> {
    let faults = vec![at(&operations::CHARGE, 1, Fault::LostReply)];
    let world = Arc::new(world_with(Plan { faults }, quick()).await);
    let buying = tokio::spawn({
        let world = world.clone();
        async move { buy(&world, "key-of-ada-1").await }
    });
    let charged = async {
        while world.stage().recorder().lock().ledger.of_kind(EffectKind::Charge).next().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), charged).await.expect("the charge is sent");
    buying.abort();
    world
}

async fn ends_paid(world: &WireWorld) {
    world.rest().await.expect("it comes to rest");
    let rest = world.finish().await.expect("it stops");
    assert_eq!(rest.orders.iter().map(|order| order.status).collect::<Vec<_>>(), ["paid"]);
    assert_eq!(world.stage().recorder().lock().ledger.of_kind(EffectKind::Charge).count(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_the_sale() {
    let world = a_sale_given_up_in_the_middle().await;
    ends_paid(&world).await;
}

#[tokio::test]
async fn a_sale_that_a_restart_interrupts_is_taken_up_by_the_next_incarnation() {
    let world = a_sale_given_up_in_the_middle().await;
    world.restart().await.expect("it starts again");
    ends_paid(&world).await;
}

fn settings(folder: &Path) -> Settings {
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    Settings {
        policy: Policy::default(),
        providers: [nobody; 3],
        nobody,
        folder: folder.to_owned(),
        users: vec![User { name: String::from("ada"), token: String::from("misrule-token-of-ada") }],
        seed: 1,
        incarnation: 1,
        webhook_secret: None,
        clock_off_ms: 0,
        recovers: false,
        defect: None,
    }
}

/// Lets everything happen.
struct Idle;

impl Decide for Idle {
    fn request(&self, _: Announcement) -> Option<Decision> {
        Some(Decision::Plain)
    }

    fn access(&self, _: Access) -> Option<Grant> {
        Some(Grant::Go)
    }

    fn held(&self) {}
}

async fn start(folder: &Path) -> Result<Process, RunError> {
    let standby = Standby::start(&program(), folder)?;
    let mut process = Process::begin(standby, settings(folder), Recorder::start(), Arc::new(Idle));
    process.begins().await.map(|_| process)
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
fn a_system_whose_misrule_is_gone_before_it_was_told_anything_leaves_nothing_behind_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    std::fs::create_dir(&path).unwrap();
    let status = Command::new(program())
        .arg(child::SUBCOMMAND)
        .arg(&path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(4));
    assert!(!path.exists());
}

#[test]
fn a_system_that_cannot_begin_leaves_its_folder_to_misrule_and_removes_it_if_misrule_is_gone() {
    for (misrule_is_gone, left) in [(false, true), (true, false)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("journal.sqlite"), "no journal").unwrap();
        let mut system = Command::new(program())
            .arg(child::SUBCOMMAND)
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who is gone reads nothing.
        let stderr = system.stderr.take().filter(|_| !misrule_is_gone);
        let mut stdin = system.stdin.take().unwrap();
        let start = serde_json::to_string(&ToChild::Start(Box::new(settings(&path)))).unwrap();
        writeln!(stdin, "{start}").unwrap();
        assert_eq!(system.wait().unwrap().code(), Some(4));
        assert_eq!(path.exists(), left);
        drop(stderr);
    }
}

#[test]
fn a_folder_that_holds_anything_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let mut system = Command::new(program());
    system.arg(child::SUBCOMMAND).arg(folder.path()).stdin(Stdio::null()).stderr(Stdio::null());
    assert_eq!(system.status().unwrap().code(), Some(4));
    assert!(folder.path().join("letter.txt").exists());
}

#[test]
fn the_systems_subcommand_is_no_users_business() {
    let output = Command::new(program()).arg(child::SUBCOMMAND).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by misrule itself"));
}
