//! Every frame of every tool, over both transports; and one of them, from its bytes to its end.

use std::sync::Arc;

use serde_json::{Value, json};

use super::held::{Changed, answer, wrong};
use super::real::Real;
use super::told::joined;
use super::{Transport, Wire};
use crate::fixable::judge::{self, Judged, accepted, mend};
use crate::fixable::measure::{Measuring, scenario};
use crate::fixable::prepare::{Calls as _, USER, adds, prepare_anew};
use crate::fixable::shown::Turn;
use crate::malform::frames::Frame;
use crate::malform::{self, Case, Class, Label, Published, Remedy, Sent};
use crate::scenario::model::Scenario;
use crate::trace::HostReply;

/// So often a system that was lost over a frame is started again. Each loss may have cost the patience of a whole answer,
/// and nothing more is learnt of one that is lost again and again.
const LOST_MAX: u32 = 3;

/// The argument that holds the caller's key.
const KEY: &str = "idempotency_key";

/// A frame with what came of it over both transports.
pub(in crate::fixable) struct Received {
    pub(in crate::fixable) tool: &'static str,
    pub(in crate::fixable) label: Label,
    pub(in crate::fixable) judged: Judged,
}

/// What is shown of one frame, a transport.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    /// Over which it was sent.
    pub transport: Transport,
    /// The frame and the calls that mended it, each with its answer.
    pub turns: Vec<Turn>,
    /// How it was not answered as is owed.
    pub wrong: Option<String>,
}

/// Sends every frame of every tool. The error is a sentence: the system could not be started, or a call that should be
/// well was not.
pub(in crate::fixable) fn send(measuring: &Measuring, wire: &Wire) -> Result<Vec<Received>, String> {
    let scenario = scenario(measuring)?;
    let mut sweep = Sweep { scenario: &scenario, wire, real: None, lost: [0; 2], prepared: 0 };
    let mut received = Vec::new();
    for spec in giftgenius::tools::table().iter().map(|tool| &tool.spec).filter(|spec| !measuring.skips(spec.name)) {
        let tool = Published::new(spec.name, &spec.input_schema);
        let labels = sweep.labels(&tool)?;
        let mut over = Vec::new();
        for transport in Transport::ALL {
            over.push(sweep.each(&tool, transport, &labels)?);
        }
        for (at, label) in labels.into_iter().enumerate() {
            let both =
                Transport::ALL.into_iter().zip(&over).map(|(transport, one)| (transport, one[at].judged.clone()));
            received.push(Received { tool: spec.name, label, judged: joined(&both.collect::<Vec<_>>()) });
        }
    }
    Ok(received)
}

/// Sends one frame over both transports. The error is a sentence.
pub fn show(tool: &str, label: &Label, wire: &Wire) -> Result<Vec<Shown>, String> {
    let spec = giftgenius::tools::table().iter().map(|tool| &tool.spec).find(|spec| spec.name == tool);
    let spec = spec.ok_or_else(|| format!("there is no tool `{tool}`"))?;
    let published = Published::new(spec.name, &spec.input_schema);
    let scenario = scenario(&Measuring::default())?;
    let mut sweep = Sweep { scenario: &scenario, wire, real: None, lost: [0; 2], prepared: 0 };
    let known = sweep.labels(&published)?.contains(label);
    if !known {
        return Err(super::super::shown::unknown(tool, label));
    }
    let mut shown = Vec::new();
    for transport in Transport::ALL {
        let one = sweep.each(&published, transport, std::slice::from_ref(label))?.remove(0);
        shown.push(Shown { transport, turns: one.turns, wrong: one.judged.wrong });
    }
    Ok(shown)
}

struct Sweep<'a> {
    scenario: &'a Scenario,
    wire: &'a Wire,
    real: Option<Real>,
    /// How often the system was lost over each transport.
    lost: [u32; 2],
    /// How often the calls before a valid one were made.
    prepared: u32,
}

/// What a frame came to over one transport.
struct Outcome {
    judged: Judged,
    turns: Vec<Turn>,
    /// Whether something was accepted: what the valid call needs is used up.
    used_up: bool,
    /// Whether the system does not answer any more.
    lost: bool,
}

impl Sweep<'_> {
    /// The system, started where there is none.
    fn real(&mut self) -> Result<&Real, String> {
        let real = match self.real.take() {
            Some(real) => real,
            None => Real::open(self.scenario, self.wire)?,
        };
        Ok(self.real.insert(real))
    }

    /// A valid call, ready to be made: the calls before it are made.
    fn ready(&mut self, tool: &Published<'_>, transport: Transport) -> Result<Value, String> {
        self.prepared += 1;
        let mark = format!("-{}", self.prepared);
        let real = self.real()?;
        real.go_over(transport);
        let valid = prepare_anew(real, tool.name, &mark)?;
        real.take_turns();
        Ok(valid)
    }

    fn labels(&mut self, tool: &Published<'_>) -> Result<Vec<Label>, String> {
        let valid = self.ready(tool, Transport::Http)?;
        let all = malform::cases(tool, &valid, &[]).into_iter().map(|case| case.label);
        Ok(all.filter(|label| label.class == Class::Envelope).collect())
    }

    /// Sends these frames one after the other. What they need is shared as long as nothing was accepted.
    fn each(&mut self, tool: &Published<'_>, transport: Transport, labels: &[Label]) -> Result<Vec<Outcome>, String> {
        let way = Transport::ALL.iter().position(|known| *known == transport).unwrap_or_default();
        let mut outcomes = Vec::new();
        let mut ready: Option<Value> = None;
        for label in labels {
            if self.lost[way] >= LOST_MAX {
                outcomes.push(Outcome::not_sent());
                continue;
            }
            let valid = match ready.take() {
                Some(valid) => valid,
                None => self.ready(tool, transport)?,
            };
            let case =
                malform::case(tool, &valid, label).ok_or_else(|| super::super::shown::unknown(tool.name, label))?;
            let seed = u64::from(self.prepared) << 32 | outcomes.len() as u64;
            let outcome = put(self.real()?, tool, &valid, &case, seed);
            if outcome.lost {
                self.lost[way] += 1;
                self.real = None;
            } else if !outcome.used_up {
                ready = Some(valid);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// Sends one frame, the way that is set, and mends it; then makes a plain valid call.
fn put(real: &Real, tool: &Published<'_>, valid: &Value, case: &Case, seed: u64) -> Outcome {
    let Sent::Frame(frame) = &case.sent else { unreachable!("only frames are of this class") };
    let before = frame.comes_again().then(|| real.call(USER, tool.name, valid.clone()));
    let (books, effects) = (real.books(), real.effects());
    let id = real.next_id();
    let owed = if real.takes_as_nothing(frame) { 0 } else { frame.times() };
    let heard = real.exchange(&frame.bytes(id), frame.times(), owed);
    let owed_id = if frame.shows_its_id() { json!(id) } else { Value::Null };
    let answers: Result<Vec<HostReply>, String> = heard.iter().map(|came| answer(came, &owed_id)).collect();
    let changed = Changed { effects: real.effects() != effects, money: real.books() != books };
    let mut wrongs: Vec<String> = Vec::new();
    match &answers {
        Ok(answers) => wrongs.extend(wrong(&case.expected, answers, changed)),
        Err(why) => wrongs.push(why.clone()),
    }
    let (after, owed_books) = (real.books(), adds(tool.name));
    let (charges, refunds) = (after.charges - books.charges, after.refunds - books.refunds);
    if charges > owed_books.charges || refunds > owed_books.refunds {
        wrongs.push(format!("{charges} charges and {refunds} refunds were made for it"));
    }
    if let (Some(before), Ok(answers)) = (&before, &answers) {
        wrongs.extend(answers.first().and_then(|again| taken_for_another(valid, before, again, changed)));
    }
    let well = real.is_well();
    match &well {
        Ok(strays) => wrongs.extend(strays.iter().map(|stray| format!("it was answered once too often: `{stray}`"))),
        Err(why) => wrongs.push(format!("a plain call after it is not served: {why}")),
    }
    let first = answers.as_ref().ok().and_then(|answers| answers.first());
    let answered = match (&answers, first) {
        (Ok(_), Some(answer)) => judge::told(answer),
        (Ok(_), None) => String::from("nothing"),
        (Err(why), _) => why.clone(),
    };
    let mut turns: Vec<Turn> =
        first.map(|answer| Turn::of(tool.name, Value::from(frame.about()), answer)).into_iter().collect();
    let mut judged =
        Judged { answered, wrong: (!wrongs.is_empty()).then(|| wrongs.join("; ")), mended: None, beyond: None };
    let refused = first.filter(|answer| !accepted(answer) && well.is_ok());
    if let (Some(answer), Remedy::Restored | Remedy::Replaced(_)) = (refused, &case.remedy) {
        let first = judge::Turn { name: tool.name.to_owned(), arguments: frame.arguments(), reply: answer.clone() };
        match mend(real, tool, valid, case, seed, first, books) {
            Ok(mending) => judged.mended = Some(mending),
            Err(why) => judged.beyond = Some(why),
        }
    }
    turns.extend(real.take_turns());
    let used_up = before.is_some() || answers.iter().flatten().any(accepted) || judged.mended.is_some();
    Outcome { judged, turns, used_up, lost: well.is_err() }
}

/// How a call that comes again under its key was taken for another request than the one before.
fn taken_for_another(valid: &Value, before: &HostReply, again: &HostReply, changed: Changed) -> Option<String> {
    if !accepted(before) {
        return Some(format!("the valid call before it was answered `{}`", judge::told(before)));
    }
    valid.get(KEY)?;
    if changed.effects {
        return Some(String::from("it was taken for another request than the one before, under the same key"));
    }
    (as_first_told(before) != as_first_told(again))
        .then(|| String::from("it was answered otherwise than the one before, under the same key"))
}

/// An answer without what tells that it is a replay, and of when.
fn as_first_told(reply: &HostReply) -> HostReply {
    let mut reply = reply.clone();
    if let HostReply::Tool { structured, .. } = &mut reply
        && let Some(members) = Arc::make_mut(structured).as_object_mut()
    {
        members.remove("replayed");
        members.remove("as_of");
    }
    reply
}

impl Outcome {
    fn not_sent() -> Self {
        let why = String::from("it was not sent: the system was lost over others before");
        Self {
            judged: Judged { answered: String::from("nothing"), wrong: Some(why), mended: None, beyond: None },
            turns: Vec::new(),
            used_up: false,
            lost: false,
        }
    }
}

impl Real {
    /// Whether a frame is no message this way: a blank line on stdio.
    fn takes_as_nothing(&self, frame: &Frame) -> bool {
        self.transport() == Transport::Stdio && frame.bytes(0).is_empty()
    }
}
