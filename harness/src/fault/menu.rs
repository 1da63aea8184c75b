//! Menus: which faults are possible at an operation, and which of them exploration tries.
//!
//! The first entry of every menu, *nothing goes wrong*, is not listed. A menu is much smaller than what a plan may
//! say: [`validate`] knows the latter. At a read, what comes after the effect equals what comes before it, so that
//! nothing of that moment is on its menu.

use std::sync::LazyLock;
use std::time::Duration;

use super::plan::DELAY_MAX;
use super::site::Place;
use super::{
    Act, Acting, ActsWhen, Circumstance, Contradiction, CrashPoint, Encoding, Expiry, Fault, ForeignBody, Forgery,
    HostFault, Moment, OddRetryAfter, RetryAfter, Unasked,
};
use giftgenius::ports::Provider;

use crate::malform::Class;
use crate::provider::OperationSpec;
use crate::provider::operations::{self, Refusal};
use crate::suggest::nearest;

pub mod breadth;
mod every;
mod malformed;

pub use breadth::{Breadth, over_time};

/// The statuses that a whole reply can have.
pub const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// A fault that an operation cannot have, or that is out of range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Impossible {
    /// It strikes at an effect, and the operation has none.
    #[error("`{operation}` changes nothing, so `{fault}` cannot happen to it; `{instead}` is what it can have")]
    NoEffect {
        /// The fault's name.
        fault: &'static str,
        /// The operation's label.
        operation: &'static str,
        /// What comes closest.
        instead: &'static str,
    },
    /// The reply has no such field.
    #[error("a reply of `{operation}` has no field `{field}` that is counted on: it has {known}")]
    NoField {
        /// As written.
        field: String,
        /// The operation's label.
        operation: &'static str,
        /// What there is.
        known: String,
        /// The nearest field, if one is near.
        nearest: Option<&'static str>,
    },
    /// The reply has no amount.
    #[error("a reply of `{operation}` tells no amount that could be wrong")]
    NoAmount {
        /// The operation's label.
        operation: &'static str,
    },
    /// The reply has no place for it.
    #[error("a reply of `{operation}` cannot hold `{what}`, but one of `{instead}` can")]
    NotAsked {
        /// What would be in it.
        what: &'static str,
        /// The operation's label.
        operation: &'static str,
        /// The operation whose reply can hold it.
        instead: &'static str,
    },
    /// The reply has nothing in which it could contradict itself or the request like that.
    #[error("a reply of `{operation}` has nothing that could be `{what}`; {instead} can")]
    NoContradiction {
        /// How it would contradict itself.
        what: &'static str,
        /// The operation's label.
        operation: &'static str,
        /// The operations whose replies can.
        instead: String,
    },
    /// The reply names nothing that it is about.
    #[error("a reply of `{operation}` does not say what it is about, so nobody could know it for another request's")]
    NoSubject {
        /// The operation's label.
        operation: &'static str,
    },
    /// The provider's business has no such turn.
    #[error("`{circumstance}` is nothing that can come of `{operation}`, but of {instead}")]
    NoRefusal {
        /// The circumstance's name.
        circumstance: &'static str,
        /// The operation's label.
        operation: &'static str,
        /// The operations that it can come of.
        instead: String,
    },
    /// It strikes elsewhere.
    #[error("`{fault}` cannot happen at `{place}`, but at {instead}")]
    Elsewhere {
        /// The fault as written.
        fault: String,
        /// The place's label.
        place: &'static str,
        /// Where it can.
        instead: &'static str,
    },
    /// The status is none that a whole reply has.
    #[error("a fault's status is from {from} to {to}, not {0}", from = STATUSES.start(), to = STATUSES.end())]
    Status(u16),
    /// The delay is none, too long, or not whole.
    #[error("a delay is from 1 to {} ms, in whole milliseconds", DELAY_MAX.as_millis())]
    Delay,
    /// What a host cannot make of a call by itself.
    #[error(
        "a call malformed as `{class}` is no fault of a plan: it is told of by `misrule errors`, or goes over a wire only"
    )]
    NotOfAHost {
        /// The class.
        class: &'static str,
    },
    /// It has no event that could be left out.
    #[error("`{act}` is told of by no event in any case; write `acts({act})`")]
    NoEvent {
        /// The act's name.
        act: &'static str,
    },
    /// The decline code cannot be written.
    #[error("a decline code is one to 64 of `a-z`, `0-9` and `_`, such as `insufficient_funds`")]
    DeclineCode,
}

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

/// Whether a fault can happen at a place.
pub fn validate(place: impl Into<Place>, fault: &Fault) -> Result<(), Impossible> {
    in_range(fault)?;
    match place.into() {
        Place::Request(operation) => at_request(operation, fault),
        own => at_own(own, fault),
    }
}

/// Whether a fault can happen at a place of the system's own, or of the host's.
fn at_own(place: Place, fault: &Fault) -> Result<(), Impossible> {
    let possible = match fault {
        Fault::Acts(acting) => place == Place::HostCall && acting.when == ActsWhen::After,
        Fault::Crash(CrashPoint::BeforeCall) | Fault::Host(_) | Fault::Malformed(_) => place == Place::HostCall,
        Fault::Crash(CrashPoint::BeforeWrite | CrashPoint::AfterWrite) | Fault::Full | Fault::HangUp => {
            place == Place::JournalWrite
        }
        Fault::Corrupt | Fault::Panic => place == Place::JournalRead,
        Fault::Busy | Fault::Slow(_) | Fault::Yield => matches!(place, Place::JournalRead | Place::JournalWrite),
        Fault::Jump(_) => matches!(place, Place::HostCall | Place::JournalWrite),
        _ => place == Place::Webhook && fault.moment() == Moment::Event,
    };
    if possible { Ok(()) } else { Err(elsewhere(place, fault)) }
}

fn elsewhere(place: Place, fault: &Fault) -> Impossible {
    let instead = match fault {
        Fault::Acts(acting) => match (acting.act, acting.when) {
            (Act::CancelReservation, ActsWhen::After) => "a request of `inventory` or `host.call`",
            (Act::CancelReservation, ActsWhen::Before) => "a request of `inventory`",
            (_, ActsWhen::After) => "a request of `payment` for an order, or `host.call`",
            (_, ActsWhen::Before) => "a request of `payment` for an order, such as `payment.look_up#1`",
        },
        Fault::Crash(CrashPoint::BeforeCall) | Fault::Host(_) | Fault::Malformed(_) => "`host.call`",
        Fault::Crash(CrashPoint::BeforeWrite | CrashPoint::AfterWrite) | Fault::Full => "`journal.write`",
        Fault::Corrupt | Fault::Panic => "`journal.read`",
        Fault::Busy | Fault::Slow(_) | Fault::Yield => "`journal.read` or `journal.write`",
        Fault::Jump(_) => "`host.call` or `journal.write`",
        Fault::HangUp => "a request or `journal.write`",
        _ if fault.moment() == Moment::Event => "`webhook.event`",
        _ => "a request, such as `payment.charge#1`",
    };
    Impossible::Elsewhere { fault: fault.to_string(), place: place.label(), instead }
}

/// Whether a fault can happen at a request for an operation.
fn at_request(operation: &'static OperationSpec, fault: &Fault) -> Result<(), Impossible> {
    let label = operation.label;
    match fault {
        Fault::Crash(CrashPoint::BeforeWrite | CrashPoint::AfterWrite | CrashPoint::BeforeCall)
        | Fault::Yield
        | Fault::Busy
        | Fault::Full
        | Fault::Slow(_)
        | Fault::Corrupt
        | Fault::Panic
        | Fault::Jump(_)
        | Fault::BeforeReply
        | Fault::Twice
        | Fault::Late
        | Fault::Reordered
        | Fault::Never
        | Fault::OtherKind
        | Fault::Forged(_)
        | Fault::Host(_)
        | Fault::Malformed(_) => Err(elsewhere(Place::Request(operation), fault)),
        Fault::StatusAfter(..) => effectful(operation, fault, "status"),
        Fault::ResetAfter => effectful(operation, fault, "reset"),
        Fault::Stall => effectful(operation, fault, "lost_request"),
        Fault::Duplicate | Fault::LateDuplicate => effectful(operation, fault, "delay"),
        Fault::MissingField(field) | Fault::WrongType(field) => {
            let mut known = fields(operation);
            if known.clone().any(|known| known == field) {
                return Ok(());
            }
            Err(Impossible::NoField {
                field: field.clone(),
                operation: label,
                nearest: nearest(field, known.clone()),
                known: known.by_ref().collect::<Vec<_>>().join(", "),
            })
        }
        Fault::Unasked(what) if what.operation() == label => Ok(()),
        Fault::Unasked(what) => {
            Err(Impossible::NotAsked { what: what.name(), operation: label, instead: what.operation() })
        }
        Fault::Contradicting(how) if can_contradict(operation, *how) => Ok(()),
        Fault::Contradicting(how) => {
            let possible = operations::ALL.iter().filter(|other| can_contradict(other, *how));
            let instead: Vec<_> = possible.map(|other| format!("`{}`", other.label)).collect();
            let instead = format!("one of {}", instead.join(" or "));
            Err(Impossible::NoContradiction { what: how.name(), operation: label, instead })
        }
        Fault::WrongAmount => match operation.amount_field {
            Some(_) => Ok(()),
            None => Err(Impossible::NoAmount { operation: label }),
        },
        Fault::OtherReply => match operation.subject_field {
            Some(_) => Ok(()),
            None => Err(Impossible::NoSubject { operation: label }),
        },
        Fault::Acts(acting) => {
            if acts_at(operation, acting.act) {
                Ok(())
            } else {
                Err(elsewhere(Place::Request(operation), fault))
            }
        }
        Fault::Circumstance(circumstance) => {
            if operation.refusals.contains(&refusal(circumstance)) {
                return Ok(());
            }
            let possible = operations::ALL.iter().filter(|other| other.refusals.contains(&refusal(circumstance)));
            let instead: Vec<_> = possible.map(|other| format!("`{}`", other.label)).collect();
            let instead = instead.join(" or ");
            Err(Impossible::NoRefusal { circumstance: circumstance.name(), operation: label, instead })
        }
        Fault::Crash(CrashPoint::BeforeSend | CrashPoint::AfterSend | CrashPoint::AfterReply)
        | Fault::HangUp
        | Fault::Refuse
        | Fault::LostRequest
        | Fault::Status(..)
        | Fault::Reset
        | Fault::LostReply
        | Fault::Delay(_)
        | Fault::Cut
        | Fault::Garbage
        | Fault::HtmlPage
        | Fault::Trickle
        | Fault::HugeBody
        | Fault::Encoded(_) => Ok(()),
    }
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

fn effectful(operation: &OperationSpec, fault: &Fault, instead: &'static str) -> Result<(), Impossible> {
    if operation.effectful {
        return Ok(());
    }
    Err(Impossible::NoEffect { fault: fault.name(), operation: operation.label, instead })
}

/// Whether a fault's parameters make sense, wherever it happens.
pub fn in_range(fault: &Fault) -> Result<(), Impossible> {
    match fault {
        Fault::Status(status, _) | Fault::StatusAfter(status, _, _) => {
            if STATUSES.contains(status) {
                Ok(())
            } else {
                Err(Impossible::Status(*status))
            }
        }
        Fault::Delay(delay) | Fault::Slow(delay) => {
            let whole = delay.subsec_nanos() % 1_000_000 == 0;
            if whole && !delay.is_zero() && *delay <= DELAY_MAX { Ok(()) } else { Err(Impossible::Delay) }
        }
        Fault::Circumstance(Circumstance::Declined(code)) => {
            let word = |letter| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'_');
            if (1..=64).contains(&code.len()) && code.bytes().all(word) { Ok(()) } else { Err(Impossible::DeclineCode) }
        }
        Fault::Malformed(label) => match label.class {
            Class::Envelope | Class::Order | Class::Intent => Err(Impossible::NotOfAHost { class: label.class.name() }),
            Class::Missing
            | Class::Name
            | Class::Type
            | Class::Value
            | Class::Identifier
            | Class::Redundant
            | Class::Nesting
            | Class::Tool
            | Class::Repeat => Ok(()),
        },
        Fault::Acts(Acting { act, told: false, .. }) if !act.has_event() => {
            Err(Impossible::NoEvent { act: act.name() })
        }
        Fault::Acts(_)
        | Fault::Refuse
        | Fault::LostRequest
        | Fault::Reset
        | Fault::Stall
        | Fault::LostReply
        | Fault::ResetAfter
        | Fault::Cut
        | Fault::Garbage
        | Fault::HtmlPage
        | Fault::Trickle
        | Fault::HugeBody
        | Fault::OtherReply
        | Fault::MissingField(_)
        | Fault::WrongType(_)
        | Fault::WrongAmount
        | Fault::Unasked(_)
        | Fault::Encoded(_)
        | Fault::Contradicting(_)
        | Fault::Duplicate
        | Fault::LateDuplicate
        | Fault::Crash(_)
        | Fault::HangUp
        | Fault::Yield
        | Fault::Busy
        | Fault::Full
        | Fault::Corrupt
        | Fault::Panic
        | Fault::Jump(_)
        | Fault::BeforeReply
        | Fault::Twice
        | Fault::Late
        | Fault::Reordered
        | Fault::Never
        | Fault::OtherKind
        | Fault::Forged(_)
        | Fault::Host(_)
        | Fault::Circumstance(
            Circumstance::OutOfStock
            | Circumstance::PartialReserve
            | Circumstance::Stale
            | Circumstance::PriceChanged
            | Circumstance::ReservationExpired
            | Circumstance::Processing
            | Circumstance::RequiresAction
            | Circumstance::WrongAmountCharged
            | Circumstance::RefundFailsLater
            | Circumstance::KeyExpired
            | Circumstance::InFlight,
        ) => Ok(()),
    }
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
    let delivered = [Fault::BeforeReply, Fault::Twice, Fault::Late, Fault::Reordered, Fault::Never, Fault::OtherKind];
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
        Refusal::Declined => {
            ["insufficient_funds", "expired_card"].map(|code| Circumstance::Declined(code.to_owned())).to_vec()
        }
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
