//! A scenario file's text → a checked [`Scenario`], or every mistake in it at once.

use std::collections::BTreeMap;
use std::path::Path;

use giftgenius::policy::Policy;
use toml::de::DeTable;

use super::expect;
use super::explore;
use super::faults;
use super::fields::{Field, Fields};
use super::mistake::{Mistakes, ScenarioError};
use super::model::{Expect, Narrowing, Replicas, Scenario, StoreKind, WorldKind};
use super::policy::{self, WIRE_ATTEMPT_TIMEOUT};
use super::script;
use super::shop;
use crate::fault::plan::{Plan, Planned};
use crate::fault::site::Place;
use crate::provider::catalog::{Shop, Source};
use crate::{requirement, suggest};

/// The keys of a file.
pub(super) const KEYS: [&str; 15] = [
    "title", "lesson", "covers", "worlds", "seed", "policy", "shop", "stock", "replicas", "webhooks", "script",
    "faults", "expect", "excused", "explore",
];
/// The keys of `[replicas]`.
pub(super) const REPLICAS_KEYS: [&str; 2] = ["count", "skew_ms"];
/// The worlds.
pub(super) const WORLDS: [WorldKind; 2] = [WorldKind::Sim, WorldKind::Wire];
/// The largest count that a file may expect, and the largest stock.
pub(super) const COUNT_MAX: u32 = 1_000_000;
/// The default seed of a run.
pub const SEED_DEFAULT: u64 = 1;

/// The names that a file may refer to and that the format does not fix.
#[derive(Clone, Default, Debug)]
pub struct Known {
    /// Oracles by id.
    pub oracles: Vec<&'static str>,
    /// The shop that a scenario sells from unless it brings its own.
    pub shop: Shop,
}

/// Reads a scenario from its file's text. `name` is theme and file name, `path` the file as it was given.
pub fn parse(text: &str, name: &str, path: &Path, known: &Known) -> Result<Scenario, ScenarioError> {
    let refused = |found: Mistakes| ScenarioError::Mistaken {
        path: path.to_owned(),
        text: text.to_owned(),
        mistakes: found.into_sorted(),
    };
    let mut mistakes = Mistakes::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            match error.message() {
                "duplicate key" => {
                    let key = text.get(span.clone()).unwrap_or_default();
                    mistakes.suggest(&span, format!("`{key}` stands twice"), Some("keep one of them".to_owned()));
                }
                message => mistakes.add(&span, format!("not TOML: {message}")),
            }
        }
        return Err(refused(mistakes));
    }
    let scenario = read(&document, name, path, known, &mut mistakes);
    match scenario {
        Some(scenario) if mistakes.is_empty() => Ok(scenario),
        _ => Err(refused(mistakes)),
    }
}

fn read(
    document: &toml::Spanned<DeTable<'_>>,
    name: &str,
    path: &Path,
    known: &Known,
    mistakes: &mut Mistakes,
) -> Option<Scenario> {
    // What is missing in the file as a whole is told at its first line.
    let whole = 0..0;
    let fields = Fields::open_known(document.get_ref(), whole.clone(), "a scenario", &KEYS, mistakes);
    let title = required_line(&fields, "title", "what happens, in one line", mistakes);
    let lesson = required_line(&fields, "lesson", "what it teaches, in one sentence", mistakes);
    let covers = fields.get("covers").map_or_else(Vec::new, |field| covers(field, mistakes));
    let worlds = fields.get("worlds").map_or_else(|| vec![WorldKind::Sim], |field| worlds(field, mistakes));
    let seed = fields.get("seed").map_or(Some(SEED_DEFAULT), |field| field.integer(0..=i64::MAX, mistakes));
    let policy = match fields.get("policy") {
        None => Policy::default(),
        Some(field) => field
            .table_of("[policy]", &policy::keys(), mistakes)
            .map_or_else(Policy::default, |table| policy::read(&table, mistakes)),
    };
    fits_the_wire(&fields, &worlds, &policy, mistakes);
    let own = fields.get("shop").and_then(|field| shop::read(field, mistakes));
    // Of a shop that cannot be read nothing is known.
    let is_known = own.is_some() || fields.get("shop").is_none();
    let shop = own.unwrap_or_else(|| known.shop.clone());
    let of = is_known.then_some(&shop);
    let stock = fields.get("stock").map_or_else(BTreeMap::new, |field| stock(field, of, mistakes));
    let replicas = fields.get("replicas").map_or_else(Replicas::default, |field| replicas(field, mistakes));
    let webhooks = fields.get("webhooks").is_some_and(|field| field.set(mistakes).is_some());
    let script = if let Some(field) = fields.get("script") {
        script::read(field, mistakes)
    } else {
        mistakes.suggest(
            &whole,
            "the file has no `[[script]]`",
            Some("add one: what the host does, step by step".to_owned()),
        );
        Vec::new()
    };
    let frame = faults::Frame { calls: step_calls(&fields), on_the_wire: worlds.contains(&WorldKind::Wire) };
    let plan = fields.get("faults").map_or_else(Plan::default, |field| faults::read(field, &frame, mistakes));
    events_come(&fields, webhooks, &plan, mistakes);
    let expect = fields.get("expect").map_or_else(Expect::default, |field| expect::read(field, known, mistakes));
    let excused = fields.get("excused").map_or_else(BTreeMap::new, |field| excused(field, known, &expect, mistakes));
    let explore = fields.get("explore").map_or_else(Narrowing::default, |field| explore::read(field, mistakes));
    Some(Scenario {
        explore,
        shop,
        name: name.to_owned(),
        path: path.to_owned(),
        title: title?,
        lesson: lesson?,
        covers,
        worlds,
        policy,
        stock,
        replicas,
        store: StoreKind::default(),
        webhooks,
        script,
        plan,
        seed: seed?,
        expect,
        excused,
    })
}

/// The most processes that may share a journal.
const REPLICAS_MAX: u32 = 4;

/// The most that their clocks may be apart, in milliseconds: a day.
const SKEW_MAX_MS: i64 = 24 * 60 * 60 * 1000;

fn replicas(field: &Field<'_>, mistakes: &mut Mistakes) -> Replicas {
    let mut replicas = Replicas::default();
    let Some(table) = field.table_of("[replicas]", &REPLICAS_KEYS, mistakes) else {
        return replicas;
    };
    if let Some(count) = table.get("count").and_then(|field| field.integer(1..=REPLICAS_MAX.into(), mistakes)) {
        replicas.count = u32::try_from(count).expect("its range was checked");
    }
    if let Some(skew) = table.get("skew_ms").and_then(|field| field.integer(0..=SKEW_MAX_MS, mistakes)) {
        replicas.skew_ms = u32::try_from(skew).expect("its range was checked");
    }
    replicas
}

/// For each step as it stands in the file, whether it is a call: a fault can be addressed to those only.
fn step_calls(fields: &Fields<'_>) -> Vec<bool> {
    let elements = fields.get("script").and_then(|field| field.value.as_array());
    elements.map_or_else(Vec::new, |steps| {
        steps.iter().map(|step| step.get_ref().as_table().is_some_and(|table| table.contains_key("call"))).collect()
    })
}

fn required_line(fields: &Fields<'_>, key: &str, about: &str, mistakes: &mut Mistakes) -> Option<String> {
    if let Some(field) = fields.get(key) {
        return field.line(mistakes).map(str::to_owned);
    }
    mistakes.suggest(&fields.span, format!("the file has no `{key}`"), Some(format!("add `{key} = \"…\"`: {about}")));
    None
}

fn covers(field: &Field<'_>, mistakes: &mut Mistakes) -> Vec<String> {
    let mut ids = Vec::new();
    for element in field.elements(mistakes).unwrap_or_default() {
        let Some(id) = element.text(mistakes) else {
            continue;
        };
        if requirement::by_id(id).is_none() {
            let known: Vec<_> = requirement::ALL.iter().map(|known| known.id).collect();
            mistakes.suggest(
                &element.span,
                format!("unknown requirement `{id}`"),
                suggest::hint(id, &known).or_else(|| Some(format!("known: {}", requirement::ranges()))),
            );
        } else if ids.iter().any(|known| known == id) {
            mistakes.add(&element.span, format!("`{id}` stands here twice"));
        } else {
            ids.push(id.to_owned());
        }
    }
    ids
}

fn worlds(field: &Field<'_>, mistakes: &mut Mistakes) -> Vec<WorldKind> {
    let mut worlds = Vec::new();
    let Some(elements) = field.elements(mistakes) else {
        return worlds;
    };
    for element in &elements {
        let Some(word) = element.text(mistakes) else {
            continue;
        };
        match WORLDS.iter().find(|known| known.name() == word) {
            None => mistakes.suggest(
                &element.span,
                format!("unknown world `{word}`"),
                suggest::hint(word, &WORLDS.map(WorldKind::name)),
            ),
            Some(named) if worlds.contains(named) => {
                mistakes.add(&element.span, format!("`{word}` stands here twice"));
            }
            Some(named) => worlds.push(*named),
        }
    }
    if !worlds.contains(&WorldKind::Sim) {
        mistakes.suggest(
            &field.span,
            "`worlds` lacks `sim`",
            Some("every scenario runs in simulation; the wire comes on top".to_owned()),
        );
    }
    worlds.sort_unstable();
    worlds
}

/// A fault at an event needs events.
fn events_come(fields: &Fields<'_>, webhooks: bool, plan: &Plan, mistakes: &mut Mistakes) {
    let at_event = |planned: &Planned| matches!(planned, Planned::At(address, _) if address.place == Place::Webhook);
    if let Some(field) = fields.get("faults").filter(|_| !webhooks && plan.faults.iter().any(at_event)) {
        mistakes.suggest(
            &field.key_span,
            "a fault strikes `webhook.event`, but the payment provider sends no events".to_owned(),
            Some("add `webhooks = true`".to_owned()),
        );
    }
}

/// On the wire a lost reply is waited for in real time, and a reply that is not lost may be held up by a busy machine.
fn fits_the_wire(fields: &Fields<'_>, worlds: &[WorldKind], policy: &Policy, mistakes: &mut Mistakes) {
    let timeout = policy.retry.attempt_timeout;
    if !worlds.contains(&WorldKind::Wire) || WIRE_ATTEMPT_TIMEOUT.contains(&timeout) {
        return;
    }
    if let Some(field) = fields.get("worlds") {
        let (least, most) = (WIRE_ATTEMPT_TIMEOUT.start().as_millis(), WIRE_ATTEMPT_TIMEOUT.end().as_millis());
        let why = if timeout > *WIRE_ATTEMPT_TIMEOUT.end() {
            "a scenario for the wire waits in real time"
        } else {
            "on the wire a busy machine may hold up a reply for longer"
        };
        mistakes.suggest(
            &field.span,
            format!("{why}, and an attempt may take {} ms", timeout.as_millis()),
            Some(format!("set `attempt_timeout_ms` in [policy] to between {least} and {most}")),
        );
    }
}

fn stock(field: &Field<'_>, shop: Option<&Shop>, mistakes: &mut Mistakes) -> BTreeMap<String, u32> {
    let mut stock = BTreeMap::new();
    let Some(table) = field.table(mistakes) else {
        return stock;
    };
    for field in table.iter() {
        if let Some(shop) = shop.filter(|shop| shop.fixture.product(field.key).is_none()) {
            let whose = match shop.source {
                Source::Scenario => "what is sold stands in [shop]",
                Source::BuiltIn | Source::Folder(_) => "what is sold is in fixtures/catalog.json",
            };
            let skus = shop.fixture.products().iter().map(|product| product.sku.as_str());
            mistakes.suggest(
                &field.key_span,
                format!("unknown product `{}`", field.key),
                suggest::nearest(field.key, skus)
                    .map(|near| format!("did you mean `{near}`?"))
                    .or_else(|| Some(whose.to_owned())),
            );
        }
        if let Some(quantity) = field.number(0..=COUNT_MAX, mistakes) {
            stock.insert(field.key.to_owned(), quantity);
        }
    }
    stock
}

fn excused(field: &Field<'_>, known: &Known, expected: &Expect, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let mut excused = BTreeMap::new();
    let Some(table) = field.table(mistakes) else {
        return excused;
    };
    for field in table.iter() {
        let at_key = Field { span: field.key_span.clone(), ..field.clone() };
        let Some(id) = expect::oracle(field.key, &at_key, known, mistakes) else {
            continue;
        };
        if expected.broken.contains(&id) {
            mistakes.suggest(
                &field.key_span,
                format!("`{id}` is both excused and expected to be broken"),
                Some("an excused oracle does not judge; keep one of the two".to_owned()),
            );
        }
        if let Some(reason) = field.line(mistakes) {
            excused.insert(id, reason.to_owned());
        }
    }
    excused
}
