//! What is dropped, and what has to stay: orders and parked work always; sessions and workflows for as long as an order that
//! hangs on them is open or parked, and then for a while.

use crate::app::App;
use crate::checkout::session::Session;
use crate::journal::{Batch, CommitError, JournalError, Key, Record, RecordState};
use crate::time;
use crate::workflow::Workflow;

/// Lost races before the store counts as busy: no record has that many writers at once.
const RACES_MAX: u32 = 8;

/// Drops what has expired; answers how many records. Nothing is dropped before the end of all that is still needed could be
/// put off, however long no process looked.
pub async fn drop_expired(app: &App) -> Result<usize, JournalError> {
    for state in [RecordState::OrderOpen, RecordState::OrderParked] {
        for stored in app.ports().journal.list(state).await? {
            let Record::Order(order) = &*stored.record else { continue };
            put_off(app, &Key::Session(order.session_id.clone())).await?;
            if let Some(workflow) = &order.workflow_id {
                put_off(app, &Key::Workflow(workflow.clone())).await?;
            }
        }
    }
    app.ports().journal.drop_expired(app.now()).await
}

/// Puts off the end of a record, by compare-and-set, where it comes within half of the time that it is kept.
async fn put_off(app: &App, key: &Key) -> Result<(), JournalError> {
    for _ in 0..RACES_MAX {
        let Some(stored) = app.ports().journal.get(key).await? else { return Ok(()) };
        let Some(longer) = kept_longer(app, &stored.record) else { return Ok(()) };
        match app.ports().journal.commit(Batch::default().put(Some(stored.version), longer)).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(JournalError::Busy)
}

fn kept_longer(app: &App, record: &Record) -> Option<Record> {
    let retention = app.policy().retention;
    let later = Some(app.ports().after(retention));
    let (ends, longer) = match record {
        Record::Session(session) => {
            (session.drop_after?, Record::Session(Session { drop_after: later, ..session.clone() }))
        }
        Record::Workflow(workflow) => {
            (workflow.drop_after?, Record::Workflow(Workflow { drop_after: later, ..workflow.clone() }))
        }
        Record::Order(_) | Record::Entry(_) | Record::Switches(_) | Record::Event(_) | Record::Payment(_) => {
            return None;
        }
    };
    (time::until(app.now(), ends) < retention / 2).then_some(longer)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::adapters::{OsEntropy, TokioTasks, TracingStepLog};
    use crate::checkout::order::Order;
    use crate::checkout::session::SessionState;
    use crate::journal::Journal as _;
    use crate::journal::conformance::samples::{every_kind, open, order, paid, parked, workflow};
    use crate::journal::memory::MemoryJournal;
    use crate::policy::Policy;
    use crate::ports::{BoxFuture, Clock, Ports, Request, Response, Transport, TransportError};

    struct NoNetwork;

    impl Transport for NoNetwork {
        fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            Box::pin(async { Err(TransportError::NotSent) })
        }
    }

    struct Calendar(Mutex<Timestamp>);

    impl Clock for Calendar {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn start() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    /// A server with a sale in each state of its order, and an unpaid price.
    async fn server(calendar: &Arc<Calendar>, journal: &Arc<MemoryJournal>) -> Arc<App> {
        let ports = Ports {
            transport: Arc::new(NoNetwork),
            journal: journal.clone(),
            clock: calendar.clone(),
            entropy: Arc::new(OsEntropy::new().unwrap()),
            tasks: Arc::new(TokioTasks::default()),
            log: Arc::new(TracingStepLog),
        };
        let app = App::new(ports, Policy::default());
        let drop_after = Some(time::add(start(), Policy::default().retention));
        let session = every_kind().into_iter().find_map(|record| match record {
            Record::Session(session) => Some(session),
            _ => None,
        });
        let session = session.expect("a session is a kind of record");
        for (name, saga) in
            [("open", Some(open())), ("parked", Some(parked())), ("paid", Some(paid())), ("unpaid", None)]
        {
            let (session_id, workflow_id) = (format!("cs_{name}"), format!("wf_{name}"));
            let Record::Workflow(begun) = workflow(&workflow_id, 1) else { panic!("a workflow") };
            let state = if saga.is_some() { SessionState::Taken(name.into()) } else { SessionState::Open };
            let session = Session { id: session_id.as_str().into(), drop_after, state, ..session.clone() };
            let mut batch = Batch::default()
                .put(None, Record::Session(session))
                .put(None, Record::Workflow(Workflow { drop_after, ..begun }));
            if let Some(saga) = saga {
                let Record::Order(begun) = order(name, saga) else { panic!("an order") };
                let order = Order {
                    session_id: session_id.as_str().into(),
                    workflow_id: Some(workflow_id.as_str().into()),
                    ..begun
                };
                batch = batch.put(None, Record::Order(order));
            }
            journal.commit(batch).await.unwrap();
        }
        app
    }

    /// Of which sales the session, and of which the workflow, is there.
    fn kept(journal: &MemoryJournal) -> [Vec<&'static str>; 2] {
        let names = ["open", "parked", "paid", "unpaid"];
        let of = |key: fn(&str) -> Key| -> Vec<_> {
            names.into_iter().filter(|name| journal.read(&key(name)).is_some()).collect()
        };
        [
            of(|name| Key::Session(format!("cs_{name}").as_str().into())),
            of(|name| Key::Workflow(format!("wf_{name}").as_str().into())),
        ]
    }

    #[tokio::test]
    async fn what_an_open_or_parked_order_hangs_on_stays_and_the_rest_goes_after_a_month() {
        // Looked at every day, or not for a year.
        for days in [(0..100).collect::<Vec<_>>(), vec![0, 365]] {
            let (calendar, journal) = (Arc::new(Calendar(Mutex::new(start()))), Arc::new(MemoryJournal::new()));
            let app = server(&calendar, &journal).await;
            for day in days {
                *calendar.0.lock().unwrap() = time::add(start(), DAY * day);
                drop_expired(&app).await.unwrap();
                let names: &[&str] =
                    if day <= 30 { &["open", "parked", "paid", "unpaid"] } else { &["open", "parked"] };
                assert_eq!(kept(&journal), [names, names], "day {day}");
                for order in ["open", "parked", "paid"] {
                    assert!(journal.read(&Key::Order(order.into())).is_some(), "{order} on day {day}");
                }
            }
        }
    }

    #[tokio::test]
    async fn an_old_record_without_an_end_is_kept() {
        let (calendar, journal) = (Arc::new(Calendar(Mutex::new(start()))), Arc::new(MemoryJournal::new()));
        let app = server(&calendar, &journal).await;
        journal.commit(Batch::default().put(None, workflow("wf_old", 1))).await.unwrap();
        *calendar.0.lock().unwrap() = time::add(start(), DAY * 3650);
        drop_expired(&app).await.unwrap();
        assert!(journal.read(&Key::Workflow("wf_old".into())).is_some());
    }
}
