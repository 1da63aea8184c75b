//! What a plan may say: whether a fault can happen at a place, and whether its parameters make sense.

use super::{STATUSES, acts_at, can_contradict, fields, refusal};
use crate::fault::plan::DELAY_MAX;
use crate::fault::site::Place;
use crate::fault::{Act, Acting, ActsWhen, Circumstance, CrashPoint, Fault, Moment};
use crate::malform::Class;
use crate::provider::OperationSpec;
use crate::provider::operations;
use crate::suggest::nearest;

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
    /// A mistake that a host cannot make in a call.
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
    /// So many copies of an event are none.
    #[error("copies of an event are from {} to {}", COPIES.start(), COPIES.end())]
    Copies,
    /// The decline code cannot be written.
    #[error("a decline code is one to 64 of `a-z`, `0-9` and `_`, such as `insufficient_funds`")]
    DeclineCode,
}

/// How many copies of an event there can be; one is no fault.
const COPIES: std::ops::RangeInclusive<u8> = 2..=9;

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
        | Fault::Copies(_)
        | Fault::Again
        | Fault::Late
        | Fault::Reordered
        | Fault::Never
        | Fault::OtherKind
        | Fault::UnknownOrder
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
        Fault::Copies(copies) if !COPIES.contains(copies) => Err(Impossible::Copies),
        Fault::Acts(Acting { act, told: false, .. }) if !act.has_event() => {
            Err(Impossible::NoEvent { act: act.name() })
        }
        Fault::Acts(_)
        | Fault::Copies(_)
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
        | Fault::Again
        | Fault::Late
        | Fault::Reordered
        | Fault::Never
        | Fault::OtherKind
        | Fault::UnknownOrder
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
