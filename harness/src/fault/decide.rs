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

/// The effect of the faults of a request; of none, a delivery in which nothing goes wrong. Each decides a part of its own.
pub fn decide<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> Delivery {
    let mut delivery = Delivery::clean();
    for fault in faults {
        match fault {
            Fault::Circumstance(circumstance) => delivery.circumstance = Some(circumstance.clone()),
            Fault::Acts(acting) => delivery.acts = Some(*acting),
            Fault::HangUp => delivery.hang_up = true,
            Fault::Crash(point) => {
                delivery.crash = Some(*point);
                match point {
                    CrashPoint::BeforeSend => (delivery.applied, delivery.reply) = (&[], Reply::Silence),
                    CrashPoint::AfterSend => delivery.reply = Reply::Silence,
                    CrashPoint::AfterReply => {}
                    CrashPoint::BeforeWrite | CrashPoint::AfterWrite | CrashPoint::BeforeCall => return no_request(),
                }
            }
            network => {
                let Delivery { applied, reply, .. } = on_the_way(network);
                delivery.applied = applied;
                // What comes back to a process that is dead by then is nothing.
                if delivery.crash != Some(CrashPoint::AfterSend) {
                    delivery.reply = reply;
                }
            }
        }
    }
    delivery
}

/// The effect of a fault of the network's.
fn on_the_way(fault: &Fault) -> Delivery {
    const NEVER: &[When] = &[];
    const ONCE: &[When] = &[When::Now];
    let mangled = |mangle| Delivery::new(ONCE, Reply::Pass { delay: Duration::ZERO, mangle: Some(mangle) });
    match fault {
        Fault::Refuse => Delivery::new(NEVER, Reply::Refuse),
        Fault::LostRequest => Delivery::new(NEVER, Reply::Silence),
        Fault::Status(status, retry_after) => Delivery::new(NEVER, Reply::Status(*status, *retry_after)),
        Fault::Reset => Delivery::new(NEVER, Reply::Reset),
        Fault::Stall => Delivery::new(&[When::Late], Reply::Silence),
        Fault::LostReply => Delivery::new(ONCE, Reply::Silence),
        // A provider that did the work does not say otherwise: something in between answers.
        Fault::StatusAfter(status, retry_after, body) => {
            Delivery::new(ONCE, Reply::Foreign(*status, *retry_after, *body))
        }
        Fault::ResetAfter => Delivery::new(ONCE, Reply::Reset),
        Fault::Delay(delay) => Delivery::new(ONCE, Reply::Pass { delay: *delay, mangle: None }),
        Fault::Cut => Delivery::new(ONCE, Reply::Cut),
        Fault::Garbage => mangled(Mangle::Garbage),
        Fault::HtmlPage => mangled(Mangle::HtmlPage),
        Fault::Trickle => Delivery::new(ONCE, Reply::Trickle),
        Fault::HugeBody => Delivery::new(ONCE, Reply::Huge),
        Fault::OtherReply => mangled(Mangle::OtherReply),
        Fault::MissingField(field) => mangled(Mangle::MissingField(field.clone())),
        Fault::WrongType(field) => mangled(Mangle::WrongType(field.clone())),
        Fault::WrongAmount => mangled(Mangle::WrongAmount),
        Fault::Unasked(what) => mangled(Mangle::Unasked(*what)),
        Fault::Encoded(encoding) => mangled(Mangle::Encoded(*encoding)),
        Fault::Contradicting(how) => mangled(Mangle::Contradicting(*how)),
        Fault::Duplicate => Delivery::new(&[When::Now, When::Now], Reply::Pass { delay: Duration::ZERO, mangle: None }),
        Fault::LateDuplicate => {
            Delivery::new(&[When::Now, When::Late], Reply::Pass { delay: Duration::ZERO, mangle: None })
        }
        Fault::Circumstance(_)
        | Fault::Acts(_)
        | Fault::Crash(_)
        | Fault::HangUp
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
        | Fault::Malformed(_) => no_request(),
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

/// What else the provider tells of beside an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// What is no concern of a checkout.
    OfNoConcern,
    /// A charge under a reference that could be an order's, and is not.
    UnknownOrder,
}

/// A decided delivery of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posting {
    /// When.
    pub turn: Turn,
    /// How often, at once.
    pub copies: u8,
    /// Whether it is delivered once more, late.
    pub again: bool,
    /// What a forger delivers just before it.
    pub forged: Option<Forgery>,
    /// What else the provider tells of just before it.
    pub others: Option<Others>,
}

impl Posting {
    /// Nothing goes wrong.
    pub const fn clean() -> Self {
        Self { turn: Turn::Soon, copies: 1, again: false, forged: None, others: None }
    }
}

/// The effect of the faults of an event; of none, a delivery in which nothing goes wrong.
pub fn decide_event<'a>(faults: impl IntoIterator<Item = &'a Fault>) -> Posting {
    let mut posting = Posting::clean();
    for fault in faults {
        match fault {
            Fault::BeforeReply => posting.turn = Turn::BeforeReply,
            Fault::Late => posting.turn = Turn::Late,
            Fault::Reordered => posting.turn = Turn::AfterNext,
            Fault::Twice => posting.copies = 2,
            Fault::Copies(copies) => posting.copies = *copies,
            Fault::Again => posting.again = true,
            Fault::Never => posting.copies = 0,
            Fault::OtherKind => posting.others = Some(Others::OfNoConcern),
            Fault::UnknownOrder => posting.others = Some(Others::UnknownOrder),
            Fault::Forged(forgery) => posting.forged = Some(*forgery),
            // Plans are validated before they are run.
            other => unreachable!("`{other}` strikes no event"),
        }
    }
    posting
}

/// Plans are validated before they are run, so that no such fault reaches a request.
fn no_request() -> Delivery {
    unreachable!("a fault of the system's own, or of an event, strikes no request")
}
