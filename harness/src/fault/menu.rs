//! Menus: which faults are possible at an operation, and which of them exploration tries.
//!
//! The first entry of every menu, *nothing goes wrong*, is not listed. A menu is much smaller than what a plan may
//! say: [`validate`] knows the latter. At a read, what comes after the effect equals what comes before it, so that
//! nothing of that moment is on its menu.

use std::sync::LazyLock;
use std::time::Duration;

use giftgenius::ports::Provider;

use super::site::Place;
use super::{
    Act, Acting, Circumstance, Contradiction, CrashPoint, Encoding, Expiry, Fault, ForeignBody, Forgery, HostFault,
    OddRetryAfter, RetryAfter, Unasked,
};
use crate::provider::operations::Refusal;
use crate::provider::{DECLINES, OperationSpec};

pub mod breadth;
mod combine;
mod every;
mod malformed;
mod possible;

pub use breadth::{Breadth, over_time};
pub use combine::{Contrary, can_combine, combine};
pub use possible::{Impossible, in_range, validate};

/// The statuses that a whole reply can have.
pub const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// One fault for each class that a client can tell apart, at most [`FULL_MAX`] at a request; [`all`] has every variant.
pub fn full(place: impl Into<Place>) -> &'static [Fault] {
    static MENUS: LazyLock<Vec<Vec<Fault>>> = LazyLock::new(|| {
        let menu = |place| match place {
            Place::Request(operation) => full_menu(operation),
            Place::HostCall => host_menu(),
            Place::JournalRead => vec![Fault::Yield, Fault::Busy, Fault::Corrupt],
            Place::JournalWrite => full_write_menu(),
            Place::Webhook => full_event_menu(),
        };
        Place::all().map(menu).collect()
    });
    &MENUS[place.into().index()]
}

/// How many entries the full menu of a request has at most: two faults at once are tried from it.
pub const FULL_MAX: usize = 40;

/// Every variant of every fault: for one fault at a time.
pub fn all(place: impl Into<Place>) -> &'static [Fault] {
    static MENUS: LazyLock<Vec<Vec<Fault>>> = LazyLock::new(|| {
        let menu = |place: Place| match place {
            Place::Request(operation) => every::menu(operation, full(place)),
            Place::HostCall => every::at_a_call(full(place)),
            Place::JournalRead => every::at_a_read(full(place)),
            Place::JournalWrite | Place::Webhook => full(place).to_vec(),
        };
        Place::all().map(menu).collect()
    });
    &MENUS[place.into().index()]
}

/// Of the host's ways one a class: the same call again, the same purchase again and at once, a person who moves in the middle
/// of it. `stubborn`, `loop`, `regenerate` and `concurrent` are more of the first two; the others leave the sale alone, or begin
/// another one. With more of them three faults of the checkout would take longer than twenty seconds where a provider
/// ignores keys.
const CORE_OF_THE_HOST: [HostFault; 3] = [HostFault::Repeat, HostFault::DoubleClick, HostFault::GoBack];

/// About fourteen faults: one for each moment and each way in which a client can take it.
pub fn core(place: impl Into<Place>) -> &'static [Fault] {
    static MENUS: LazyLock<Vec<Vec<Fault>>> = LazyLock::new(|| {
        let menu = |place| match place {
            Place::Request(operation) => core_menu(operation),
            Place::HostCall => {
                let host = CORE_OF_THE_HOST.map(Fault::Host).into_iter();
                host.chain([Fault::Acts(Acting::after(Act::Refund))]).collect()
            }
            Place::JournalRead => Vec::new(),
            Place::JournalWrite => vec![Fault::Busy, Fault::Crash(CrashPoint::AfterWrite), Fault::Jump(Expiry::Lease)],
            Place::Webhook => vec![Fault::Twice, Fault::Late, Fault::Never],
        };
        Place::all().map(menu).collect()
    });
    &MENUS[place.into().index()]
}

/// Every way in which the host misbehaves, and nothing else.
pub fn host(place: impl Into<Place>) -> &'static [Fault] {
    static MENU: LazyLock<Vec<Fault>> = LazyLock::new(|| HostFault::ALL.map(Fault::Host).to_vec());
    if place.into() == Place::HostCall { &MENU } else { &[] }
}

/// Whether a provider can act on what a request for an operation is about.
fn acts_at(operation: &OperationSpec, act: Act) -> bool {
    match act {
        Act::Refund | Act::PartialRefund | Act::Dispute => {
            operation.provider == Provider::Payment && operation.subject_field.is_some()
        }
        Act::CancelReservation => operation.provider == Provider::Inventory,
    }
}

/// Whether its replies have what a contradiction stands in.
fn can_contradict(operation: &OperationSpec, how: Contradiction) -> bool {
    match how {
        Contradiction::BelowNothing | Contradiction::Beyond | Contradiction::NothingBack | Contradiction::Overflow => {
            lists_charges(operation)
        }
        Contradiction::Currency => {
            operation.provider == Provider::Payment
                && (lists_charges(operation) || fields(operation).any(|field| field == "currency"))
        }
        Contradiction::MoreHeld => operation.label == "inventory.reserve",
    }
}

/// Whether its replies list charges, in whose figures a contradiction can stand.
fn lists_charges(operation: &OperationSpec) -> bool {
    fields(operation).any(|field| field == "charges")
}

/// The fields of a reply that faults can name: JSON pointers without the leading slash.
fn fields(operation: &OperationSpec) -> impl Iterator<Item = &'static str> + Clone + use<> {
    operation.reply_fields.iter().map(|field| field.trim_start_matches('/'))
}

fn full_menu(operation: &OperationSpec) -> Vec<Fault> {
    let mut menu = vec![
        Fault::Refuse,
        Fault::LostRequest,
        Fault::Status(500, None),
        Fault::Status(503, Some(RetryAfter::Seconds(2))),
        Fault::Status(429, Some(RetryAfter::Seconds(1))),
        Fault::Status(400, None),
        Fault::Reset,
    ];
    if operation.effectful {
        menu.extend([
            Fault::Stall,
            Fault::LostReply,
            Fault::StatusAfter(500, None, ForeignBody::Json),
            Fault::StatusAfter(503, None, ForeignBody::Html),
            // A success, a redirect and a refusal that the provider never said.
            Fault::StatusAfter(202, None, ForeignBody::Json),
            Fault::StatusAfter(302, None, ForeignBody::Html),
            Fault::StatusAfter(409, None, ForeignBody::Text),
            Fault::ResetAfter,
        ]);
    }
    menu.extend([
        Fault::Delay(Duration::from_millis(300)),
        Fault::Delay(Duration::from_secs(5)),
        Fault::Cut,
        Fault::Garbage,
        Fault::Trickle,
    ]);
    if operation.subject_field.is_some() {
        menu.push(Fault::OtherReply);
    }
    menu.extend(fields(operation).map(|field| Fault::MissingField(field.to_owned())));
    menu.extend(fields(operation).take(1).map(|field| Fault::WrongType(field.to_owned())));
    if operation.amount_field.is_some() {
        menu.push(Fault::WrongAmount);
    }
    let unasked = Unasked::ALL.into_iter().filter(|what| what.operation() == operation.label);
    menu.extend(unasked.map(Fault::Unasked));
    if lists_charges(operation) {
        menu.extend([Contradiction::BelowNothing, Contradiction::NothingBack].map(Fault::Contradicting));
    }
    if operation.effectful {
        menu.extend([Fault::Duplicate, Fault::LateDuplicate]);
    }
    menu.extend(operation.refusals.iter().flat_map(|refusal| circumstances(*refusal).into_iter().take(1)));
    menu.extend(acts(operation).iter().copied().map(Fault::Acts));
    menu.push(Fault::Crash(CrashPoint::BeforeSend));
    if operation.effectful {
        menu.push(Fault::Crash(CrashPoint::AfterSend));
    }
    menu.extend([Fault::Crash(CrashPoint::AfterReply), Fault::HangUp]);
    menu
}

/// What a provider does on its own at an operation: to a charge once it is made, else before it is asked about.
fn acts(operation: &OperationSpec) -> &'static [Acting] {
    const HELD: Acting = Acting::after(Act::CancelReservation);
    const ONCE_MADE: &[Acting] = &[Acting::after(Act::Refund)];
    const BEFORE: &[Acting] =
        &[Acting::before(Act::Refund), Acting::before(Act::PartialRefund), Acting::before(Act::Dispute)];
    match operation.label {
        "payment.charge" => ONCE_MADE,
        "payment.look_up" | "payment.refund" | "payment.cancel" => BEFORE,
        "inventory.reserve" => &[HELD],
        _ => &[],
    }
}

fn host_menu() -> Vec<Fault> {
    let jumps = Expiry::ALL.map(Fault::Jump);
    let acts = Act::ALL.map(Acting::after).map(Fault::Acts);
    [Fault::Crash(CrashPoint::BeforeCall)]
        .into_iter()
        .chain(acts)
        .chain(jumps)
        .chain(HostFault::ALL.map(Fault::Host))
        .collect()
}

fn full_event_menu() -> Vec<Fault> {
    let delivered = [
        Fault::BeforeReply,
        Fault::Twice,
        Fault::Copies(4),
        Fault::Again,
        Fault::Late,
        Fault::Reordered,
        Fault::Never,
        Fault::OtherKind,
        Fault::UnknownOrder,
    ];
    delivered.into_iter().chain(Forgery::ALL.map(Fault::Forged)).collect()
}

fn full_write_menu() -> Vec<Fault> {
    let mut menu = vec![
        Fault::Crash(CrashPoint::BeforeWrite),
        Fault::Crash(CrashPoint::AfterWrite),
        Fault::Yield,
        Fault::Busy,
        Fault::Full,
        Fault::Slow(Duration::from_secs(1)),
        Fault::HangUp,
    ];
    menu.extend(Expiry::ALL.map(Fault::Jump));
    menu
}

fn core_menu(operation: &OperationSpec) -> Vec<Fault> {
    let mut menu = vec![
        Fault::Refuse,
        Fault::LostRequest,
        // One that proves nothing and one that proves that nothing was done.
        Fault::Status(500, None),
        Fault::Status(429, Some(RetryAfter::Seconds(1))),
        Fault::Status(400, None),
    ];
    if operation.effectful {
        menu.extend([Fault::LostReply, Fault::StatusAfter(500, None, ForeignBody::Json)]);
    }
    menu.push(Fault::Garbage);
    if operation.amount_field.is_some() {
        menu.extend([Fault::OtherReply, Fault::WrongAmount]);
    }
    if operation.effectful {
        menu.extend([Fault::Duplicate, Fault::LateDuplicate]);
    }
    let refusals = operation.refusals.iter().filter(|refusal| is_core(**refusal));
    menu.extend(refusals.flat_map(|refusal| circumstances(*refusal).into_iter().take(1)));
    menu.push(Fault::Crash(if operation.effectful { CrashPoint::AfterSend } else { CrashPoint::BeforeSend }));
    menu
}

/// The refusal that a circumstance brings about.
const fn refusal(circumstance: &Circumstance) -> Refusal {
    match circumstance {
        Circumstance::Declined(_) => Refusal::Declined,
        Circumstance::OutOfStock => Refusal::OutOfStock,
        Circumstance::PartialReserve => Refusal::PartialReserve,
        Circumstance::Stale => Refusal::Stale,
        Circumstance::PriceChanged => Refusal::PriceChanged,
        Circumstance::ReservationExpired => Refusal::ReservationExpired,
        Circumstance::Processing => Refusal::Processing,
        Circumstance::RequiresAction => Refusal::RequiresAction,
        Circumstance::WrongAmountCharged => Refusal::WrongAmountCharged,
        Circumstance::RefundFailsLater => Refusal::RefundFailsLater,
        Circumstance::KeyExpired => Refusal::KeyExpired,
        Circumstance::InFlight => Refusal::InFlight,
    }
}

/// The circumstances tried for a refusal.
fn circumstances(refusal: Refusal) -> Vec<Fault> {
    let circumstances = match refusal {
        Refusal::Declined => DECLINES.map(|code| Circumstance::Declined(code.to_owned())).to_vec(),
        Refusal::OutOfStock => vec![Circumstance::OutOfStock],
        Refusal::PartialReserve => vec![Circumstance::PartialReserve],
        Refusal::Stale => vec![Circumstance::Stale],
        Refusal::PriceChanged => vec![Circumstance::PriceChanged],
        Refusal::ReservationExpired => vec![Circumstance::ReservationExpired],
        Refusal::Processing => vec![Circumstance::Processing],
        Refusal::RequiresAction => vec![Circumstance::RequiresAction],
        Refusal::WrongAmountCharged => vec![Circumstance::WrongAmountCharged],
        Refusal::RefundFailsLater => vec![Circumstance::RefundFailsLater],
        Refusal::KeyExpired => vec![Circumstance::KeyExpired],
        Refusal::InFlight => vec![Circumstance::InFlight],
    };
    circumstances.into_iter().map(Fault::Circumstance).collect()
}

/// Whether a refusal is a class of its own. What is left out is taken like something that is not: a price that changes
/// like an old one, a forgotten key like a repetition, an earlier copy at work like a reply that is lost, another amount
/// that is charged like one that is told.
const fn is_core(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Declined
        | Refusal::OutOfStock
        | Refusal::PartialReserve
        | Refusal::Stale
        | Refusal::ReservationExpired
        | Refusal::Processing
        | Refusal::RequiresAction
        | Refusal::RefundFailsLater => true,
        Refusal::PriceChanged | Refusal::WrongAmountCharged | Refusal::KeyExpired | Refusal::InFlight => false,
    }
}

#[cfg(test)]
mod tests;
