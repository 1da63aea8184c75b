//! The state machine as a table, and its laws under any outcomes.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::*;
use crate::money::{Currency, Money};
use crate::policy::PaymentProfile::{Keyless, Stripe};

fn captured() -> Outcome {
    Outcome::Captured { charge_id: "ch_1".into(), minor_units: 4200, alone: true, told: true, refunded: 0 }
}

fn wrong_amount() -> Outcome {
    Outcome::WrongAmount { charge_id: "ch_1".into(), taken: Money::new(4300, Currency::EUR) }
}

fn twice() -> Outcome {
    Outcome::Captured { charge_id: "ch_1".into(), minor_units: 4200, alone: false, told: false, refunded: 0 }
}

/// Every outcome that an action can come to, the best first.
pub(crate) fn outcomes(action: &Action) -> Vec<Outcome> {
    let declined = || Cause::Declined(String::from("expired_card"));
    match action {
        Action::Reserve { .. } => vec![
            Outcome::Held,
            Outcome::NotHeld(Cause::OutOfStock(String::from("tea-set"))),
            Outcome::HoldUnknown(Cause::InventoryUnavailable),
        ],
        Action::Charge | Action::Settle => vec![
            captured(),
            twice(),
            wrong_amount(),
            Outcome::NotCaptured(declined()),
            Outcome::Unsettled,
            Outcome::UnsettledGoBack(Cause::PaymentUnavailable),
            Outcome::GaveUp,
        ],
        Action::Commit { .. } => vec![
            Outcome::Committed,
            Outcome::ReservationGone,
            Outcome::CommitRefused(Cause::InventoryRefused),
            Outcome::CommitUnclear(Cause::InventoryRefused),
            Outcome::GaveUp,
        ],
        Action::Recheck => vec![
            Outcome::Swept,
            Outcome::GivenBack { done: false },
            Outcome::RefundFailed,
            Outcome::LostTrack,
            Outcome::GaveUp,
        ],
        Action::Sweep => {
            vec![Outcome::Swept, Outcome::GivenBack { done: false }, Outcome::RefundFailed, Outcome::GaveUp]
        }
        Action::UndoCharge => vec![
            Outcome::Undone,
            Outcome::GivenBack { done: true },
            Outcome::GivenBack { done: false },
            Outcome::CloseRefused,
            Outcome::LostTrack,
            Outcome::GaveUp,
        ],
        Action::ConfirmRefund => {
            vec![Outcome::Undone, Outcome::RefundFailed, Outcome::GivenBack { done: false }, Outcome::GaveUp]
        }
        Action::Restock { .. } | Action::Release { .. } => vec![Outcome::Undone, Outcome::GaveUp],
        Action::End(_) => Vec::new(),
    }
}

fn actions() -> Vec<Action> {
    let epoch = 1;
    vec![
        Action::Reserve { epoch },
        Action::Charge,
        Action::Settle,
        Action::Commit { epoch },
        Action::Sweep,
        Action::Recheck,
        Action::Restock { epoch },
        Action::UndoCharge,
        Action::Release { epoch },
        Action::ConfirmRefund,
        Action::End(Ending::Paid),
    ]
}

#[test]
fn an_action_comes_to_its_own_outcomes_and_to_no_other() {
    let every: Vec<Outcome> = actions().iter().flat_map(outcomes).collect();
    for action in actions() {
        let own = outcomes(&action);
        for outcome in &every {
            let mut saga = Saga::new();
            let applied = saga.apply(&action, outcome.clone());
            // Causes are told apart by nobody but the answer: an action takes any.
            let is_own = own.iter().any(|own| std::mem::discriminant(own) == std::mem::discriminant(outcome));
            assert_eq!(applied.is_ok(), is_own, "{action:?} to {outcome:?}");
            assert!(is_own || saga == Saga::new(), "a refused outcome changes nothing");
        }
    }
}

/// Drives a saga through outcomes from its beginning.
fn after(profile: PaymentProfile, path: &[Outcome]) -> Saga {
    let mut saga = Saga::new();
    for outcome in path {
        let action = saga.next(profile);
        saga.begin(&action);
        saga.apply(&action, outcome.clone()).expect("the path is legal");
    }
    saga
}

#[test]
fn each_outcome_leads_to_its_next_action() {
    use Outcome::{
        CloseRefused, CommitRefused, CommitUnclear, Committed, GaveUp, GivenBack, Held, HoldUnknown, LostTrack,
        NotCaptured, NotHeld, ReservationGone, Swept, Undone, Unsettled, UnsettledGoBack,
    };
    let back = || GivenBack { done: true };
    let (stock, down, refused) =
        (|| Cause::OutOfStock(String::from("tea-set")), || Cause::PaymentUnavailable, || Cause::InventoryRefused);
    let paths: Vec<(Vec<Outcome>, &str)> = vec![
        (vec![], "Reserve { epoch: 1 }"),
        (vec![Held], "Charge"),
        (vec![NotHeld(stock())], "End(Cancelled)"),
        (vec![HoldUnknown(stock())], "Release { epoch: 1 }"),
        (vec![HoldUnknown(stock()), Undone], "End(Cancelled)"),
        (vec![HoldUnknown(stock()), GaveUp], "End(Parked"),
        (vec![Held, NotCaptured(down())], "Release { epoch: 1 }"),
        (vec![Held, Unsettled], "Settle"),
        (vec![Held, Unsettled, Unsettled], "Settle"),
        (vec![Held, Unsettled, GaveUp], "End(Parked"),
        (vec![Held, Unsettled, NotCaptured(down())], "Release { epoch: 1 }"),
        (vec![Held, UnsettledGoBack(down())], "UndoCharge"),
        (vec![Held, UnsettledGoBack(down()), CloseRefused], "UndoCharge"),
        (vec![Held, UnsettledGoBack(down()), Undone], "Release { epoch: 1 }"),
        // The money may be on its way: the stock stays reserved.
        (vec![Held, UnsettledGoBack(down()), GaveUp], "End(Parked"),
        (vec![Held, wrong_amount()], "UndoCharge"),
        // What is given back is confirmed last, and given back again if that failed; a person sees to it at last.
        (vec![Held, wrong_amount(), back()], "Release { epoch: 1 }"),
        (vec![Held, wrong_amount(), back(), Undone], "ConfirmRefund"),
        (vec![Held, wrong_amount(), back(), Undone, Undone], "End(Cancelled)"),
        (vec![Held, wrong_amount(), back(), Undone, GaveUp], "End(Parked"),
        (vec![Held, wrong_amount(), back(), Undone, Outcome::RefundFailed], "UndoCharge"),
        // Money that is only on its way back still stands.
        (vec![Held, wrong_amount(), GivenBack { done: false }], "ConfirmRefund"),
        (vec![Held, wrong_amount(), GivenBack { done: false }, Undone], "Release { epoch: 1 }"),
        (vec![Held, wrong_amount(), back(), Undone, Outcome::RefundFailed, back()], "ConfirmRefund"),
        (
            vec![Held, wrong_amount(), back(), Undone, Outcome::RefundFailed, back(), Outcome::RefundFailed],
            "UndoCharge",
        ),
        (
            vec![
                Held,
                wrong_amount(),
                back(),
                Undone,
                Outcome::RefundFailed,
                back(),
                Outcome::RefundFailed,
                back(),
                Outcome::RefundFailed,
            ],
            "End(Parked",
        ),
        (vec![Held, wrong_amount(), LostTrack], "End(Parked"),
        // The money stands for certain and the sale is off: the stock need not wait for a person.
        (vec![Held, wrong_amount(), GaveUp], "Release { epoch: 1 }"),
        (vec![Held, wrong_amount(), GaveUp, Undone], "End(Parked"),
        (vec![Held, captured()], "Commit { epoch: 1 }"),
        (vec![Held, captured(), Committed], "End(Paid)"),
        (vec![Held, captured(), GaveUp], "End(Parked"),
        // A second charge is looked after even where the provider deduplicates, and its refund confirmed.
        (vec![Held, twice(), Committed], "Sweep"),
        (vec![Held, twice(), Committed, back()], "Sweep"),
        (vec![Held, twice(), Committed, back(), Outcome::RefundFailed], "Sweep"),
        (vec![Held, twice(), Committed, back(), Swept], "End(Paid)"),
        (vec![Held, captured(), CommitRefused(refused())], "UndoCharge"),
        (vec![Held, captured(), CommitRefused(refused()), Undone], "Release { epoch: 1 }"),
        (vec![Held, captured(), CommitUnclear(refused())], "Restock { epoch: 1 }"),
        (vec![Held, captured(), CommitUnclear(refused()), Undone], "UndoCharge"),
        (vec![Held, captured(), CommitUnclear(refused()), Undone, Undone], "Release { epoch: 1 }"),
        // One undo that is stuck does not block the others.
        (vec![Held, captured(), CommitUnclear(refused()), GaveUp], "UndoCharge"),
        (vec![Held, captured(), ReservationGone], "Reserve { epoch: 2 }"),
        (vec![Held, captured(), ReservationGone, Held], "Commit { epoch: 2 }"),
        (vec![Held, captured(), ReservationGone, NotHeld(stock())], "UndoCharge"),
        (vec![Held, captured(), ReservationGone, HoldUnknown(stock()), Undone], "Release { epoch: 2 }"),
        (vec![Held, captured(), ReservationGone, Held, ReservationGone], "UndoCharge"),
        (vec![Held, captured(), ReservationGone, Held, ReservationGone, Undone], "End(Cancelled)"),
    ];
    for (path, next) in paths {
        let shown = format!("{:?}", after(Stripe, &path).next(Stripe));
        assert!(shown.starts_with(next), "{path:?} leads to {shown}, not to {next}");
    }
    assert_eq!(after(Keyless, &[Held, captured(), Committed]).next(Keyless), Action::Sweep);
    let swept = after(Keyless, &[Held, captured(), Committed, Swept]);
    assert_eq!(swept.next(Keyless), Action::End(Ending::Paid));
    let lost = after(Stripe, &[Held, captured(), ReservationGone, NotHeld(stock())]);
    assert_eq!(lost.direction, Direction::Back(Cause::ReservationLost), "whatever the second refusal says");
}

/// Takes a paid order back, or one whose charge was not sent; as `cancel_order` and the engine do.
fn cancel(saga: &mut Saga) {
    let before_charge = saga.direction == Direction::Forward && saga.charge == Charge::NotSent && saga.ending.is_none();
    if before_charge || saga.ending == Some(Ending::Paid) {
        saga.direction = Direction::Back(Cause::CancelledByUser);
        saga.ending = None;
    }
}

/// Every saga that can be reached under a profile, the marked intents and the endings included.
pub(crate) fn reachable(profile: PaymentProfile) -> Vec<Saga> {
    let text = |saga: &Saga| serde_json::to_string(saga).expect("a saga is JSON");
    let (mut seen, mut found, mut next) = (BTreeSet::new(), Vec::new(), vec![Saga::new()]);
    while let Some(saga) = next.pop() {
        if !seen.insert(text(&saga)) {
            continue;
        }
        let mut cancelled = saga.clone();
        cancel(&mut cancelled);
        next.push(cancelled);
        // What an event may bring after the end.
        let over = matches!(saga.ending, Some(Ending::Paid | Ending::Cancelled)).then_some(Action::Recheck);
        for action in [saga.next(profile)].into_iter().chain(over) {
            let mut begun = saga.clone();
            begun.begin(&action);
            next.push(begun.clone());
            for outcome in outcomes(&action) {
                let mut after = begun.clone();
                after.apply(&action, outcome).expect("an action takes its outcomes");
                next.push(after);
            }
        }
        found.push(saga);
    }
    found
}

#[test]
fn a_saga_reads_back_from_the_journal_as_itself_wherever_it_stands() {
    for profile in [Stripe, Keyless] {
        for saga in reachable(profile) {
            let text = serde_json::to_string(&saga).unwrap();
            let back: Saga = serde_json::from_str(&text).unwrap();
            assert_eq!(back, saga);
            assert_eq!(back.next(profile), saga.next(profile));
        }
    }
}

#[test]
fn what_is_over_says_nothing_but_what_stands() {
    for profile in [Stripe, Keyless] {
        for saga in reachable(profile) {
            let clear = matches!(saga.charge, Charge::NotSent | Charge::Void)
                && matches!(saga.reserve, Reserve::NotSent { .. } | Reserve::Free)
                && matches!(saga.commit, Commit::NotSent | Commit::Restocked);
            let sold = matches!(saga.charge, Charge::Captured { .. }) && saga.commit == Commit::Done;
            match &saga.ending {
                None => {}
                Some(Ending::Paid) => assert!(sold && saga.direction == Direction::Forward, "{saga:?}"),
                Some(Ending::Cancelled) => assert!(clear && saga.direction != Direction::Forward, "{saga:?}"),
                Some(Ending::Parked { note }) => {
                    let only_heard_of = note.contains("could not be asked");
                    assert!(
                        (!clear || only_heard_of) && !note.starts_with(';'),
                        "a person is told what stands: {saga:?}"
                    );
                }
            }
        }
    }
}

fn rank(action: &Action) -> u8 {
    match action {
        Action::Restock { .. } => 1,
        Action::UndoCharge => 2,
        Action::Release { .. } => 3,
        Action::ConfirmRefund => 4,
        Action::End(_) => 5,
        Action::Reserve { .. }
        | Action::Charge
        | Action::Settle
        | Action::Commit { .. }
        | Action::Sweep
        | Action::Recheck => 0,
    }
}

proptest! {
    /// `picks` choose among each action's outcomes; after them everything goes as well as it can.
    #[test]
    fn whatever_happens_a_sale_ends_whole_and_undoes_in_order(
        profile in prop_oneof![Just(Stripe), Just(Keyless)],
        picks in vec(any::<u8>(), 0..24),
        cancel_at in any::<Option<u8>>().prop_map(|at| at.map(|at| usize::from(at % 24))),
    ) {
        let mut saga = Saga::new();
        let mut charges = 0;
        let mut undone = 0;
        for step in 0.. {
            assert!(step < picks.len() + 16, "no end: {saga:?}");
            if cancel_at == Some(step) {
                cancel(&mut saga);
            }
            let action = saga.next(profile);
            let back = saga.direction != Direction::Forward;
            let unknown = matches!(saga.charge, Charge::Sending | Charge::Stuck { captured: false });
            assert!(!(unknown && matches!(action, Action::Release { .. })), "released under an unknown charge: {saga:?}");
            assert!(!back || rank(&action) >= undone.max(1), "{action:?} after {undone}: {saga:?}");
            // A refund that failed is asked for again.
            undone = if back && action != Action::ConfirmRefund { rank(&action) } else { 0 };
            charges += u32::from(action == Action::Charge);
            saga.begin(&action);
            // A death here: the next life has the record only.
            saga = serde_json::from_str(&serde_json::to_string(&saga).unwrap()).unwrap();
            if let Action::End(_) = action {
                // Taken back after it was paid: once more from here.
                if cancel_at.is_some_and(|at| at > step) && saga.ending == Some(Ending::Paid) {
                    cancel(&mut saga);
                    continue;
                }
                break;
            }
            let outcomes = outcomes(&action);
            let pick = picks.get(step).map_or(0, |pick| usize::from(*pick) % outcomes.len());
            saga.apply(&action, outcomes[pick].clone()).unwrap();
            assert!(!back || saga.direction != Direction::Forward, "forward again: {saga:?}");
        }
        assert!(charges <= 1, "{charges} charges");
        assert!(saga.ending.is_some());
    }
}
