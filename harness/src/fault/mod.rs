//! Faults: what can go wrong at a site, as one closed enum, and what each means in one place ([`decide`]).
//!
//! [`Fault`] is the choice's entry, [`plan`] its text form, [`site`] the place, [`menu`] what is possible where,
//! [`decide`] the delivery it comes to. Worlds only realise deliveries.

pub mod decide;
pub mod explain;
pub mod mangle;
pub mod menu;
pub mod parse;
pub mod plan;
pub mod site;

use std::time::Duration;

pub use crate::provider::Circumstance;

/// When a reply asks to be asked again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RetryAfter {
    /// `Retry-After: 2`
    Seconds(u32),
    /// `Retry-After: <HTTP date>`, this many seconds from the moment of the reply.
    Date(u32),
}

/// Something that goes wrong at one request.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// No connection is made.
    Refuse,
    /// The request is lost on its way: not applied, no reply.
    LostRequest,
    /// Not applied; answers this status.
    Status(u16, Option<RetryAfter>),
    /// The connection is reset before the request is applied.
    Reset,
    /// Applied; the reply is lost.
    LostReply,
    /// Applied; answers this status instead of its reply.
    StatusAfter(u16, Option<RetryAfter>),
    /// Applied; the connection is reset instead of a reply.
    ResetAfter,
    /// Applied; the reply comes this much later.
    Delay(Duration),
    /// Applied; the reply stops in the middle of its body.
    Cut,
    /// Applied; the reply is a 200 with a body that is not JSON.
    Garbage,
    /// Applied; the reply is a 200 with a proxy's HTML page.
    HtmlPage,
    /// Applied; the reply lacks this field (JSON pointer without the leading slash).
    MissingField(String),
    /// Applied; this field of the reply has another type.
    WrongType(String),
    /// Applied; the reply tells another amount than was moved.
    WrongAmount,
    /// Applied twice at once; the reply is the first one's.
    Duplicate,
    /// Applied, and again later, even after an undo.
    LateDuplicate,
    /// A circumstance of the provider's business.
    Circumstance(Circumstance),
}

/// A fault over time, chosen once a run for a provider; its window counts requests that arrive, from 1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ProviderFault {
    /// Requests `from`, `from + 1`, … (`calls` of them) are refused a connection.
    Outage {
        /// The first request that is refused.
        from: u32,
        /// How many are refused.
        calls: u32,
    },
}

/// Which part of a call a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Moment {
    /// Before the effect.
    Before,
    /// After the effect.
    After,
    /// In the reply.
    Reply,
    /// The effect is repeated.
    Repetition,
    /// The provider's business.
    Circumstance,
    /// Over time.
    OverTime,
}

impl Moment {
    /// The moment in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before the effect",
            Self::After => "after the effect",
            Self::Reply => "in the reply",
            Self::Repetition => "repetition",
            Self::Circumstance => "circumstance",
            Self::OverTime => "over time",
        }
    }
}

impl Fault {
    /// The word for the fault, without its parameters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::LostRequest => "lost_request",
            Self::Status(..) => "status",
            Self::Reset => "reset",
            Self::LostReply => "lost_reply",
            Self::StatusAfter(..) => "status_after",
            Self::ResetAfter => "reset_after",
            Self::Delay(_) => "delay",
            Self::Cut => "cut",
            Self::Garbage => "garbage",
            Self::HtmlPage => "html_page",
            Self::MissingField(_) => "missing_field",
            Self::WrongType(_) => "wrong_type",
            Self::WrongAmount => "wrong_amount",
            Self::Duplicate => "duplicate",
            Self::LateDuplicate => "late_duplicate",
            Self::Circumstance(circumstance) => circumstance.name(),
        }
    }

    /// Which part of the call it strikes.
    pub const fn moment(&self) -> Moment {
        match self {
            Self::Refuse | Self::LostRequest | Self::Status(..) | Self::Reset => Moment::Before,
            Self::LostReply | Self::StatusAfter(..) | Self::ResetAfter => Moment::After,
            Self::Delay(_)
            | Self::Cut
            | Self::Garbage
            | Self::HtmlPage
            | Self::MissingField(_)
            | Self::WrongType(_)
            | Self::WrongAmount => Moment::Reply,
            Self::Duplicate | Self::LateDuplicate => Moment::Repetition,
            Self::Circumstance(_) => Moment::Circumstance,
        }
    }
}

impl ProviderFault {
    /// The word for the fault, without its parameters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Outage { .. } => "outage",
        }
    }
}
