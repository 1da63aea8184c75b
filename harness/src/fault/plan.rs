//! Fault plans and their text form: `payment.charge#1: lost_reply; inventory.release@3#1: status(503, retry_after=2)`.
//!
//! `;` stands between faults, `,` inside parentheses. The text form is what people, files and replay lines carry; it
//! reads back to the same plan.

use std::fmt;
use std::time::Duration;

use giftgenius::ports::Provider;

use super::site::{Place, Site};
use super::{Acting, ActsWhen, Circumstance, Fault, ForeignBody, ProviderFault, RetryAfter};
use crate::provider::operations::LOOK_UP;

/// Where a planned fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The kind of place.
    pub place: Place,
    /// Counted among those of this script step, where one is named; else among all.
    pub step: Option<u32>,
    /// Which of them, from 1.
    pub number: u32,
}

impl Address {
    /// Whether it names this site.
    pub fn names(&self, site: &Site) -> bool {
        self.place == site.place
            && match self.step {
                None => self.number == site.arrival,
                Some(step) => site.for_step == Some((step, self.number)),
            }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            None => write!(f, "{}#{}", self.place.label(), self.number),
            Some(step) => write!(f, "{}@{step}#{}", self.place.label(), self.number),
        }
    }
}

/// One planned fault.
#[derive(Clone, PartialEq, Debug)]
pub enum Planned {
    /// At one site.
    At(Address, Fault),
    /// Over time, at a provider.
    Over(Provider, ProviderFault),
}

impl Planned {
    /// Whether it can be realised in simulation only.
    pub const fn only_simulated(&self) -> bool {
        match self {
            Self::At(_, fault) => fault.only_simulated(),
            Self::Over(..) => false,
        }
    }

    /// Whether it strikes only a request that comes soon enough. A listing lags for a tenth of the bound on late effects;
    /// on the wire that is real time, and a busy machine may take longer to ask for one.
    pub fn is_a_race(&self) -> bool {
        let Self::At(address, Fault::Circumstance(Circumstance::Stale)) = self else { return false };
        address.place == Place::Request(&LOOK_UP)
    }
}

/// A fault plan: the choices that were not *nothing goes wrong*.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// In the order in which they were written. Faults of one address stand together, and can strike together.
    pub faults: Vec<Planned>,
}

impl Plan {
    /// Whether both say the same, in whatever order.
    pub fn same_faults(&self, other: &Self) -> bool {
        self.faults.len() == other.faults.len() && self.faults.iter().all(|planned| other.faults.contains(planned))
    }

    /// A fault that cannot be realised on the wire, if there is one.
    pub fn only_simulated(&self) -> Option<&Planned> {
        self.faults.iter().find(|planned| planned.only_simulated())
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "retry_after={seconds}"),
            Self::Date(seconds) => write!(f, "retry_after_date={seconds}"),
            Self::Odd(odd) => write!(f, "retry_after={}", odd.name()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Status(code, None) => write!(f, "({code})"),
            Self::Status(code, Some(after)) => write!(f, "({code}, {after})"),
            Self::StatusAfter(code, after, body) => {
                write!(f, "({code}")?;
                after.iter().try_for_each(|after| write!(f, ", {after}"))?;
                if *body != ForeignBody::Json {
                    write!(f, ", body={}", body.name())?;
                }
                f.write_str(")")
            }
            Self::Acts(Acting { act, when, told }) => {
                let before = if *when == ActsWhen::Before { ", before" } else { "" };
                let untold = if *told { "" } else { ", event=none" };
                write!(f, "({}{before}{untold})", act.name())
            }
            Self::Encoded(encoding) => write!(f, "({})", encoding.name()),
            Self::Contradicting(how) => write!(f, "({})", how.name()),
            Self::Delay(delay) | Self::Slow(delay) => write!(f, "(ms={})", delay.as_millis()),
            Self::Crash(point) => write!(f, "({})", point.name()),
            Self::Jump(expiry) => write!(f, "({})", expiry.name()),
            Self::Unasked(what) => write!(f, "({})", what.name()),
            Self::Copies(copies) => write!(f, "({copies})"),
            Self::Forged(forgery) => write!(f, "({})", forgery.name()),
            Self::Malformed(label) => write!(f, "({label})"),
            Self::MissingField(field) | Self::WrongType(field) => write!(f, "({field})"),
            Self::Circumstance(Circumstance::Declined(code)) => write!(f, "({code})"),
            Self::Refuse
            | Self::LostRequest
            | Self::Reset
            | Self::Stall
            | Self::LostReply
            | Self::ResetAfter
            | Self::Cut
            | Self::Garbage
            | Self::HtmlPage
            | Self::Trickle
            | Self::HugeBody
            | Self::OtherReply
            | Self::WrongAmount
            | Self::Duplicate
            | Self::LateDuplicate
            | Self::HangUp
            | Self::Yield
            | Self::Busy
            | Self::Full
            | Self::Corrupt
            | Self::Panic
            | Self::BeforeReply
            | Self::Twice
            | Self::Again
            | Self::Late
            | Self::Reordered
            | Self::Never
            | Self::OtherKind
            | Self::UnknownOrder
            | Self::Host(_)
            | Self::Circumstance(
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
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outage { from, calls } => write!(f, "outage(from={from}, calls={calls})"),
            Self::Brownout { percent, from, calls } => {
                write!(f, "brownout(percent={percent}, from={from}, calls={calls})")
            }
            Self::Flap { from, up, down, calls } => write!(f, "flap(from={from}, up={up}, down={down}, calls={calls})"),
            Self::RateLimit { from, calls, retry_after } | Self::Maintenance { from, calls, retry_after } => {
                write!(f, "{}(from={from}, calls={calls}, retry_after={retry_after})", self.name())
            }
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address, fault) => write!(f, "{address}: {fault}"),
            Self::Over(provider, fault) => write!(f, "provider.{}: {fault}", provider.name()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<Address> = None;
        for (index, planned) in self.faults.iter().enumerate() {
            match planned {
                Planned::At(address, fault) if Some(*address) == before => write!(f, " + {fault}")?,
                Planned::At(..) | Planned::Over(..) => {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{planned}")?;
                }
            }
            before = match planned {
                Planned::At(address, _) => Some(*address),
                Planned::Over(..) => None,
            };
        }
        Ok(())
    }
}

/// The longest delay a plan may name.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);
