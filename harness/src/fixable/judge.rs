//! What came of one malformed call: whether it was answered as is owed, and whether its error can be repaired from.

use serde_json::Value;

use super::house::House;
use super::prepare::{Books, Calls, USER, adds};
use crate::malform::{Case, Expected, Published, Remedy, Sent, pointer};
use crate::repair::{Agent, Answer, TURNS_MAX};
use crate::trace::HostReply;

/// The result of one case.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// The first answer, in a line.
    pub(super) answered: String,
    /// How the first answer is not the one that is owed.
    pub(super) wrong: Option<String>,
    /// What became of a call that an error could mend; `None` where there is nothing to mend, or nothing that would.
    pub(super) mended: Option<Mending>,
    /// Why no message could have mended it, where that shows only when it is tried.
    pub(super) beyond: Option<&'static str>,
}

/// Nobody can know the value that is gone, and what stood in for it was understood: that the business has none of it
/// says nothing of the message.
const THE_BUSINESSS: &str =
    "what is nearest to it is understood, and refused by the business: the person has to decide";

/// What became of a call that could be mended.
#[derive(Clone, Debug)]
pub(super) struct Mending {
    /// In how many turns it was accepted; `None` if it never was.
    pub(super) turns: Option<u32>,
    /// Whether it says what was meant, as far as anybody could know.
    pub(super) kept: bool,
    /// What is missing in the message.
    pub(super) lacks: Option<String>,
}

/// Makes a malformed call and mends it. `valid` is the call that was meant.
pub(super) fn judge(house: &House, tool: &Published<'_>, valid: &Value, case: &Case, seed: u64) -> Judged {
    let (name, arguments) = match &case.sent {
        Sent::Arguments(arguments) => (tool.name, arguments.clone()),
        Sent::ToTool(name) => (name.as_str(), valid.clone()),
        Sent::Frame(_) | Sent::Nothing => unreachable!("neither is sent in simulation"),
    };
    let (marks, books) = (house.marks(), house.books());
    let reply = house.call(USER, name, arguments.clone());
    let unchanged = house.marks() == marks;
    let wrong = wrong(&case.expected, &reply, unchanged, house.books() == books);
    let answered = told(&reply);
    if accepted(&reply) || !matches!(case.remedy, Remedy::Restored | Remedy::Replaced(_)) {
        return Judged { answered, wrong, mended: None, beyond: None };
    }
    let first = Turn { name: name.to_owned(), arguments, reply };
    match mend(house, tool, valid, case, seed, first, books) {
        Ok(mending) => Judged { answered, wrong, mended: Some(mending), beyond: None },
        Err(why) => Judged { answered, wrong, mended: None, beyond: Some(why) },
    }
}

/// A call with its answer.
pub(super) struct Turn {
    pub(super) name: String,
    pub(super) arguments: Value,
    pub(super) reply: HostReply,
}

/// Mends a call that was refused, from its error alone. The error says why no message could have mended it.
pub(super) fn mend(
    house: &dyn Calls,
    tool: &Published<'_>,
    valid: &Value,
    case: &Case,
    seed: u64,
    first: Turn,
    before: Books,
) -> Result<Mending, &'static str> {
    let mut agent = Agent::new(tool.name, tool.schema, seed);
    let Turn { mut name, mut arguments, mut reply } = first;
    for turn in 1..=TURNS_MAX {
        let next = match &reply {
            HostReply::Tool { structured, is_error: true } => agent.mend(&arguments, Answer::Tool(structured)),
            HostReply::Protocol { message, .. } => agent.mend(&arguments, Answer::Protocol(message)),
            HostReply::Tool { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => None,
        };
        let Some(next) = next else {
            if turn > 1 && matches!(case.remedy, Remedy::Replaced(_)) && is_business(&reply) {
                return Err(THE_BUSINESSS);
            }
            let lacks = Some(format!("says nothing that could be tried after `{}`", told(&reply)));
            return Ok(Mending { turns: None, kept: false, lacks });
        };
        name = next.tool.unwrap_or(name);
        arguments = next.arguments;
        reply = house.call(USER, &name, arguments.clone());
        if accepted(&reply) {
            let added = {
                let after = house.books();
                Books { charges: after.charges - before.charges, refunds: after.refunds - before.refunds }
            };
            let differs = if name == tool.name {
                differs(valid, &arguments, &case.remedy)
            } else {
                Some(format!("`{name}` was called"))
            };
            let lacks = if added != adds(tool.name) {
                Some(format!("the books hold {added:?} more, not {:?}", adds(tool.name)))
            } else if let Some(differs) = &differs {
                Some(differs.clone())
            } else {
                (turn > 1).then(|| String::from("does not tell all at once what is wrong"))
            };
            return Ok(Mending { turns: Some(turn), kept: differs.is_none() && added == adds(tool.name), lacks });
        }
    }
    Ok(Mending { turns: None, kept: false, lacks: Some(format!("leads in {TURNS_MAX} turns to `{}`", told(&reply))) })
}

/// Whether the business said no, to arguments that were understood.
fn is_business(reply: &HostReply) -> bool {
    matches!(reply, HostReply::Tool { structured, is_error: true }
        if structured.pointer("/error/type").and_then(Value::as_str) == Some("business"))
}

/// In what the mended call is not the one that was meant, where that could be known.
fn differs(valid: &Value, mended: &Value, remedy: &Remedy) -> Option<String> {
    let (mut wanted, mut got) = (valid.clone(), mended.clone());
    if let Remedy::Replaced(places) = remedy {
        // From the back, so that items of a list stay where they are named.
        for place in places.iter().rev() {
            pointer::remove(&mut wanted, place);
            pointer::remove(&mut got, place);
        }
    }
    if wanted == got {
        return None;
    }
    let place = first_difference(&wanted, &got, "");
    let shown = |value: Option<&Value>| value.map_or_else(|| String::from("nothing"), short);
    Some(format!(
        "does not tell what was meant at {}: {} came of {}",
        if place.is_empty() { "the whole" } else { &place },
        shown(got.pointer(&place)),
        shown(wanted.pointer(&place))
    ))
}

fn first_difference(wanted: &Value, got: &Value, at: &str) -> String {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let names = wanted.keys().chain(got.keys());
            let differs = names.into_iter().find(|name| wanted.get(*name) != got.get(*name));
            differs.map_or_else(
                || at.to_owned(),
                |name| {
                    let below = pointer::below(at, name);
                    match (wanted.get(name), got.get(name)) {
                        (Some(wanted), Some(got)) => first_difference(wanted, got, &below),
                        _ => below,
                    }
                },
            )
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            let differs = wanted.iter().zip(got).enumerate().find(|(_, (wanted, got))| wanted != got);
            differs.map_or_else(
                || at.to_owned(),
                |(index, (wanted, got))| first_difference(wanted, got, &format!("{at}/{index}")),
            )
        }
        _ => at.to_owned(),
    }
}

pub(super) fn accepted(reply: &HostReply) -> bool {
    matches!(reply, HostReply::Tool { is_error: false, .. })
}

/// How an answer is not the one that is owed.
pub(super) fn wrong(expected: &Expected, reply: &HostReply, unchanged: bool, no_money_moved: bool) -> Option<String> {
    let error = match reply {
        HostReply::Tool { structured, is_error: true } => structured.get("error"),
        _ => None,
    };
    let code = error.and_then(|error| error.get("code")).and_then(Value::as_str);
    let violations = || error.and_then(|error| error.get("violations")).and_then(Value::as_array).into_iter().flatten();
    let names =
        |place: &str| violations().any(|violation| violation.get("field").and_then(Value::as_str) == Some(place));
    match expected {
        Expected::Refused(places) => {
            if code != Some(INVALID) {
                return Some(format!("it should be refused as invalid; it was answered `{}`", told(reply)));
            }
            if !unchanged {
                return Some(String::from("it was refused, and something was changed all the same"));
            }
            let unnamed: Vec<&str> = places.iter().map(String::as_str).filter(|place| !names(place)).collect();
            (!unnamed.is_empty()).then(|| format!("the error does not name {}", unnamed.join(", ")))
        }
        Expected::Failed => {
            if code.is_none() || code == Some(INVALID) {
                return Some(format!("what it names is not there; it was answered `{}`", told(reply)));
            }
            (!no_money_moved).then(|| String::from("it failed, and money was moved all the same"))
        }
        Expected::Accepted(why) => {
            (!accepted(reply)).then(|| format!("it should be accepted ({why}); it was answered `{}`", told(reply)))
        }
        Expected::Open(place) => match reply {
            HostReply::Tool { is_error: false, .. } => None,
            HostReply::Tool { .. } if code != Some(INVALID) || names(place) => {
                (!no_money_moved).then(|| String::from("it failed, and money was moved all the same"))
            }
            HostReply::Tool { .. } => Some(format!("the error does not name {place}")),
            other => Some(format!("it was answered `{}`", told(other))),
        },
        Expected::Protocol(error) => match reply {
            HostReply::Protocol { code, .. } if *code != error.code() => {
                Some(format!("it should be {} ({}); it was answered `{}`", error.code(), error.name(), told(reply)))
            }
            HostReply::Protocol { .. } if unchanged => None,
            HostReply::Protocol { .. } => Some(String::from("it was refused, and something was changed all the same")),
            other => Some(format!("it should be an error of the protocol; it was answered `{}`", told(other))),
        },
        Expected::EachAnswered => (!accepted(reply)).then(|| format!("it was answered `{}`", told(reply))),
        Expected::None(_) => None,
    }
}

/// Whether the arguments were refused as invalid.
pub(super) fn is_invalid(reply: &HostReply) -> bool {
    matches!(reply, HostReply::Tool { structured, is_error: true }
        if structured.pointer("/error/code").and_then(Value::as_str) == Some(INVALID))
}

/// GiftGenius's code for arguments that its schema does not take.
const INVALID: &str = "INVALID_ARGUMENTS";

/// An answer in a line.
pub(super) fn told(reply: &HostReply) -> String {
    match reply {
        HostReply::Tool { structured, is_error: true } => {
            let text = |name: &str| structured.pointer(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", text("/error/code"), text("/error/message"))
        }
        HostReply::Tool { .. } => String::from("accepted"),
        HostReply::Protocol { code, message } => format!("{code}: {message}"),
        HostReply::Cancelled => String::from("cancelled"),
        HostReply::Broken => String::from("the connection broke"),
        HostReply::NoAnswer => String::from("no answer"),
    }
}

/// A value in a few words.
pub(super) fn short(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
