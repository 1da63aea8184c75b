//! Records to write: small, told apart by their id and payload.

use jiff::Timestamp;
use serde_json::json;

use crate::checkout::entry::{Entry, EntryKey, EntryState, SavedReply};
use crate::checkout::order::{Item, Order, Page};
use crate::checkout::session::{Session, SessionState};
use crate::checkout::state::{Charge, Ending, Saga};
use crate::journal::Record;
use crate::money::{Currency, Money};
use crate::operations::switches::Switches;
use crate::webhooks::event::EventType;
use crate::webhooks::record::{SeenEvent, UnknownPayment};
use crate::workflow::{Step, Workflow};

/// `seconds` after 1970.
pub(crate) fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A saga with work left.
pub(crate) fn open() -> Saga {
    Saga::new()
}

/// A saga that waits for a person.
pub(crate) fn parked() -> Saga {
    Saga { ending: Some(Ending::Parked { note: String::from("a charge may stand; look it up") }), ..Saga::new() }
}

/// A saga that is over.
pub(crate) fn paid() -> Saga {
    Saga { ending: Some(Ending::Paid), ..Saga::new() }
}

pub(crate) fn order(id: &str, saga: Saga) -> Record {
    Record::Order(Order {
        id: id.into(),
        session_id: "cs_1".into(),
        user: "ann".into(),
        workflow_id: None,
        correlation_id: "cor_1".into(),
        entry: entry_key("ann", "create_order", "k"),
        cancel_entry: None,
        retry_after_ms: None,
        amount: Money::new(4200, Currency::EUR),
        items: [Item { sku: "tea-set".into(), quantity: 1 }].into(),
        payment_method_id: "pm_1".into(),
        created_at: second(0),
        pay_by: second(1800),
        saga,
        paid_at: None,
        background_rounds: 0,
        release_rounds: None,
        lease_until: second(30),
        alerted: false,
        unsold_since: None,
        page: Page::None,
        fence: 1,
        heard: 0,
        looked: 0,
        heard_of_money_back: false,
    })
}

pub(crate) fn workflow(id: &str, payload: u64) -> Record {
    Record::Workflow(Workflow {
        drop_after: None,
        id: id.into(),
        user: "ann".into(),
        step: Step::ChooseGift,
        budget: None,
        selected_gift: Some(payload.to_string().into()),
        session: None,
        moves: 0,
    })
}

/// A payment that belongs to no order.
pub(crate) fn payment(reference: &str) -> Record {
    let note = String::from("a charge stands; find out whose it is");
    Record::Payment(UnknownPayment { reference: reference.into(), since: second(0), note, alerted: false })
}

/// An event that expires at the second `expires`.
pub(crate) fn event(id: &str, expires: i64) -> Record {
    Record::Event(SeenEvent {
        id: id.into(),
        kind: EventType::ChargeCaptured,
        reference: "ord_1".into(),
        seen_at: second(0),
        drop_after: second(expires),
    })
}

fn entry_key(user: &str, tool: &str, key: &str) -> EntryKey {
    EntryKey { user: user.into(), tool: tool.to_owned().into(), key: key.into() }
}

fn entry(key: EntryKey, state: EntryState, drop_after: Option<Timestamp>) -> Record {
    Record::Entry(Entry { key, parameters: "a7".into(), state, drop_after })
}

/// A finished entry that expires at the second `expires`.
pub(crate) fn entry_done(user: &str, tool: &str, key: &str, expires: i64) -> Record {
    let reply = SavedReply { structured: json!({ "user": user, "key": key }), is_error: false };
    let state = EntryState::Done { reply, ended_at: second(0) };
    entry(entry_key(user, tool, key), state, Some(second(expires)))
}

/// An entry somebody works on; `expires` only to see that it does not count.
pub(crate) fn entry_in_progress(user: &str, tool: &str, key: &str, expires: Option<i64>) -> Record {
    let state = EntryState::InProgress { order: "ord_1".into() };
    entry(entry_key(user, tool, key), state, expires.map(second))
}

/// One record of each kind, with values that a careless encoding would change.
pub(crate) fn every_kind() -> Vec<Record> {
    let fine = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
    let reply = SavedReply {
        structured: json!({
            "text": "naïve \u{1F381}\u{0}\"\\/\n\u{2028}",
            "numbers": [0.1, 1e300, -0.0, 9_007_199_254_740_993_u64, i64::MIN, u64::MAX, 123_456_789.012_345_67],
            "nothing": null,
            "": {},
        }),
        is_error: true,
    };
    let charge = Charge::Captured { charge_id: "ch_ü".into(), minor_units: i64::MAX };
    vec![
        Record::Session(Session {
            drop_after: None,
            id: "cs_1".into(),
            user: "ann".into(),
            workflow_id: Some("wf_1".into()),
            items: [Item { sku: "tea-set".into(), quantity: u32::MAX }].into(),
            amount: Money::new(-1, Currency::EUR),
            expires_at: Timestamp::MAX,
            state: SessionState::Taken("ord_1".into()),
            declined: false,
        }),
        order("ord_1", Saga { charge, ..open() }),
        order("ord_2", parked()),
        entry(entry_key("ann", "create_order", "k"), EntryState::FailedFinal { reply, ended_at: fine }, Some(fine)),
        entry(entry_key("ann", "create_order", "l"), EntryState::FailedClean { ended_at: Timestamp::MIN }, None),
        workflow("wf_1", u64::MAX),
        Record::Switches(Switches { checkout: false }),
        Record::Event(SeenEvent {
            id: "evt_1".into(),
            kind: EventType::Other,
            reference: "ord_1".into(),
            seen_at: fine,
            drop_after: Timestamp::MAX,
        }),
        payment("ord_lost"),
    ]
}
