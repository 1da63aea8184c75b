//! Every malformed call of every tool, in simulation, one after the other on one core.

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::malform::{Case, Class, Published, Remedy, Sent, When, cases};
use crate::provider::catalog::Shop;
use crate::report::document::Word;
use crate::scenario::model::Scenario;
use crate::scenario::{Known, parse};
use crate::system::wiring::Wiring;
use crate::watchdog::{Batch, Named};

use super::document::{Bar, Beyond, Errors, FORMAT, Measured, bars, rows, worst};
use super::house::House;
use super::judge::{Judged, judge, short};
use super::prepare::{Before, Prepared, must, prepare};
use super::wire::Wire;
use super::wire::sweep::{self, Received};

/// What is measured.
#[derive(Clone, Default)]
pub struct Measuring {
    /// Only these tools; all if none is named.
    pub tools: Vec<String>,
    /// Another shop than the usual one.
    pub shop: Option<Shop>,
    /// Parts that are put into the system from outside, made for each world.
    pub wiring: Option<fn() -> Arc<dyn Wiring>>,
    /// Where frames are sent; they are not without it.
    pub wire: Option<Wire>,
    /// Whether everything else than frames is left out.
    pub frames_only: bool,
}

impl Measuring {
    /// Whether other tools are named, and not this one.
    pub(super) fn skips(&self, tool: &str) -> bool {
        !self.tools.is_empty() && !self.tools.iter().any(|name| name == tool)
    }
}

/// One case with what came of it.
pub(super) struct Made {
    pub(super) tool: &'static str,
    pub(super) case: Case,
    /// `None` where it was not sent.
    pub(super) judged: Option<Judged>,
}

/// Makes every malformed call. The error is a sentence: a call that should be well was not.
pub fn measure(measuring: &Measuring) -> Result<Errors, String> {
    let scenario = scenario(measuring)?;
    let mut made = Vec::new();
    let mut sending = Duration::ZERO;
    for spec in giftgenius::tools::table().iter().map(|tool| &tool.spec) {
        if measuring.skips(spec.name) {
            continue;
        }
        let published = Published::new(spec.name, &spec.input_schema);
        let of_tool = Bench { scenario: &scenario, measuring, tool: &published };
        let (of_tool, took) = of_tool.all()?;
        sending += took;
        made.extend(of_tool.into_iter().map(|(case, judged)| Made { tool: spec.name, case, judged }));
    }
    if let Some(wire) = &measuring.wire {
        for Received { tool, label, judged } in sweep::send(measuring, wire)? {
            let of_frame = made.iter_mut().find(|made| made.tool == tool && made.case.label == label);
            of_frame.expect("the wire has the frames that simulation lists").judged = Some(judged);
        }
    }
    Ok(told(&made, sending))
}

/// Where the calls are made: an ordinary shop on an ordinary day.
pub(super) fn scenario(measuring: &Measuring) -> Result<Scenario, String> {
    const TEXT: &str = "title = \"Malformed calls\"\nlesson = \"Every error can be repaired from.\"\n\n[[script]]\n\
                        call = \"get_payment_methods\"\n";
    let parsed = parse(TEXT, "fixable/measured", "fixable/measured.toml".as_ref(), &Known::of_giftgenius());
    let mut scenario = parsed.map_err(|error| error.render(false))?;
    if let Some(shop) = &measuring.shop {
        scenario.shop = shop.clone();
    }
    // Every mistake of every tool is more than one user may make in a minute.
    scenario.policy.users.calls_max = u32::MAX;
    scenario.policy.users.sessions_max = u32::MAX;
    Ok(scenario)
}

/// A case, with what came of it where it was sent.
type Sending = (Case, Option<Judged>);

struct Bench<'a> {
    scenario: &'a Scenario,
    measuring: &'a Measuring,
    tool: &'a Published<'a>,
}

impl Bench<'_> {
    /// Every case of the tool, with what came of it, and how long that took without making the cases up.
    fn all(&self) -> Result<(Vec<Sending>, Duration), String> {
        let mut judged = Vec::new();
        let mut took = Duration::ZERO;
        // Strangers take long to make; whoever is not concerned by them does without.
        for before in [Before::Needs, Before::Strangers] {
            let (_, prepared) = self.house(before)?;
            let all = cases(self.tool, &prepared.valid, &prepared.strangers);
            let of_strangers = |case: &Case| case.label.class == Class::Identifier;
            let all: Vec<Case> =
                all.into_iter().filter(|case| of_strangers(case) == (before == Before::Strangers)).collect();
            let began = Instant::now();
            self.each(before, &prepared, all, &mut judged)?;
            took += began.elapsed();
        }
        Ok((judged, took))
    }

    fn each(
        &self,
        before: Before,
        prepared: &Prepared,
        all: Vec<Case>,
        judged: &mut Vec<Sending>,
    ) -> Result<(), String> {
        let mut kept: Option<House> = None;
        for (number, case) in all.into_iter().enumerate() {
            if self.measuring.frames_only || matches!(case.sent, Sent::Frame(_) | Sent::Nothing) {
                judged.push((case, None));
                continue;
            }
            let named = Named::Malformed { tool: self.tool.name.to_owned(), label: case.label.clone() };
            let _watched = Batch::begin(iter::once(named));
            let house = match (&case.when, kept.take()) {
                (When::First, house) => {
                    kept = house;
                    self.house(Before::Nothing)?.0
                }
                (When::Ready, Some(house)) => house,
                (When::Ready, None) => self.house(before)?.0,
                (When::After(first), house) => {
                    let house = match house {
                        Some(house) => house,
                        None => self.house(before)?.0,
                    };
                    must(&house, super::prepare::USER, self.tool.name, first.clone())?;
                    house
                }
            };
            let marks = house.marks();
            let seed = number as u64;
            judged.push((case.clone(), Some(judge(&house, self.tool, &prepared.valid, &case, seed))));
            // Shared among cases as long as nothing has changed in it.
            if case.when == When::Ready && house.marks() == marks && !house.is_worn() {
                kept = Some(house);
            }
        }
        Ok(())
    }

    fn house(&self, before: Before) -> Result<(House, Prepared), String> {
        let wiring = self.measuring.wiring.map(|make| make());
        let house = House::open(self.scenario, wiring);
        let prepared = prepare(&house, self.tool.name, before)?;
        Ok((house, prepared))
    }
}

/// A tool with its valid call and its malformed ones.
pub(super) type OfTool = (&'static str, Value, Vec<Case>);

/// Every tool with its valid call and its malformed ones, as they would be sent.
pub(super) fn prepared_cases(measuring: &Measuring) -> Result<Vec<OfTool>, String> {
    let scenario = scenario(measuring)?;
    let mut all = Vec::new();
    for spec in giftgenius::tools::table().iter().map(|tool| &tool.spec) {
        if measuring.skips(spec.name) {
            continue;
        }
        let published = Published::new(spec.name, &spec.input_schema);
        let bench = Bench { scenario: &scenario, measuring, tool: &published };
        let (_, prepared) = bench.house(Before::Strangers)?;
        let cases = cases(&published, &prepared.valid, &prepared.strangers);
        all.push((spec.name, prepared.valid, cases));
    }
    Ok(all)
}

/// A house in which everything is there that the tool's valid call needs, strangers included.
pub(super) fn prepared(measuring: &Measuring, tool: &Published<'_>) -> Result<(House, Prepared), String> {
    let scenario = scenario(measuring)?;
    Bench { scenario: &scenario, measuring, tool }.house(Before::Strangers)
}

fn told(made: &[Made], sending: Duration) -> Errors {
    let rows = rows(made);
    let bars = bars(&rows);
    let wrong = made.iter().filter_map(|made| made.judged.as_ref()?.wrong.as_ref()).count();
    let well = wrong == 0 && bars.iter().all(Bar::is_met);
    let mut beyond: Vec<Beyond> = Vec::new();
    for made in made {
        let found = made.judged.as_ref().and_then(|judged| judged.beyond);
        let why = match made.case.remedy {
            Remedy::Beyond(why) => Some(why),
            Remedy::Restored | Remedy::Replaced(_) | Remedy::Needless => found,
        };
        let Some(why) = why else { continue };
        let name = format!("{} {}", made.tool, made.case.label);
        match beyond.iter_mut().find(|known| known.why == why) {
            Some(known) => known.cases.push(name),
            None => beyond.push(Beyond { why: why.to_owned(), cases: vec![name] }),
        }
    }
    let sent = made.iter().filter(|made| made.judged.is_some());
    let frames = sent.clone().filter(|made| made.case.label.class == Class::Envelope).count() as u64;
    let sent = sent.count() as u64;
    Errors {
        format: FORMAT,
        misrule: env!("CARGO_PKG_VERSION").to_owned(),
        verdict: if well { Word::Ok } else { Word::Broken },
        worst: worst(made),
        rows,
        bars,
        beyond,
        cases: made.len() as u64,
        sent,
        frames,
        answered_otherwise: wrong as u64,
        measured: Measured { elapsed_us: u64::try_from(sending.as_micros()).unwrap_or(u64::MAX) },
    }
}

impl Made {
    /// What was sent, in a few words.
    pub(super) fn sent(&self) -> String {
        match &self.case.sent {
            Sent::Arguments(arguments) => short(arguments),
            Sent::ToTool(name) => format!("to the tool `{name}`"),
            Sent::Frame(frame) => frame.about().to_owned(),
            Sent::Nothing => String::from("nothing"),
        }
    }
}
