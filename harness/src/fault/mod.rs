//! Faults: what can go wrong at a site, as one closed enum, and what each means in one place ([`decide`]).
//!
//! [`Fault`] is the choice's entry, [`plan`] its text form, [`site`] the place, [`menu`] what is possible where,
//! [`decide`] the delivery that results. Worlds only realise deliveries.

pub mod acting;
pub mod decide;
pub mod explain;
pub mod field;
pub mod host;
pub mod mangle;
pub mod menu;
pub mod over_time;
pub mod parse;
pub mod plan;
pub mod several;
pub mod site;

use std::time::Duration;

pub use crate::malform::Label;
pub use crate::provider::Circumstance;
pub use acting::{Act, Acting, ActsWhen};
pub use field::{Contradiction, Encoding, ForeignBody, OddRetryAfter};
pub use host::HostFault;
pub use over_time::ProviderFault;
pub use several::Faults;

/// When a reply asks to be asked again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RetryAfter {
    /// `Retry-After: 2`
    Seconds(u32),
    /// `Retry-After: <HTTP date>`, this many seconds from the moment of the reply.
    Date(u32),
    /// A value that the standard does not know, as it comes all the same.
    Odd(OddRetryAfter),
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
    /// The request is held up on its way: applied late, past every lease; its sender hears nothing.
    Stall,
    /// Applied; the reply is lost.
    LostReply,
    /// Applied; something in between answers this status and a body of its own.
    StatusAfter(u16, Option<RetryAfter>, ForeignBody),
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
    /// Applied; the reply comes byte after byte, too slowly to be whole before the attempt's time-out.
    Trickle,
    /// Applied; the reply is good JSON of several megabytes.
    HugeBody,
    /// Applied; the reply is another request's: about another charge, reservation or gift.
    OtherReply,
    /// Applied; the reply lacks this field (JSON pointer without the leading slash).
    MissingField(String),
    /// Applied; this field of the reply has another type.
    WrongType(String),
    /// Applied; the reply tells another amount than was moved.
    WrongAmount,
    /// Applied; the reply is good JSON of the right shape and holds what was not asked for.
    Unasked(Unasked),
    /// Applied; the reply is in an unrequested encoding.
    Encoded(Encoding),
    /// Applied; the reply contradicts itself or the request.
    Contradicting(Contradiction),
    /// Applied twice at once; the reply is the first one's.
    Duplicate,
    /// Applied, and again later, even after an undo.
    LateDuplicate,
    /// A circumstance of the provider's business.
    Circumstance(Circumstance),
    /// A provider acts on its own.
    Acts(Acting),
    /// The system's process is killed.
    Crash(CrashPoint),
    /// The host cancels the calls in flight and hangs up.
    HangUp,
    /// Whatever else is ready goes first.
    Yield,
    /// The store is locked by another process: nothing is read or written.
    Busy,
    /// The store's disk is full: nothing is written.
    Full,
    /// The store takes this much longer.
    Slow(Duration),
    /// The record that is read cannot be made out.
    Corrupt,
    /// The code that reads has a bug: it panics as it goes on.
    Panic,
    /// The system's calendar clock jumps past an expiry. Durations and the providers' clocks are not concerned.
    Jump(Expiry),
    /// An event is delivered before the reply to the request that caused it.
    BeforeReply,
    /// An event is delivered twice at once.
    Twice,
    /// An event is delivered this often at once.
    Copies(u8),
    /// An event is delivered, and once more late.
    Again,
    /// An event is delivered late: just under the provider's bound on late effects.
    Late,
    /// An event is delivered after the one that follows it.
    Reordered,
    /// An event is never delivered.
    Never,
    /// Before the event the provider delivers others that are no concern of a checkout.
    OtherKind,
    /// Before the event the provider tells of a charge that is no order's.
    UnknownOrder,
    /// With the event comes one that the provider did not send.
    Forged(Forgery),
    /// The host makes its call otherwise than it should, or others beside it.
    Host(HostFault),
    /// The host's call is malformed in this way, and mended from the error that answers it.
    Malformed(Label),
}

/// What a provider answers without having been asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unasked {
    /// A search finds far more products than its limit.
    More,
    /// A search finds a product far over its budget.
    Dearer,
    /// A search finds a product in another currency.
    Currency,
    /// A search finds a product that costs less than nothing.
    Worthless,
    /// A promotion takes a quote's whole price off.
    Free,
    /// A payment method's last four digits are its whole card number.
    CardNumber,
}

impl Unasked {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::More, Self::Dearer, Self::Currency, Self::Worthless, Self::Free, Self::CardNumber];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Dearer => "dearer",
            Self::Currency => "currency",
            Self::Worthless => "worthless",
            Self::Free => "free",
            Self::CardNumber => "card_number",
        }
    }

    /// The label of the operation whose reply can hold it.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::More | Self::Dearer | Self::Currency | Self::Worthless => "catalog.search",
            Self::Free => "catalog.quote",
            Self::CardNumber => "payment.methods",
        }
    }
}

/// What can be sent without knowing the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Forgery {
    /// An event made up, under a signature of another secret.
    Signature,
    /// The provider's own delivery, overheard and sent again when its signature is too old.
    Stale,
    /// The provider's own delivery, with a signature of a time that is still to come.
    Future,
    /// An event made up, under the beginning of the signature that would be right.
    Cut,
    /// An event made up, under the signature that would be right, and two digits more.
    Padded,
    /// An event made up, under the signature of the provider's own delivery.
    Altered,
    /// The provider's own delivery with an old signature, and the present time beside it.
    Moved,
    /// The same, with both times.
    Doubled,
}

impl Forgery {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Signature,
        Self::Stale,
        Self::Future,
        Self::Cut,
        Self::Padded,
        Self::Altered,
        Self::Moved,
        Self::Doubled,
    ];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Cut => "cut",
            Self::Padded => "padded",
            Self::Altered => "altered",
            Self::Moved => "moved",
            Self::Doubled => "doubled",
        }
    }

    /// Whether the event is one that the provider never told; else it is a copy of a right one.
    pub const fn is_made_up(self) -> bool {
        match self {
            Self::Signature | Self::Cut | Self::Padded | Self::Altered => true,
            Self::Stale | Self::Future | Self::Moved | Self::Doubled => false,
        }
    }
}

/// When the system's process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CrashPoint {
    /// Before a request leaves: it is not applied.
    BeforeSend,
    /// After a request left: it is applied, and its reply is lost.
    AfterSend,
    /// After a reply came: before whatever the system does next.
    AfterReply,
    /// Before a batch is written: it is lost.
    BeforeWrite,
    /// After a batch was written: it is durable, but was not acknowledged.
    AfterWrite,
    /// Before the host makes a call.
    BeforeCall,
}

impl CrashPoint {
    /// Every point, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::BeforeSend, Self::AfterSend, Self::AfterReply, Self::BeforeWrite, Self::AfterWrite, Self::BeforeCall];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeSend => "before_send",
            Self::AfterSend => "after_send",
            Self::AfterReply => "after_reply",
            Self::BeforeWrite => "before_write",
            Self::AfterWrite => "after_write",
            Self::BeforeCall => "before_call",
        }
    }
}

/// Something that ends by the calendar.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expiry {
    /// An owner's lease on an order.
    Lease,
    /// A session's quote.
    Quote,
    /// A reservation of stock.
    Reservation,
    /// An idempotency entry, and the providers' memory of keys.
    Key,
}

impl Expiry {
    /// Every expiry, from the shortest to the longest.
    pub const ALL: [Self; 4] = [Self::Lease, Self::Quote, Self::Reservation, Self::Key];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Quote => "quote",
            Self::Reservation => "reservation",
            Self::Key => "key",
        }
    }

    /// How far the clock jumps: just past the expiry, if it had just begun.
    pub fn span(self, policy: &giftgenius::policy::Policy) -> Duration {
        let span = match self {
            Self::Lease => policy.lease,
            Self::Quote => policy.quote_ttl,
            Self::Reservation => policy.reservation_ttl,
            Self::Key => policy.entry_retention,
        };
        span + Duration::from_secs(1)
    }
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
    /// The system's own process, store or clock, or the host.
    Own,
    /// The provider's events.
    Event,
    /// What a provider does on its own.
    Act,
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
            Self::Own => "the system and its host",
            Self::Event => "webhooks",
            Self::Act => "the provider's own act",
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
            Self::Stall => "stall",
            Self::LostReply => "lost_reply",
            Self::StatusAfter(..) => "status_after",
            Self::ResetAfter => "reset_after",
            Self::Delay(_) => "delay",
            Self::Cut => "cut",
            Self::Garbage => "garbage",
            Self::HtmlPage => "html_page",
            Self::Trickle => "trickle",
            Self::HugeBody => "huge_body",
            Self::OtherReply => "other_reply",
            Self::MissingField(_) => "missing_field",
            Self::WrongType(_) => "wrong_type",
            Self::WrongAmount => "wrong_amount",
            Self::Unasked(_) => "unasked",
            Self::Encoded(_) => "encoded",
            Self::Contradicting(_) => "contradicting",
            Self::Duplicate => "duplicate",
            Self::LateDuplicate => "late_duplicate",
            Self::Circumstance(circumstance) => circumstance.name(),
            Self::Acts(_) => "acts",
            Self::Crash(_) => "crash",
            Self::HangUp => "hang_up",
            Self::Yield => "yield",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Slow(_) => "slow",
            Self::Corrupt => "corrupt",
            Self::Panic => "panic",
            Self::Jump(_) => "jump",
            Self::BeforeReply => "before_reply",
            Self::Twice => "twice",
            Self::Copies(_) => "copies",
            Self::Again => "again",
            Self::Late => "late",
            Self::Reordered => "reordered",
            Self::Never => "never",
            Self::OtherKind => "other_kind",
            Self::UnknownOrder => "unknown_order",
            Self::Forged(_) => "forged",
            Self::Host(how) => how.name(),
            Self::Malformed(_) => "malformed",
        }
    }

    /// Past which expiry the system's calendar jumps with it, if it does: a chat that is opened a day later finds every
    /// one passed.
    pub const fn jumps(&self) -> Option<Expiry> {
        match self {
            Self::Jump(expiry) => Some(*expiry),
            Self::Host(HostFault::Resume) => Some(Expiry::Key),
            _ => None,
        }
    }

    /// Whether it can be realised in simulation only: on the wire the operating system says which of the tasks that are
    /// ready goes first.
    pub const fn only_simulated(&self) -> bool {
        matches!(self, Self::Yield)
    }

    /// Which part of the call it strikes.
    pub const fn moment(&self) -> Moment {
        match self {
            Self::Refuse | Self::LostRequest | Self::Status(..) | Self::Reset | Self::Stall => Moment::Before,
            Self::LostReply | Self::StatusAfter(..) | Self::ResetAfter => Moment::After,
            Self::Delay(_)
            | Self::Cut
            | Self::Garbage
            | Self::HtmlPage
            | Self::Trickle
            | Self::HugeBody
            | Self::OtherReply
            | Self::MissingField(_)
            | Self::WrongType(_)
            | Self::WrongAmount
            | Self::Unasked(_)
            | Self::Encoded(_)
            | Self::Contradicting(_) => Moment::Reply,
            Self::Duplicate | Self::LateDuplicate => Moment::Repetition,
            Self::Circumstance(_) => Moment::Circumstance,
            Self::Acts(_) => Moment::Act,
            Self::Crash(_)
            | Self::HangUp
            | Self::Yield
            | Self::Busy
            | Self::Full
            | Self::Slow(_)
            | Self::Corrupt
            | Self::Panic
            | Self::Jump(_)
            | Self::Host(_)
            | Self::Malformed(_) => Moment::Own,
            Self::BeforeReply
            | Self::Twice
            | Self::Copies(_)
            | Self::Again
            | Self::Late
            | Self::Reordered
            | Self::Never
            | Self::OtherKind
            | Self::UnknownOrder
            | Self::Forged(_) => Moment::Event,
        }
    }
}
