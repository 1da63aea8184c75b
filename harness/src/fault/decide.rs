//! What a fault means: how often a request is applied and what comes back. The only place that says so.

use std::time::Duration;

use super::{
    Acting, Circumstance, Contradiction, CrashPoint, Encoding, Fault, ForeignBody, Forgery, RetryAfter, Unasked,
};

/// When a request is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// As it arrives, before the reply.
    Now,
    /// Later than the reply, by the provider's bound on late effects (just under it).
    Late,
}

/// What comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The provider's reply, after a delay, mangled or not.
    Pass {
        /// How much later than usual.
        delay: Duration,
        /// What is done to the body.
        mangle: Option<Mangle>,
    },
    /// A status of the provider's own, with the contract's error body where the contract has one for it.
    Status(u16, Option<RetryAfter>),
    /// A status of something in between, with a body that is not the contract's.
    Foreign(u16, Option<RetryAfter>, ForeignBody),
    /// Nothing, ever.
    Silence,
    /// The connection is reset.
    Reset,
    /// No connection is made.
    Refuse,
    /// Status and headers, and half a body.
    Cut,
    /// The provider's reply, byte after byte, never whole in time.
    Trickle,
    /// The provider's reply in a body larger than anybody should read.
    Huge,
}

/// What is done to a reply's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mangle {
    /// Bytes that are not JSON.
    Garbage,
    /// A proxy's page.
    HtmlPage,
    /// A field is taken out (JSON pointer without the leading slash).
    MissingField(String),
    /// A field gets another type.
    WrongType(String),
    /// The amount is told one unit too high (a whole one: 100 minor units).
    WrongAmount,
    /// It is about another subject than the request.
    OtherReply,
    /// It holds what was not asked for.
    Unasked(Unasked),
    /// It is in an unrequested encoding.
    Encoded(Encoding),
    /// It contradicts itself or the request.
    Contradicting(Contradiction),
}

/// A decided delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// When the request is applied: not at all, once, or twice.
    pub applied: &'static [When],
    /// The business's state meanwhile.
    pub circumstance: Option<Circumstance>,
    /// What the provider does on its own beside it.
    pub acts: Option<Acting>,
    /// What comes back.
    pub reply: Reply,
    /// When the system's process is killed, if it is.
    pub crash: Option<CrashPoint>,
    /// Whether the host hangs up as the request leaves.
    pub hang_up: bool,
}

impl Delivery {
    const fn new(applied: &'static [When], reply: Reply) -> Self {
        Self { applied, circumstance: None, acts: None, reply, crash: None, hang_up: false }
    }

    /// Nothing goes wrong.
    pub const fn clean() -> Self {
        Self::new(&[When::Now], Reply::Pass { delay: Duration::ZERO, mangle: None })
    }
}

/// The effect of a fault; `None` is a delivery in which nothing goes wrong.
pub fn decide(fault: Option<&Fault>) -> Delivery {
    const NEVER: &[When] = &[];
    const ONCE: &[When] = &[When::Now];
    let mangled = |mangle| Delivery::new(ONCE, Reply::Pass { delay: Duration::ZERO, mangle: Some(mangle) });
    match fault {
        None => Delivery::clean(),
        Some(Fault::Refuse) => Delivery::new(NEVER, Reply::Refuse),
        Some(Fault::LostRequest) => Delivery::new(NEVER, Reply::Silence),
        Some(Fault::Status(status, retry_after)) => Delivery::new(NEVER, Reply::Status(*status, *retry_after)),
        Some(Fault::Reset) => Delivery::new(NEVER, Reply::Reset),
        Some(Fault::Stall) => Delivery::new(&[When::Late], Reply::Silence),
        Some(Fault::LostReply) => Delivery::new(ONCE, Reply::Silence),
        // A provider that did the work does not say otherwise: something in between answers.
        Some(Fault::StatusAfter(status, retry_after, body)) => {
            Delivery::new(ONCE, Reply::Foreign(*status, *retry_after, *body))
        }
        Some(Fault::ResetAfter) => Delivery::new(ONCE, Reply::Reset),
        Some(Fault::Delay(delay)) => Delivery::new(ONCE, Reply::Pass { delay: *delay, mangle: None }),
        Some(Fault::Cut) => Delivery::new(ONCE, Reply::Cut),
        Some(Fault::Garbage) => mangled(Mangle::Garbage),
        Some(Fault::HtmlPage) => mangled(Mangle::HtmlPage),
        Some(Fault::Trickle) => Delivery::new(ONCE, Reply::Trickle),
        Some(Fault::HugeBody) => Delivery::new(ONCE, Reply::Huge),
        Some(Fault::OtherReply) => mangled(Mangle::OtherReply),
        Some(Fault::MissingField(field)) => mangled(Mangle::MissingField(field.clone())),
        Some(Fault::WrongType(field)) => mangled(Mangle::WrongType(field.clone())),
        Some(Fault::WrongAmount) => mangled(Mangle::WrongAmount),
        Some(Fault::Unasked(what)) => mangled(Mangle::Unasked(*what)),
        Some(Fault::Encoded(encoding)) => mangled(Mangle::Encoded(*encoding)),
        Some(Fault::Contradicting(how)) => mangled(Mangle::Contradicting(*how)),
        Some(Fault::Duplicate) => {
            Delivery::new(&[When::Now, When::Now], Reply::Pass { delay: Duration::ZERO, mangle: None })
        }
        Some(Fault::LateDuplicate) => {
            Delivery::new(&[When::Now, When::Late], Reply::Pass { delay: Duration::ZERO, mangle: None })
        }
        Some(Fault::Circumstance(circumstance)) => {
            Delivery { circumstance: Some(circumstance.clone()), ..Delivery::clean() }
        }
        Some(Fault::Acts(acting)) => Delivery { acts: Some(*acting), ..Delivery::clean() },
        Some(Fault::Crash(point)) => {
            let delivery = match point {
                CrashPoint::BeforeSend => Delivery::new(NEVER, Reply::Silence),
                CrashPoint::AfterSend => Delivery::new(ONCE, Reply::Silence),
                CrashPoint::AfterReply => Delivery::clean(),
                CrashPoint::BeforeWrite | CrashPoint::AfterWrite | CrashPoint::BeforeCall => no_request(),
            };
            Delivery { crash: Some(*point), ..delivery }
        }
        Some(Fault::HangUp) => Delivery { hang_up: true, ..Delivery::clean() },
        Some(
            Fault::Yield
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
            | Fault::Malformed(_),
        ) => no_request(),
    }
}

/// When an event is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// A little after what it tells of.
    Soon,
    /// Before the reply to the request that caused it.
    BeforeReply,
    /// Just under the provider's bound on late effects.
    Late,
    /// After the event that follows it.
    AfterNext,
}

/// A decided delivery of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posting {
    /// When.
    pub turn: Turn,
    /// How often, at once.
    pub copies: u8,
    /// What a forger delivers just before it.
    pub forged: Option<Forgery>,
    /// Whether the provider tells of other things just before it.
    pub other_kind: bool,
}

impl Posting {
    /// Nothing goes wrong.
    pub const fn clean() -> Self {
        Self { turn: Turn::Soon, copies: 1, forged: None, other_kind: false }
    }
}

/// The effect of a fault at an event; `None` is a delivery in which nothing goes wrong.
pub fn decide_event(fault: Option<&Fault>) -> Posting {
    let clean = Posting::clean();
    match fault {
        None => clean,
        Some(Fault::BeforeReply) => Posting { turn: Turn::BeforeReply, ..clean },
        Some(Fault::Twice) => Posting { copies: 2, ..clean },
        Some(Fault::Late) => Posting { turn: Turn::Late, ..clean },
        Some(Fault::Reordered) => Posting { turn: Turn::AfterNext, ..clean },
        Some(Fault::Never) => Posting { copies: 0, ..clean },
        Some(Fault::OtherKind) => Posting { other_kind: true, ..clean },
        Some(Fault::Forged(forgery)) => Posting { forged: Some(*forgery), ..clean },
        // Plans are validated before they are run.
        Some(other) => unreachable!("`{other}` strikes no event"),
    }
}

/// Plans are validated before they are run, so that no such fault reaches a request.
fn no_request() -> Delivery {
    unreachable!("a fault of the system's own, or of an event, strikes no request")
}
