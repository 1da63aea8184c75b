//! What is on the menus, and what is refused.

use super::*;
use crate::fault::Moment;
use crate::fault::plan::DELAY_MAX;
use crate::provider::operations::{ALL, CHARGE, LOOK_UP, QUOTE, RELEASE, RESERVE, SEARCH};

fn written(menu: &[Fault]) -> Vec<String> {
    menu.iter().map(ToString::to_string).collect()
}

#[test]
fn the_full_menu_of_a_charge() {
    assert_eq!(
        written(full(&CHARGE)),
        [
            "refuse",
            "lost_request",
            "status(500)",
            "status(503, retry_after=2)",
            "status(429, retry_after=1)",
            "status(400)",
            "reset",
            "stall",
            "lost_reply",
            "status_after(500)",
            "status_after(503, body=html)",
            "status_after(202)",
            "status_after(302, body=html)",
            "status_after(409, body=text)",
            "reset_after",
            "delay(ms=300)",
            "delay(ms=5000)",
            "cut",
            "garbage",
            "trickle",
            "other_reply",
            "missing_field(id)",
            "missing_field(amount)",
            "missing_field(currency)",
            "missing_field(status)",
            "wrong_type(id)",
            "wrong_amount",
            "duplicate",
            "late_duplicate",
            "declined(insufficient_funds)",
            "processing",
            "requires_action",
            "wrong_amount_charged",
            "key_expired",
            "in_flight",
            "acts(refund)",
            "crash(before_send)",
            "crash(after_send)",
            "crash(after_reply)",
            "hang_up",
        ]
    );
}

#[test]
fn the_core_menu_of_a_charge() {
    assert_eq!(
        written(core(&CHARGE)),
        [
            "refuse",
            "lost_request",
            "status(500)",
            "status(429, retry_after=1)",
            "status(400)",
            "lost_reply",
            "status_after(500)",
            "garbage",
            "other_reply",
            "wrong_amount",
            "duplicate",
            "late_duplicate",
            "declined(insufficient_funds)",
            "processing",
            "requires_action",
            "crash(after_send)",
        ]
    );
}

#[test]
fn the_core_menu_of_a_call() {
    assert_eq!(written(core(Place::HostCall)), ["repeat", "double_click", "go_back", "acts(refund)"]);
}

#[test]
fn the_menus_of_an_event() {
    assert_eq!(
        written(full(Place::Webhook)),
        [
            "before_reply",
            "twice",
            "copies(4)",
            "again",
            "late",
            "reordered",
            "never",
            "other_kind",
            "unknown_order",
            "forged(signature)",
            "forged(stale)",
            "forged(future)",
            "forged(cut)",
            "forged(padded)",
            "forged(altered)",
            "forged(moved)",
            "forged(doubled)"
        ]
    );
    assert_eq!(written(core(Place::Webhook)), ["twice", "late", "never"]);
}

#[test]
fn every_entry_is_possible_and_stands_once_and_core_is_part_of_full() {
    for place in Place::all() {
        let menu = full(place);
        for (index, fault) in menu.iter().enumerate() {
            assert_eq!(validate(place, fault), Ok(()), "{}: {fault}", place.label());
            assert!(!menu[..index].contains(fault), "{}: {fault}", place.label());
        }
        assert!(core(place).iter().all(|fault| menu.contains(fault)));
    }
    for operation in ALL {
        assert!(full(operation).len() <= FULL_MAX, "{}: {}", operation.label, full(operation).len());
        assert!(full(operation).iter().all(|fault| all(operation).contains(fault)), "{}", operation.label);
        for (index, fault) in all(operation).iter().enumerate() {
            assert_eq!(validate(operation, fault), Ok(()), "{}: {fault}", operation.label);
            assert!(!all(operation)[..index].contains(fault), "{}: {fault}", operation.label);
        }
        assert!((7..=16).contains(&core(operation).len()), "{}", operation.label);
    }
}

#[test]
fn a_read_has_nothing_after_its_effect() {
    for operation in ALL.iter().filter(|operation| !operation.effectful) {
        let moments = |moment| full(*operation).iter().any(|fault| fault.moment() == moment);
        assert!(!moments(Moment::After) && !moments(Moment::Repetition), "{}", operation.label);
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let field = |field: &str| Fault::MissingField(field.to_owned());
    for (operation, fault, expected) in [
        (&LOOK_UP, Fault::Duplicate, "`payment.look_up` changes nothing, so `duplicate` cannot happen to it; `delay`"),
        (&LOOK_UP, Fault::Stall, "`lost_request` is what it can have"),
        (&SEARCH, Fault::OtherReply, "`catalog.search` does not say what it is about"),
        (&LOOK_UP, Fault::StatusAfter(500, None, ForeignBody::Json), "`status` is what it can have"),
        (&CHARGE, field("idd"), "has no field `idd` that is counted on: it has id, amount, currency, status"),
        (&RELEASE, Fault::WrongAmount, "`inventory.release` tells no amount"),
        (&QUOTE, Fault::Circumstance(Circumstance::PartialReserve), "`partial_reserve` is nothing that can come of"),
        (&CHARGE, Fault::Contradicting(Contradiction::Beyond), "one of `payment.look_up` or `payment.cancel` can"),
        (&LOOK_UP, Fault::Contradicting(Contradiction::MoreHeld), "`more_held`; one of `inventory.reserve` can"),
        (&CHARGE, Fault::Status(199, None), "from 200 to 599, not 199"),
        (&CHARGE, Fault::StatusAfter(600, None, ForeignBody::Json), "from 200 to 599, not 600"),
        (&CHARGE, Fault::Delay(Duration::ZERO), "from 1 to 3600000 ms"),
        (&CHARGE, Fault::Delay(Duration::from_micros(1500)), "whole milliseconds"),
        (&CHARGE, Fault::Delay(DELAY_MAX + Duration::from_millis(1)), "from 1 to"),
        (&CHARGE, Fault::Circumstance(Circumstance::Declined("a; b".to_owned())), "a decline code is"),
    ] {
        let error = validate(operation, &fault).expect_err("it cannot be").to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (place, fault, expected) in [
        (Place::JournalWrite, Fault::LostReply, "`lost_reply` cannot happen at `journal.write`, but at a request"),
        (Place::JournalRead, Fault::Full, "but at `journal.write`"),
        (Place::HostCall, Fault::Busy, "but at `journal.read` or `journal.write`"),
        (Place::JournalWrite, Fault::Crash(CrashPoint::AfterSend), "`crash(after_send)` cannot happen at"),
        ((&CHARGE).into(), Fault::Crash(CrashPoint::AfterWrite), "but at `journal.write`"),
        ((&CHARGE).into(), Fault::Jump(Expiry::Key), "but at `host.call` or `journal.write`"),
        (
            Place::HostCall,
            Fault::Acts(Acting::before(Act::Refund)),
            "`acts(refund, before)` cannot happen at `host.call`",
        ),
        ((&RESERVE).into(), Fault::Acts(Acting::after(Act::Dispute)), "but at a request of `payment` for an order"),
        ((&CHARGE).into(), Fault::Acts(Acting::after(Act::CancelReservation)), "but at a request of `inventory`"),
        (Place::HostCall, Fault::Acts(Acting::after(Act::CancelReservation).untold()), "is told of by no event"),
        ((&CHARGE).into(), Fault::Late, "`late` cannot happen at `payment.charge`, but at `webhook.event`"),
        (Place::HostCall, Fault::Forged(Forgery::Stale), "but at `webhook.event`"),
        (Place::Webhook, Fault::LateDuplicate, "but at a request"),
        (Place::Webhook, Fault::Busy, "but at `journal.read` or `journal.write`"),
        (Place::Webhook, Fault::Jump(Expiry::Key), "but at `host.call` or `journal.write`"),
    ] {
        let error = validate(place, &fault).expect_err("it cannot be").to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(validate(&LOOK_UP, &Fault::LostReply), Ok(()));
    assert_eq!(validate(&RESERVE, &Fault::Circumstance(Circumstance::PartialReserve)), Ok(()));
}

#[test]
fn the_core_menu_over_time_is_part_of_the_full_one_and_stands_once() {
    let full = over_time(Breadth::Full);
    for (index, fault) in full.iter().enumerate() {
        assert!(!full[..index].contains(fault), "{fault}");
        assert!(fault.at(fault.window().0).is_some(), "{fault} strikes the first request of its window");
    }
    assert!(over_time(Breadth::Core).iter().all(|fault| full.contains(fault)));
}
