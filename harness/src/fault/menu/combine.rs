//! Which faults can strike one site together: `payment.charge#1: processing + lost_reply`.
//!
//! A request meets one fault of the network, one circumstance of the provider's business, one act of the provider's own,
//! one crash and one host that hangs up. Two of one part contradict each other. What never reaches the provider meets
//! neither its business nor its acts.

use crate::fault::decide::{When, decide};
use crate::fault::site::Place;
use crate::fault::{Circumstance, CrashPoint, Fault};

/// Why two faults cannot strike one site together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Contrary {
    /// Both say how the same part of it goes.
    #[error("`{one}` and `{other}` both say {part}")]
    SamePart {
        /// The earlier.
        one: String,
        /// The later.
        other: String,
        /// What they say.
        part: &'static str,
    },
    /// One keeps the other from happening.
    #[error("with `{one}` there is nothing for `{other}` to strike")]
    Moot {
        /// What prevents.
        one: String,
        /// What is prevented.
        other: String,
    },
    /// Together they leave the provider's contract, within which its behaviour is judged.
    #[error("`{one}` and `{other}` together leave the provider's contract: {promise}")]
    BeyondTheContract {
        /// The earlier.
        one: String,
        /// The later.
        other: String,
        /// What the contract promises.
        promise: &'static str,
    },
    /// Only requests and events have several faults.
    #[error("`{place}` goes wrong in one way at a time; only a request and an event have several faults")]
    Elsewhere {
        /// The place's label.
        place: &'static str,
    },
}

/// Part of a site that one fault decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Network,
    Business,
    Act,
    Crash,
    Host,
    Time,
    Copies,
    Forgery,
    Others,
}

impl Part {
    const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Circumstance(_) => Self::Business,
            Fault::Acts(_) => Self::Act,
            Fault::Crash(_) => Self::Crash,
            Fault::HangUp => Self::Host,
            Fault::BeforeReply | Fault::Late | Fault::Reordered => Self::Time,
            Fault::Twice | Fault::Copies(_) | Fault::Again | Fault::Never => Self::Copies,
            Fault::Forged(_) => Self::Forgery,
            Fault::OtherKind | Fault::UnknownOrder => Self::Others,
            _ => Self::Network,
        }
    }

    const fn said(self) -> &'static str {
        match self {
            Self::Network => "what becomes of the request and its reply",
            Self::Business => "what the provider's business answers",
            Self::Act => "what the provider does on its own",
            Self::Crash => "when the process is killed",
            Self::Host => "that the host hangs up",
            Self::Time => "when the event comes",
            Self::Copies => "how often the event comes",
            Self::Forgery => "what is forged beside the event",
            Self::Others => "that other events come",
        }
    }
}

/// Why two faults do not go together, before it is put in words.
enum Why {
    Elsewhere,
    SamePart,
    BeyondTheContract(&'static str),
    /// The first keeps the second from happening.
    Moot,
    /// The second keeps the first from happening.
    MootTurned,
}

/// Whether two faults that can each happen at a place can happen there together.
pub fn combine(place: Place, one: &Fault, other: &Fault) -> Result<(), Contrary> {
    let moot = |prevents: &Fault, prevented: &Fault| Contrary::Moot {
        one: prevents.to_string(),
        other: prevented.to_string(),
    };
    Err(match why_not(place, one, other) {
        None => return Ok(()),
        Some(Why::Elsewhere) => Contrary::Elsewhere { place: place.label() },
        Some(Why::SamePart) => {
            Contrary::SamePart { one: one.to_string(), other: other.to_string(), part: Part::of(one).said() }
        }
        Some(Why::BeyondTheContract(promise)) => {
            Contrary::BeyondTheContract { one: one.to_string(), other: other.to_string(), promise }
        }
        Some(Why::Moot) => moot(one, other),
        Some(Why::MootTurned) => moot(other, one),
    })
}

/// The same without words, for exploration.
pub fn can_combine(place: Place, one: &Fault, other: &Fault) -> bool {
    why_not(place, one, other).is_none()
}

fn why_not(place: Place, one: &Fault, other: &Fault) -> Option<Why> {
    let moot = match place {
        Place::HostCall | Place::JournalRead | Place::JournalWrite => return Some(Why::Elsewhere),
        _ if Part::of(one) == Part::of(other) => return Some(Why::SamePart),
        Place::Request(_) => keeps_from_a_request,
        Place::Webhook => keeps_from_an_event,
    };
    if let Some(promise) = broken_promise(one, other).or_else(|| broken_promise(other, one)) {
        Some(Why::BeyondTheContract(promise))
    } else if moot(one, other) {
        Some(Why::Moot)
    } else {
        moot(other, one).then_some(Why::MootTurned)
    }
}

/// What a provider promises that would not hold under a fault of the network and a circumstance of its business.
fn broken_promise(network: &Fault, business: &Fault) -> Option<&'static str> {
    let (Fault::Stall | Fault::Duplicate | Fault::LateDuplicate, Fault::Circumstance(circumstance)) =
        (network, business)
    else {
        return None;
    };
    match circumstance {
        Circumstance::KeyExpired => Some("a key is kept for longer than a copy of its request is under way"),
        Circumstance::Processing | Circumstance::RefundFailsLater if *network != Fault::Duplicate => {
            Some("what comes of a request comes within the bound on late effects, counted from when it was sent")
        }
        _ => None,
    }
}

/// Whether one fault of a request keeps another from happening: what does not arrive meets no business, and a process that
/// is dead before its reply comes sees nothing of what was done to that.
fn keeps_from_a_request(one: &Fault, other: &Fault) -> bool {
    match (Part::of(one), Part::of(other)) {
        (Part::Network | Part::Crash, Part::Business | Part::Act) => !decide([one]).applied.contains(&When::Now),
        (Part::Crash, Part::Network) => match one {
            Fault::Crash(CrashPoint::BeforeSend) => true,
            Fault::Crash(CrashPoint::AfterSend) => {
                !matches!(other, Fault::Duplicate | Fault::LateDuplicate | Fault::Stall)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether one fault of an event keeps another from happening: one that never comes does not come late.
fn keeps_from_an_event(one: &Fault, other: &Fault) -> bool {
    *one == Fault::Never && Part::of(other) == Part::Time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::menu::{full, validate};
    use crate::fault::parse::Target;
    use crate::fault::parse::{parse_address, parse_fault};
    use crate::fault::plan::Plan;

    fn place(address: &str) -> Place {
        match parse_address(address).expect("an address") {
            Target::At(address) => address.place,
            Target::Provider(_) => unreachable!("no provider is asked about"),
        }
    }

    fn together(address: &str, one: &str, other: &str) -> Result<(), Contrary> {
        let fault = |text| parse_fault(text).expect("a fault");
        combine(place(address), &fault(one), &fault(other))
    }

    #[test]
    fn faults_of_different_parts_strike_together() {
        for (address, one, other) in [
            ("payment.charge#1", "processing", "lost_reply"),
            ("payment.charge#1", "declined(expired_card)", "status_after(502)"),
            ("payment.charge#1", "duplicate", "acts(refund)"),
            ("payment.charge#1", "crash(after_send)", "duplicate"),
            ("payment.charge#1", "crash(after_reply)", "declined(expired_card)"),
            ("payment.charge#1", "hang_up", "refuse"),
            ("inventory.reserve#1", "out_of_stock", "delay(ms=300)"),
            ("webhook.event#1", "twice", "late"),
            ("webhook.event#1", "never", "forged(cut)"),
        ] {
            assert_eq!(together(address, one, other), Ok(()), "{address}: {one} + {other}");
            assert_eq!(together(address, other, one), Ok(()), "{address}: {other} + {one}");
        }
    }

    #[test]
    fn what_does_not_go_together_says_why() {
        for (address, one, other, why) in [
            ("payment.charge#1", "cut", "reset", "both say what becomes of the request and its reply"),
            ("payment.charge#1", "processing", "declined(x)", "both say what the provider's business answers"),
            ("payment.charge#1", "declined(x)", "refuse", "with `refuse` there is nothing for `declined(x)` to strike"),
            ("payment.charge#1", "status(503)", "acts(refund)", "with `status(503)` there is nothing for"),
            ("payment.charge#1", "crash(before_send)", "processing", "with `crash(before_send)` there is nothing for"),
            ("payment.charge#1", "crash(after_send)", "cut", "with `crash(after_send)` there is nothing for `cut`"),
            ("payment.charge#1", "processing", "late_duplicate", "comes within the bound on late effects"),
            ("payment.charge#1", "key_expired", "duplicate", "a key is kept for longer than a copy"),
            ("webhook.event#1", "never", "late", "with `never` there is nothing for `late` to strike"),
            ("webhook.event#1", "twice", "again", "both say how often the event comes"),
            ("journal.write#1", "busy", "hang_up", "`journal.write` goes wrong in one way at a time"),
        ] {
            for said in [together(address, one, other), together(address, other, one)] {
                let said = said.expect_err(one).to_string();
                assert!(said.contains(why), "{address}: {one} + {other}: {said}");
            }
        }
    }

    #[test]
    fn what_goes_together_reads_as_it_is_written() {
        let mut pairs = 0;
        for place in Place::all() {
            for (index, one) in full(place).iter().enumerate() {
                assert_eq!(validate(place, one), Ok(()));
                for other in full(place)[index + 1..].iter().filter(|other| can_combine(place, one, other)) {
                    let text = format!("{}#1: {one} + {other}", place.label());
                    let plan: Plan = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert_eq!((plan.faults.len(), plan.to_string()), (2, text));
                    pairs += 1;
                }
            }
        }
        assert!(pairs > 500, "{pairs}");
    }
}
