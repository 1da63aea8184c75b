//! What operations sees of a journal: parked orders, and the health page.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::health::{Checkout, Health, Sagas, Status, StoreState, health, keep_probing};
use super::housekeeping::housekeeping;
use super::parked::parked_orders;
use super::switches;
use crate::adapters::{OsEntropy, SystemClock, TokioTasks, TracingStepLog};
use crate::app::App;
use crate::checkout::entry::EntryKey;
use crate::checkout::order::{Order, Page};
use crate::checkout::state::{Charge, Ending, Saga};
use crate::journal::memory::MemoryJournal;
use crate::journal::{Batch, CommitError, Journal, JournalError, Key, Record, RecordState, Stored};
use crate::money::{Currency, Money};
use crate::policy::Policy;
use crate::ports::{BoxFuture, Clock, Ports, Request, Response, Transport, TransportError};
use crate::step_log::{AlertKind, LogLine, StepLog};

fn order(id: &str, created_at: i64, ending: Option<Ending>) -> Record {
    Record::Order(Order {
        id: id.into(),
        session_id: "cs_1".into(),
        user: "ann".into(),
        workflow_id: None,
        correlation_id: "cor_1".into(),
        entry: EntryKey { user: "ann".into(), tool: "create_order".into(), key: id.into() },
        cancel_entry: None,
        retry_after_ms: None,
        amount: Money::new(4200, Currency::EUR),
        items: [].into(),
        payment_method_id: "pm_1".into(),
        created_at: jiff::Timestamp::from_second(created_at).unwrap(),
        pay_by: jiff::Timestamp::from_second(created_at + 1800).unwrap(),
        saga: Saga { ending, ..Saga::new() },
        paid_at: None,
        background_rounds: 0,
        release_rounds: None,
        lease_until: jiff::Timestamp::from_second(created_at + 30).unwrap(),
        alerted: false,
        unsold_since: None,
        page: Page::None,
        fence: 1,
        heard: 0,
        looked: 0,
        heard_of_money_back: false,
    })
}

fn parked() -> Ending {
    Ending::Parked { note: "a charge may stand; look it up".into() }
}

async fn journal_with_orders() -> MemoryJournal {
    let journal = MemoryJournal::new();
    let batch = Batch::default()
        .put(None, order("ord_a", 20, Some(parked())))
        .put(None, order("ord_b", 10, Some(parked())))
        .put(None, order("ord_c", 5, Some(Ending::Paid)))
        .put(None, order("ord_d", 1, None));
    journal.commit(batch).await.unwrap();
    journal
}

/// No provider is there; the health page asks none.
struct NoNetwork;

impl Transport for NoNetwork {
    fn send(&self, _request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async { Err(TransportError::NotSent) })
    }
}

/// A store that never answers anything useful.
struct NoStore;

impl Journal for NoStore {
    fn get(&self, _key: &Key) -> BoxFuture<'_, Result<Option<Stored>, JournalError>> {
        Box::pin(async { Err(JournalError::Busy) })
    }

    fn commit(&self, _batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async { Err(CommitError::Store(JournalError::Busy)) })
    }

    fn list(&self, _state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async { Err(JournalError::Busy) })
    }

    fn drop_expired(&self, _now: jiff::Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async { Err(JournalError::Busy) })
    }
}

async fn health_with(journal: impl Journal + 'static) -> Health {
    let ports = Ports {
        transport: Arc::new(NoNetwork),
        journal: Arc::new(journal),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy::new().unwrap()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(TracingStepLog),
    };
    health(&App::new(ports, Policy::default())).await
}

#[tokio::test]
async fn parked_orders_are_listed_the_oldest_first_with_what_to_do() {
    let orders = parked_orders(&journal_with_orders().await).await.unwrap();
    assert_eq!(orders.iter().map(|order| order.order_id.as_str()).collect::<Vec<_>>(), ["ord_b", "ord_a"]);
    assert_eq!(orders[0].note, "a charge may stand; look it up");
}

#[tokio::test]
async fn a_healthy_server_counts_its_sagas() {
    let health = health_with(journal_with_orders().await).await;
    assert_eq!((health.status, health.http_status()), (Status::Ok, 200));
    assert_eq!(health.sagas, Some(Sagas { open: 1, parked: 2 }));
    assert_eq!(health.checkout, Some(Checkout::On));
}

#[tokio::test]
async fn a_server_with_checkout_off_is_degraded_and_up() {
    let journal = MemoryJournal::new();
    switches::set_checkout(&journal, false).await.unwrap();
    let health = health_with(journal).await;
    assert_eq!((health.status, health.http_status(), health.checkout), (Status::Degraded, 200, Some(Checkout::Off)));
}

#[tokio::test]
async fn a_server_without_its_store_is_down_and_claims_nothing() {
    let health = health_with(NoStore).await;
    assert_eq!((health.status, health.http_status()), (Status::Degraded, 503));
    assert_eq!((health.store, health.sagas, health.checkout), (StoreState::Unavailable, None, None));
}

/// A store that can be read and takes no write while it is told to be full, or that never answers.
struct Ailing {
    journal: MemoryJournal,
    full: AtomicBool,
    silent: bool,
    probes: AtomicU32,
}

impl Ailing {
    fn new(silent: bool) -> Arc<Self> {
        Arc::new(Self { journal: MemoryJournal::new(), full: true.into(), silent, probes: 0.into() })
    }

    async fn answers(&self) {
        if self.silent {
            std::future::pending::<()>().await;
        }
    }
}

impl Journal for Arc<Ailing> {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async {
            self.answers().await;
            self.journal.get(key).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async {
            self.answers().await;
            self.probes.fetch_add(1, Ordering::Relaxed);
            if self.full.load(Ordering::Relaxed) {
                Err(JournalError::Full.into())
            } else {
                self.journal.commit(batch).await
            }
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            self.answers().await;
            self.journal.list(state).await
        })
    }

    fn drop_expired(&self, _now: jiff::Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(std::future::ready(Ok(0)))
    }
}

fn app_on(journal: &Arc<Ailing>) -> Arc<App> {
    let ports = Ports {
        transport: Arc::new(NoNetwork),
        journal: Arc::new(Arc::clone(journal)),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy::new().unwrap()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(TracingStepLog),
    };
    App::new(ports, Policy::default())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_read_and_takes_no_write_is_lost_and_is_found_again() {
    let journal = Ailing::new(false);
    let app = app_on(&journal);
    for second in 0..12 {
        assert_eq!(health(&app).await.http_status(), 503, "{second}: every write there was has failed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    journal.full.store(false, Ordering::Relaxed);
    assert_eq!(health(&app).await.http_status(), 200);
    journal.full.store(true, Ordering::Relaxed);
    for second in 0..=10 {
        assert_eq!(health(&app).await.http_status(), 200, "{second}: a write was taken in the last ten seconds");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(health(&app).await.http_status(), 503);
}

#[tokio::test(start_paused = true)]
async fn an_idle_server_is_not_lost_for_a_moment_in_which_its_store_is_locked() {
    let journal = Ailing::new(false);
    journal.full.store(false, Ordering::Relaxed);
    let app = app_on(&journal);
    let probing = tokio::spawn(keep_probing(Arc::clone(&app)));
    let ms = |ms| tokio::time::sleep(Duration::from_millis(ms));
    for idle in [2_500, 9_900, 10_100, 12_000, 17_350, 3_601_000] {
        ms(idle).await;
        journal.full.store(true, Ordering::Relaxed);
        for locked in 0..20 {
            assert_eq!(health(&app).await.http_status(), 200, "{locked} × 100 ms after {idle} ms");
            ms(100).await;
        }
        journal.full.store(false, Ordering::Relaxed);
    }
    let (writes, hour) = (journal.probes.load(Ordering::Relaxed), Duration::from_secs(3600));
    tokio::time::sleep(hour).await;
    assert_eq!(journal.probes.load(Ordering::Relaxed) - writes, 600, "one in six seconds");
    journal.full.store(true, Ordering::Relaxed);
    ms(11_000).await;
    assert_eq!(health(&app).await.http_status(), 503, "at the first question");
    journal.full.store(false, Ordering::Relaxed);
    ms(3_000).await;
    assert!(!app.store().is_lost(), "found again before anyone asks");
    probing.abort();
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_share_a_probe_and_none_is_made_while_writes_succeed() {
    let journal = Ailing::new(false);
    journal.full.store(false, Ordering::Relaxed);
    let app = app_on(&journal);
    for _ in 0..100 {
        health(&app).await;
    }
    tokio::time::sleep(Duration::from_millis(4_999)).await;
    health(&app).await;
    assert_eq!(journal.probes.load(Ordering::Relaxed), 1);
    journal.full.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1)).await;
    for _ in 0..100 {
        health(&app).await;
    }
    assert_eq!(journal.probes.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_keeps_no_monitor_waiting_for_a_second() {
    let app = app_on(&Ailing::new(true));
    let asked = tokio::time::Instant::now();
    assert_eq!(health(&app).await.http_status(), 503);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// A log that nobody reads.
struct Unread;

impl StepLog for Unread {
    fn record(&self, _line: LogLine) {}

    fn dropped(&self) -> u64 {
        7
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_counts_the_lines_that_nobody_read() {
    let journal = Ailing::new(false);
    let mut ports = app_on(&journal).ports().clone();
    ports.log = Arc::new(Unread);
    assert_eq!(health(&App::new(ports, Policy::default())).await.log_lines_dropped, 7);
    assert_eq!(health(&app_on(&journal)).await.log_lines_dropped, 0);
}

/// A calendar that goes as the paused clock does.
struct PausedCalendar(tokio::time::Instant);

impl Clock for PausedCalendar {
    fn now(&self) -> jiff::Timestamp {
        crate::time::add(jiff::Timestamp::UNIX_EPOCH, self.0.elapsed())
    }
}

/// The orders for which a person was paged.
#[derive(Default)]
struct Pages(Mutex<Vec<String>>);

impl StepLog for Pages {
    fn record(&self, line: LogLine) {
        if let LogLine::Alert(alert) = line
            && alert.kind == AlertKind::MoneyStands
        {
            self.0.lock().unwrap().push(alert.dedup_key.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn money_that_stands_for_a_parked_order_pages_once_whoever_keeps_house() {
    let journal = Arc::new(MemoryJournal::new());
    let stands = |id: &str, charge: Charge, since: Option<i64>| {
        let Record::Order(mut order) = order(id, 0, Some(parked())) else { unreachable!("it is one") };
        order.saga.charge = charge;
        order.unsold_since = since.map(|second| jiff::Timestamp::from_second(second).unwrap());
        Record::Order(order)
    };
    let batch = Batch::default()
        .put(None, stands("ord_money", Charge::Stuck { captured: true }, Some(0)))
        .put(None, stands("ord_later", Charge::Stuck { captured: false }, Some(600)))
        .put(None, stands("ord_stock", Charge::Void, None))
        .put(None, stands("ord_overdue", Charge::Stuck { captured: true }, Some(-3600)));
    journal.commit(batch).await.unwrap();
    let (pages, begun) = (Arc::new(Pages::default()), tokio::time::Instant::now());
    let keep = || {
        let ports = Ports {
            transport: Arc::new(NoNetwork),
            journal: Arc::<MemoryJournal>::clone(&journal),
            clock: Arc::new(PausedCalendar(begun)),
            entropy: Arc::new(OsEntropy::new().unwrap()),
            tasks: Arc::new(TokioTasks::default()),
            log: pages.clone(),
        };
        tokio::spawn(housekeeping(App::new(ports, Policy::default())))
    };
    let told = || pages.0.lock().unwrap().clone();
    let minutes = |minutes: u64| tokio::time::sleep_until(begun + Duration::from_secs(minutes * 60 + 1));
    let (one, other) = (keep(), keep());
    minutes(1).await;
    assert_eq!(
        told(),
        ["money_stands:ord_overdue"],
        "nobody had been called to it, and its page does not wait for that"
    );
    minutes(16).await;
    assert_eq!(told().len(), 1, "the provider may be two minutes late");
    minutes(17).await;
    assert_eq!(told()[1..], ["money_stands:ord_money"]);
    one.abort();
    other.abort();
    let _after_a_restart = keep();
    minutes(90).await;
    assert_eq!(told()[1..], ["money_stands:ord_money", "money_stands:ord_later"]);
}
