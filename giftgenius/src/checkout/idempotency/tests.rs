//! Parameters as they are compared, and what an entry means.

use serde_json::json;

use super::*;
use crate::checkout::answer::tests::order;
use crate::checkout::entry::EntryKey;
use crate::checkout::state::{Cause, Direction, Ending, Saga};

#[test]
fn parameters_are_compared_as_canonical_json() {
    let same = [
        (json!({"a": 1, "b": [1, 2]}), json!({"b": [1, 2], "a": 1})),
        (json!({"a": 1.0}), json!({"a": 1})),
        (json!({"a": {"y": 1, "x": 2}}), json!({"a": {"x": 2, "y": 1}})),
    ];
    for (left, right) in same {
        assert_eq!(canonical_hash(&left), canonical_hash(&right), "{left} {right}");
    }
    let different = [
        (json!({"a": [1, 2]}), json!({"a": [2, 1]})),
        (json!({"a": null}), json!({})),
        (json!({"a": 1}), json!({"a": "1"})),
        (json!({"a": 1.5}), json!({"a": 1})),
        (json!({"a": "x\",\"b\":\"y"}), json!({"a": "x", "b": "y"})),
    ];
    for (left, right) in different {
        assert_ne!(canonical_hash(&left), canonical_hash(&right), "{left} {right}");
    }
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn entry(state: EntryState) -> Entry {
    let key = EntryKey { user: "ann".into(), tool: "create_order".into(), key: "key-0001".into() };
    Entry { key, parameters: "these".into(), state, drop_after: None }
}

fn until(entry: Entry, seconds: i64) -> Entry {
    Entry { drop_after: Some(second(seconds)), ..entry }
}

#[test]
fn a_keys_entry_decides_what_a_call_under_it_means() {
    let reply = SavedReply { structured: json!({"status": "success"}), is_error: false };
    let done = || entry(EntryState::Done { reply: reply.clone(), ended_at: second(0) });
    let failed = || entry(EntryState::FailedFinal { reply: reply.clone(), ended_at: second(0) });
    let clean = || entry(EntryState::FailedClean { ended_at: second(0) });
    let working = || entry(EntryState::InProgress { order: "ord_1".into() });
    let order = || OrderId::from("ord_1");
    // At second 100, with these parameters and with others.
    let cases = [
        ("no entry", None, Claim::Free, Claim::Free),
        ("done", Some(done()), Claim::Replay(reply.clone()), Claim::Conflict),
        ("failed for good", Some(failed()), Claim::Replay(reply.clone()), Claim::Conflict),
        ("failed with nothing standing", Some(clean()), Claim::Free, Claim::Conflict),
        ("an order carries it", Some(working()), Claim::Joined(order()), Claim::Conflict),
        ("done, kept for a moment", Some(until(done(), 101)), Claim::Replay(reply.clone()), Claim::Conflict),
        ("done, over", Some(until(done(), 100)), Claim::Free, Claim::Free),
        ("failed for good, over", Some(until(failed(), 99)), Claim::Free, Claim::Free),
        ("failed with nothing standing, over", Some(until(clean(), 99)), Claim::Free, Claim::Free),
    ];
    for (name, entry, same, other) in cases {
        assert_eq!(claim(entry.as_ref(), "these", second(100)), same, "{name}");
        assert_eq!(claim(entry.as_ref(), "others", second(100)), other, "{name}, with other parameters");
    }
}

#[test]
fn a_key_that_an_order_carries_is_never_free() {
    let working = entry(EntryState::InProgress { order: "ord_1".into() });
    assert_eq!(claim(Some(&working), "these", second(1 << 30)), Claim::Joined("ord_1".into()));
}

#[test]
fn an_entry_is_kept_for_its_time_from_its_end_on() {
    let working = || entry(EntryState::InProgress { order: "ord_1".into() });
    let retention = Duration::from_secs(24 * 60 * 60);
    let with = |direction, ending| order(Saga { direction, ending, ..Saga::new() });
    let open = with(Direction::Forward, None);
    assert_eq!(ended(&working(), &open, second(100), retention), None);
    let parked = with(Direction::Forward, Some(Ending::Parked { note: String::from("a charge may stand") }));
    assert_eq!(ended(&working(), &parked, second(100), retention), None, "never dropped while it is parked");
    let paid = with(Direction::Forward, Some(Ending::Paid));
    let kept = ended(&working(), &paid, second(100), retention).unwrap();
    assert_eq!(kept.drop_after, Some(second(100 + 24 * 60 * 60)));
    assert_eq!(ended(&kept, &paid, second(500), retention), None, "what is over does not begin anew");
    let down = with(Direction::Back(Cause::PaymentUnavailable), Some(Ending::Cancelled));
    let clean = ended(&working(), &down, second(100), retention).unwrap();
    assert_eq!(clean.state, EntryState::FailedClean { ended_at: second(100) });
}
