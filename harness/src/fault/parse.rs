//! Reading a plan's text form: the inverse of [`super::plan`]'s `Display`.
//!
//! Every error has a place (a span of bytes in the text that was read), a sentence, and where a word is nearly a known
//! one, that one. What reads well here can happen: a fault that its operation cannot have is an error, and so is a plan
//! that says two things of one request.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use giftgenius::ports::Provider;

use super::menu::{self, Impossible};
use super::plan::{Address, DELAY_MAX, Plan, Planned};
use super::site::Place;
use super::{
    Act, Acting, ActsWhen, Circumstance, Contradiction, CrashPoint, Encoding, Expiry, Fault, Forgery, HostFault,
    ProviderFault, Unasked,
};
use crate::malform::BadLabel;
use crate::provider::operations;
use crate::suggest::nearest;

mod call;

use call::Call;

/// Why a text is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}{}", meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean `{meant}`?")))]
pub struct ParseError {
    /// The bytes of the text that are wrong.
    pub span: Range<usize>,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The known word that was probably meant.
    pub meant: Option<String>,
}

/// Where a planned fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// At one site: `payment.charge#1`, `journal.write#2`.
    At(Address),
    /// At a provider, over time: `provider.payment`.
    Provider(Provider),
}

/// Every fault's name, for suggestions.
const FAULTS: [&str; 56] = [
    "refuse",
    "lost_request",
    "status",
    "reset",
    "stall",
    "lost_reply",
    "status_after",
    "reset_after",
    "delay",
    "cut",
    "garbage",
    "html_page",
    "trickle",
    "huge_body",
    "other_reply",
    "missing_field",
    "wrong_type",
    "wrong_amount",
    "unasked",
    "encoded",
    "contradicting",
    "duplicate",
    "late_duplicate",
    "declined",
    "out_of_stock",
    "partial_reserve",
    "stale",
    "price_changed",
    "reservation_expired",
    "processing",
    "requires_action",
    "wrong_amount_charged",
    "refund_fails_later",
    "key_expired",
    "in_flight",
    "acts",
    "crash",
    "hang_up",
    "yield",
    "busy",
    "full",
    "slow",
    "corrupt",
    "panic",
    "jump",
    "before_reply",
    "twice",
    "copies",
    "again",
    "late",
    "reordered",
    "never",
    "other_kind",
    "unknown_order",
    "forged",
    "malformed",
];

/// The names of faults over time.
const PROVIDER_FAULTS: [&str; 5] = ["outage", "brownout", "flap", "rate_limit", "maintenance"];

impl FromStr for Plan {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut plan = Self::default();
        let entries: Vec<&str> = text.split(';').collect();
        for (index, entry) in entries.iter().enumerate() {
            if entry.trim().is_empty() {
                if index + 1 == entries.len() {
                    break;
                }
                return Err(error(text, entry, "a fault is missing before this `;`"));
            }
            let (address, fault) = entry.split_once(':').ok_or_else(|| {
                let message = "a fault is written after its place, as in `payment.charge#1: lost_reply`";
                error(text, entry.trim(), message)
            })?;
            let place = Reader { text }.place(address)?;
            let reader = Reader { text };
            for planned in reader.all_planned(&place, fault)? {
                plan.add(planned).map_err(|message| error(text, address.trim(), message))?;
            }
        }
        Ok(plan)
    }
}

impl Plan {
    /// Adds a fault; a sentence if that contradicts what is planned. Faults of one address come to stand together.
    pub fn add(&mut self, planned: Planned) -> Result<(), String> {
        let mut place = self.faults.len();
        for (index, earlier) in self.faults.iter().enumerate() {
            match (earlier, &planned) {
                (Planned::At(one, known), Planned::At(other, fault)) if one == other => {
                    menu::combine(one.place, known, fault).map_err(|why| format!("at `{one}`, {why}"))?;
                    place = index + 1;
                }
                (Planned::Over(one, earlier), Planned::Over(other, later)) if one == other && earlier.meets(later) => {
                    let name = one.name();
                    let (from, calls) = earlier.window();
                    let next = from.saturating_add(calls);
                    return Err(format!(
                        "`{}` and `{}` of `provider.{name}` overlap; the second can begin at request {next}",
                        earlier.name(),
                        later.name()
                    ));
                }
                (Planned::At(..) | Planned::Over(..), Planned::At(..) | Planned::Over(..)) => {}
            }
        }
        self.faults.insert(place, planned);
        Ok(())
    }
}

/// Reads the place of a fault: `payment.charge#1`, `payment.charge@3#1` or `provider.payment`.
pub fn parse_address(text: &str) -> Result<Target, ParseError> {
    Reader { text }.place(text)
}

/// Reads a fault at a request, wherever that is: `status(503, retry_after=2)`.
pub fn parse_fault(text: &str) -> Result<Fault, ParseError> {
    Reader { text }.fault(text)
}

/// Reads a fault over time: `outage(from=2, calls=3)`.
pub fn parse_provider_fault(text: &str) -> Result<ProviderFault, ParseError> {
    Reader { text }.provider_fault(text)
}

/// Reads what strikes at a place: one fault, or several that strike together (`processing + lost_reply`). One that cannot
/// happen there is an error.
pub fn parse_planned(place: &Target, text: &str) -> Result<Vec<Planned>, ParseError> {
    Reader { text }.all_planned(place, text)
}

/// The faults of one place: a `+` in parentheses belongs to a fault's own parameters.
fn together(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '+' && depth == 0
    })
}

/// Where a part of a text stands in it.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

fn error(text: &str, part: &str, message: impl Into<String>) -> ParseError {
    ParseError { span: span(text, part), message: message.into(), meant: None }
}

/// Reads parts of a text, which it knows for the places of errors. Every `part` is a slice of `text`.
#[derive(Clone, Copy)]
struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn error(self, part: &str, message: impl Into<String>) -> ParseError {
        error(self.text, part, message)
    }

    fn unknown<'k>(self, part: &str, what: &str, known: impl IntoIterator<Item = &'k str>) -> ParseError {
        if part.is_empty() {
            return self.error(part, format!("{what} is missing here"));
        }
        let known: Vec<_> = known.into_iter().collect();
        let meant = nearest(part, known.iter().copied()).map(str::to_owned);
        let there_are = match (&meant, what) {
            (Some(_), _) => String::new(),
            (None, "fault") => "; `misrule list --faults` shows them all".to_owned(),
            (None, "place") => "; `misrule list --sites` shows them all".to_owned(),
            (None, _) => {
                format!("; there is {}", known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "))
            }
        };
        ParseError { meant, ..self.error(part, format!("`{part}` is no {what}{there_are}")) }
    }

    /// A whole number in a range, which an error names.
    fn number<T>(self, part: &str, what: &str, range: RangeInclusive<T>) -> Result<T, ParseError>
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = part.parse().ok().filter(|number| digits && range.contains(number));
        number.ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            self.error(part, format!("{what} is a whole number from {from} to {to}, not `{part}`"))
        })
    }

    fn counted(self, part: &str, what: &str) -> Result<u32, ParseError> {
        self.number(part, what, 1..=u32::MAX)
    }

    fn millis(self, part: &str) -> Result<Duration, ParseError> {
        let most = u64::try_from(DELAY_MAX.as_millis()).unwrap_or(u64::MAX);
        self.number(part, "`ms`", 1..=most).map(Duration::from_millis)
    }

    fn place(self, part: &'a str) -> Result<Target, ParseError> {
        let part = part.trim();
        if let Some(name) = part.strip_prefix("provider.") {
            return Provider::ALL
                .into_iter()
                .find(|provider| provider.name() == name)
                .map(Target::Provider)
                .ok_or_else(|| self.unknown(name, "provider", Provider::ALL.map(Provider::name)));
        }
        let (labelled, number) = match part.split_once('#') {
            Some((labelled, number)) => (labelled, Some(number)),
            None => (part, None),
        };
        let (label, step) = match labelled.split_once('@') {
            Some((label, step)) => (label, Some(step)),
            None => (labelled, None),
        };
        let Some(place) = Place::by_label(label) else {
            let providers = ["provider.payment", "provider.catalog", "provider.inventory"];
            return Err(self.unknown(label, "place", Place::all().map(Place::label).chain(providers)));
        };
        let Some(number) = number else {
            let message = format!("which request is meant? Write `{part}#1` for the first");
            return Err(self.error(part, message));
        };
        if let (Some(_), Place::JournalRead | Place::JournalWrite) = (step, place) {
            let message = format!("`{label}` belongs to no step of the script: write `{label}#1` for the first");
            return Err(self.error(part, message));
        }
        let step = step.map(|step| self.counted(step, "a step of the script")).transpose()?;
        Ok(Target::At(Address { place, step, number: self.counted(number, "the site")? }))
    }

    fn all_planned(self, place: &Target, part: &'a str) -> Result<Vec<Planned>, ParseError> {
        together(part).map(|part| self.planned(place, part)).collect()
    }

    fn planned(self, place: &Target, part: &'a str) -> Result<Planned, ParseError> {
        let part = part.trim();
        let name = part.split('(').next().unwrap_or(part).trim();
        match place {
            Target::At(address) => {
                if let Some(operation) = address.place.operation()
                    && PROVIDER_FAULTS.contains(&name)
                {
                    let provider = operation.provider.name();
                    let message = format!("`{name}` strikes a whole provider: write `provider.{provider}: {part}`");
                    return Err(self.error(part, message));
                }
                let fault = self.fault(part)?;
                menu::validate(address.place, &fault).map_err(|why| self.impossible(part, &why))?;
                Ok(Planned::At(*address, fault))
            }
            Target::Provider(provider) => {
                if FAULTS.contains(&name) || HostFault::by_name(name).is_some() {
                    let message = format!(
                        "`{name}` strikes one request: write it at an operation of `{}`, such as `{}#1`",
                        provider.name(),
                        operations::ALL
                            .iter()
                            .find(|operation| operation.provider == *provider)
                            .map_or("payment.charge", |operation| operation.label),
                    );
                    return Err(self.error(name, message));
                }
                Ok(Planned::Over(*provider, self.provider_fault(part)?))
            }
        }
    }

    fn impossible(self, part: &str, why: &Impossible) -> ParseError {
        let meant = match why {
            Impossible::NoField { nearest, .. } => nearest.map(str::to_owned),
            Impossible::NoEffect { .. }
            | Impossible::NoAmount { .. }
            | Impossible::NoRefusal { .. }
            | Impossible::NoSubject { .. }
            | Impossible::NotAsked { .. }
            | Impossible::NoContradiction { .. }
            | Impossible::Elsewhere { .. }
            | Impossible::Status(_)
            | Impossible::Delay
            | Impossible::NoEvent { .. }
            | Impossible::DeclineCode
            | Impossible::Copies
            | Impossible::NotOfAHost { .. } => None,
        };
        ParseError { meant, ..self.error(part, why.to_string()) }
    }

    fn fault(self, part: &'a str) -> Result<Fault, ParseError> {
        let mut call = Call::read(self, part)?;
        let fault = match call.name {
            "refuse" => Fault::Refuse,
            "lost_request" => Fault::LostRequest,
            "status" => Fault::Status(call.status()?, call.retry_after()?),
            "reset" => Fault::Reset,
            "stall" => Fault::Stall,
            "lost_reply" => Fault::LostReply,
            "status_after" => Fault::StatusAfter(call.status()?, call.retry_after()?, call.body()?),
            "reset_after" => Fault::ResetAfter,
            "delay" => {
                let millis = call.named("ms", "delay(ms=300)")?;
                Fault::Delay(self.millis(millis)?)
            }
            "cut" => Fault::Cut,
            "garbage" => Fault::Garbage,
            "html_page" => Fault::HtmlPage,
            "trickle" => Fault::Trickle,
            "huge_body" => Fault::HugeBody,
            "other_reply" => Fault::OtherReply,
            "missing_field" => Fault::MissingField(call.value("missing_field(id)")?.to_owned()),
            "wrong_type" => Fault::WrongType(call.value("wrong_type(id)")?.to_owned()),
            "wrong_amount" => Fault::WrongAmount,
            "unasked" => {
                Fault::Unasked(call.word("unasked(more)", "thing to answer unasked", &Unasked::ALL, Unasked::name)?)
            }
            "encoded" => Fault::Encoded(call.word("encoded(gzip)", "encoding", &Encoding::ALL, Encoding::name)?),
            "contradicting" => {
                let example = "contradicting(below_nothing)";
                Fault::Contradicting(call.word(example, "contradiction", &Contradiction::ALL, Contradiction::name)?)
            }
            "duplicate" => Fault::Duplicate,
            "late_duplicate" => Fault::LateDuplicate,
            "declined" => {
                let code = call.value("declined(insufficient_funds)")?.to_owned();
                Fault::Circumstance(Circumstance::Declined(code))
            }
            "acts" => {
                let act = call.word("acts(refund)", "act of a provider's", &Act::ALL, Act::name)?;
                let (before, none) = (call.flag("before"), call.only("event", "none")?);
                let when = if before { ActsWhen::Before } else { ActsWhen::After };
                Fault::Acts(Acting { act, when, told: !none })
            }
            "crash" => {
                Fault::Crash(call.word("crash(after_send)", "point of a crash", &CrashPoint::ALL, CrashPoint::name)?)
            }
            "hang_up" => Fault::HangUp,
            "yield" => Fault::Yield,
            "busy" => Fault::Busy,
            "full" => Fault::Full,
            "slow" => {
                let millis = call.named("ms", "slow(ms=300)")?;
                Fault::Slow(self.millis(millis)?)
            }
            "corrupt" => Fault::Corrupt,
            "panic" => Fault::Panic,
            "jump" => Fault::Jump(call.word("jump(lease)", "expiry", &Expiry::ALL, Expiry::name)?),
            "before_reply" => Fault::BeforeReply,
            "twice" => Fault::Twice,
            "copies" => {
                let copies = call.value("copies(4)")?;
                Fault::Copies(self.number(copies, "the number of copies", 2..=9)?)
            }
            "again" => Fault::Again,
            "late" => Fault::Late,
            "reordered" => Fault::Reordered,
            "never" => Fault::Never,
            "other_kind" => Fault::OtherKind,
            "unknown_order" => Fault::UnknownOrder,
            "forged" => Fault::Forged(call.word("forged(signature)", "forgery", &Forgery::ALL, Forgery::name)?),
            "malformed" => {
                let label = call.value("malformed(type:/items/0/quantity:stringified)")?;
                Fault::Malformed(label.parse().map_err(|bad: BadLabel| self.error(label, bad.to_string()))?)
            }
            name => {
                let plain = Circumstance::PLAIN.into_iter().find(|circumstance| circumstance.name() == name);
                let plain = plain.map(Fault::Circumstance).or_else(|| HostFault::by_name(name).map(Fault::Host));
                let unknown = || {
                    let host = HostFault::ALL.map(HostFault::name);
                    self.unknown(name, "fault", FAULTS.into_iter().chain(PROVIDER_FAULTS).chain(host))
                };
                plain.ok_or_else(unknown)?
            }
        };
        call.finish()?;
        menu::in_range(&fault).map_err(|why| self.impossible(part.trim(), &why))?;
        Ok(fault)
    }

    fn provider_fault(self, part: &'a str) -> Result<ProviderFault, ParseError> {
        let mut call = Call::read(self, part)?;
        let fault = match call.name {
            "outage" => {
                let [from, calls] = call.counts(["from", "calls"], "outage(from=2, calls=3)")?;
                ProviderFault::Outage { from, calls }
            }
            "brownout" => {
                let example = "brownout(percent=50, from=1, calls=8)";
                let some = 1..=u32::MAX;
                let wanted = [("percent", 1..=100), ("from", some.clone()), ("calls", some)];
                let [percent, from, calls] = call.numbers(wanted, example)?;
                ProviderFault::Brownout { percent, from, calls }
            }
            "flap" => {
                let example = "flap(from=1, up=1, down=2, calls=9)";
                let [from, up, down, calls] = call.counts(["from", "up", "down", "calls"], example)?;
                ProviderFault::Flap { from, up, down, calls }
            }
            "rate_limit" => {
                let example = "rate_limit(from=2, calls=4, retry_after=1)";
                let some = 1..=u32::MAX;
                let wanted = [("from", some.clone()), ("calls", some), ("retry_after", 0..=u32::MAX)];
                let [from, calls, retry_after] = call.numbers(wanted, example)?;
                ProviderFault::RateLimit { from, calls, retry_after }
            }
            "maintenance" => {
                let example = "maintenance(from=2, calls=4, retry_after=5)";
                let some = 1..=u32::MAX;
                let wanted = [("from", some.clone()), ("calls", some), ("retry_after", 0..=u32::MAX)];
                let [from, calls, retry_after] = call.numbers(wanted, example)?;
                ProviderFault::Maintenance { from, calls, retry_after }
            }
            unknown => return Err(self.unknown(unknown, "fault of a whole provider", PROVIDER_FAULTS)),
        };
        call.finish()?;
        Ok(fault)
    }
}

#[cfg(test)]
mod tests;
