//! Random sequences of operations: whatever is done, memory and SQLite answer the same.

use proptest::prelude::*;

use super::samples::{entry_done, entry_in_progress, open, order, paid, parked, second, workflow};
use super::{Batch, CommitError, Key, Memory, Record, RecordState, Sqlite, Subject, Version, plain};
use crate::journal::{Journal, JournalError};
use crate::operations::switches::Switches;

/// Which version a write claims to have read.
#[derive(Clone, Copy, Debug)]
enum Claim {
    Present,
    Absent,
    Fixed(Version),
}

#[derive(Clone, Debug)]
enum Operation {
    Commit(Vec<(Claim, Record)>),
    Get(Key),
    List(RecordState),
    DropExpired(i64),
    Reopen,
}

/// All that can be seen of an operation.
#[derive(Debug, PartialEq)]
enum Seen {
    Commit(Result<(), CommitError>),
    Read(Vec<(Version, Record)>),
    Dropped(Result<usize, JournalError>),
    Nothing,
}

fn record() -> impl Strategy<Value = Record> {
    let saga = prop_oneof![Just(open()), Just(parked()), Just(paid())];
    let small = prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        3 => (small.clone(), saga).prop_map(|(id, saga)| order(id, saga)),
        3 => (small.clone(), 0..20_i64).prop_map(|(key, at)| entry_done("ann", "create_order", key, at)),
        2 => (small.clone(), prop::option::of(0..20_i64))
            .prop_map(|(key, at)| entry_in_progress("ann", "create_order", key, at)),
        1 => (small, 0..9_u64).prop_map(|(id, payload)| workflow(id, payload)),
        1 => any::<bool>().prop_map(|checkout| Record::Switches(Switches { checkout })),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let claim = prop_oneof![
        6 => Just(Claim::Present),
        1 => Just(Claim::Absent),
        1 => (0..4_u64).prop_map(Claim::Fixed),
    ];
    let state = prop::sample::select(vec![RecordState::OrderOpen, RecordState::OrderParked, RecordState::Quiet]);
    prop_oneof![
        8 => prop::collection::vec((claim, record()), 0..4).prop_map(Operation::Commit),
        3 => record().prop_map(|record| Operation::Get(record.key())),
        3 => state.prop_map(Operation::List),
        2 => (0..22_i64).prop_map(Operation::DropExpired),
        1 => Just(Operation::Reopen),
    ]
}

async fn version(journal: &dyn Journal, key: &Key) -> Option<Version> {
    journal.get(key).await.unwrap().map(|stored| stored.version)
}

async fn perform(journal: &dyn Journal, operation: &Operation) -> Seen {
    match operation {
        Operation::Commit(writes) => {
            let mut batch = Batch::default();
            for (claim, record) in writes {
                let expected = match claim {
                    Claim::Present => version(journal, &record.key()).await,
                    Claim::Absent => None,
                    Claim::Fixed(version) => Some(*version),
                };
                batch = batch.put(expected, record.clone());
            }
            Seen::Commit(journal.commit(batch).await)
        }
        Operation::Get(key) => Seen::Read(journal.get(key).await.unwrap().iter().map(plain).collect()),
        Operation::List(state) => Seen::Read(journal.list(*state).await.unwrap().iter().map(plain).collect()),
        Operation::DropExpired(now) => Seen::Dropped(journal.drop_expired(second(*now)).await),
        Operation::Reopen => Seen::Nothing,
    }
}

async fn history(subject: &impl Subject, operations: &[Operation]) -> Vec<Seen> {
    let mut journal = subject.open();
    let mut seen = Vec::new();
    for operation in operations {
        if matches!(operation, Operation::Reopen) {
            drop(journal);
            journal = subject.open();
        }
        seen.push(perform(&*journal, operation).await);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_sqlite_answer_the_same(operations in prop::collection::vec(operation(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (memory, sqlite) = runtime.block_on(async {
            (history(&Memory::default(), &operations).await, history(&Sqlite::default(), &operations).await)
        });
        prop_assert_eq!(memory, sqlite);
    }
}
