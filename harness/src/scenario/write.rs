//! A [`Scenario`] → the text of a file that says all of it and reads back to an equal one.
//!
//! Used to leave a failing run behind as a scenario of its own; what is at its default is left out. Nothing in the file acts on
//! a terminal: control characters and marks of direction are escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use giftgenius::money::Currency;
use giftgenius::policy::Policy;
use serde_json::Value;

use super::answer;
use super::expect::ANY;
use super::model::{CallStep, Expect, Manner, Narrowing, Replicas, Scenario, Step, WorldKind};
use super::parse::SEED_DEFAULT;
use super::policy::{PROFILE_KEY, SETTINGS, profile_name};
use super::script::{HALLUCINATED, KEY_IN_META, TOOLS, USER_DEFAULT};
use super::shop::{CATEGORY_DEFAULT, STOCK_DEFAULT};
use crate::fault::plan::{Plan, Planned};
use crate::provider::catalog::{Product, PromoCode, Shop, Source};
use crate::visible::visible_toml;

/// The text of a file. Arguments must not hold JSON's `null`, which TOML cannot say; it is left out.
pub fn write(scenario: &Scenario) -> String {
    let mut out = String::new();
    entry(&mut out, "title", &text(&scenario.title));
    entry(&mut out, "lesson", &text(&scenario.lesson));
    if !scenario.covers.is_empty() {
        entry(&mut out, "covers", &texts(&scenario.covers));
    }
    // A plan that only simulation can realise each time makes a scenario of simulation only.
    let simulated = scenario.plan.faults.iter().any(|planned| planned.only_simulated() || planned.is_a_race());
    let worlds = scenario.worlds.iter().filter(|world| !simulated || **world == WorldKind::Sim);
    let worlds: Vec<_> = worlds.map(|world| world.name()).collect();
    entry(&mut out, "worlds", &texts(&worlds));
    if scenario.seed != SEED_DEFAULT {
        entry(&mut out, "seed", &scenario.seed.to_string());
    }
    if scenario.webhooks {
        entry(&mut out, "webhooks", "true");
    }
    section(&mut out, "policy", policy(&scenario.policy));
    shop(&mut out, &scenario.shop);
    let stock = scenario.stock.iter().map(|(sku, quantity)| (text(sku), quantity.to_string()));
    section(&mut out, "stock", stock.collect());
    if scenario.replicas != Replicas::default() {
        let Replicas { count, skew_ms } = scenario.replicas;
        let entries = [("count", count.to_string()), ("skew_ms", skew_ms.to_string())];
        section(&mut out, "replicas", entries.map(|(key, value)| (key.to_owned(), value)).to_vec());
    }
    for step in &scenario.script {
        out.push_str("\n[[script]]\n");
        write_step(&mut out, step);
    }
    section(&mut out, "faults", faults(&scenario.plan));
    section(&mut out, "expect", expect(&scenario.expect));
    let excused = scenario.excused.iter().map(|(oracle, reason)| (text(oracle), text(reason)));
    section(&mut out, "excused", excused.collect());
    section(&mut out, "explore", explore(&scenario.explore));
    out
}

/// A line a site, in the order of the plan; several faults over time at one provider share the first one's line.
fn faults(plan: &Plan) -> Vec<(String, String)> {
    let mut sites: Vec<(String, Vec<String>)> = Vec::new();
    for planned in &plan.faults {
        let (site, fault) = match planned {
            Planned::At(address, fault) => (address.to_string(), fault.to_string()),
            Planned::Over(provider, fault) => (format!("provider.{}", provider.name()), fault.to_string()),
        };
        match (planned, sites.iter_mut().find(|(known, _)| *known == site)) {
            (Planned::At(..), Some((_, faults))) => {
                let first = faults.first_mut().expect("a site stands there with a fault");
                *first = format!("{first} + {fault}");
            }
            (Planned::Over(..), Some((_, faults))) => faults.push(fault),
            (Planned::At(..) | Planned::Over(..), None) => sites.push((site, vec![fault])),
        }
    }
    let line = |(site, faults): (String, Vec<String>)| match faults.as_slice() {
        [fault] => (text(&site), text(fault)),
        several => (text(&site), texts(several)),
    };
    sites.into_iter().map(line).collect()
}

fn explore(narrowing: &Narrowing) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    if let Some(menu) = narrowing.menu {
        entries.push(("menu".to_owned(), text(menu.name())));
    }
    if !narrowing.sites.is_empty() {
        entries.push(("sites".to_owned(), texts(&narrowing.sites)));
    }
    if !narrowing.faults.is_empty() {
        entries.push(("faults".to_owned(), texts(&narrowing.faults)));
    }
    if narrowing.gate_depth > 0 {
        entries.push(("gate_depth".to_owned(), narrowing.gate_depth.to_string()));
    }
    entries
}

fn policy(policy: &Policy) -> Vec<(String, String)> {
    let default = Policy::default();
    let mut entries: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| (setting.get)(policy) != (setting.get)(&default))
        .map(|setting| (setting.key.to_owned(), (setting.get)(policy).to_string()))
        .collect();
    if policy.payment_profile != default.payment_profile {
        entries.push((PROFILE_KEY.to_owned(), text(profile_name(policy.payment_profile))));
    }
    entries
}

/// The shop of the scenario's own, where it has one.
fn shop(out: &mut String, shop: &Shop) {
    if shop.source != Source::Scenario {
        return;
    }
    for product in shop.fixture.products() {
        let Product { sku, title, description, category, tags, recipients, prices, stock } = product;
        let mut entries = vec![("prices".to_owned(), amounts(prices))];
        let mut unless = |key: &str, is_default: bool, value: String| {
            if !is_default {
                entries.push((key.to_owned(), value));
            }
        };
        unless("stock", *stock == STOCK_DEFAULT, stock.to_string());
        unless("title", title == sku, text(title));
        unless("description", description == sku, text(description));
        unless("category", category == CATEGORY_DEFAULT, text(category));
        unless("tags", tags.is_empty(), texts(tags));
        unless("recipients", recipients.is_empty(), texts(recipients));
        section(out, &format!("shop.products.{sku}"), entries);
    }
    for promo_code in shop.fixture.promo_codes() {
        let PromoCode { code, description, percent_off, amount_off, valid_until } = promo_code;
        let described = (description != code).then(|| ("description".to_owned(), text(description)));
        let percent = percent_off.map(|percent| ("percent_off".to_owned(), percent.to_string()));
        let amount = amount_off.as_ref().map(|amount| ("amount_off".to_owned(), amounts(amount)));
        let until = valid_until.map(|until| ("valid_until".to_owned(), text(&until.to_string())));
        let entries = [described, percent, amount, until].into_iter().flatten().collect();
        section(out, &format!("shop.promo_codes.{}", text(code)), entries);
    }
}

/// Minor units by currency.
fn amounts(amounts: &BTreeMap<Currency, i64>) -> String {
    let amounts: Vec<_> = amounts.iter().map(|(currency, amount)| format!("{currency} = {amount}")).collect();
    format!("{{ {} }}", amounts.join(", "))
}

fn write_step(out: &mut String, step: &Step) {
    match step {
        Step::Call(call) => write_call(out, call),
        Step::Wait(span) => entry(out, "wait_ms", &span.as_millis().to_string()),
        Step::WaitForRest => entry(out, "wait", &text("rest")),
        Step::Restart => entry(out, "restart", "true"),
        Step::Health => entry(out, "health", "true"),
        Step::Switch { checkout } => {
            entry(out, "switch", &text(if *checkout { "on" } else { "off" }));
        }
    }
}

fn write_call(out: &mut String, call: &CallStep) {
    entry(out, "call", &text(&call.tool));
    if !TOOLS.contains(&&*call.tool) {
        entry(out, HALLUCINATED, "true");
    }
    if &*call.user != USER_DEFAULT {
        entry(out, "user", &text(&call.user));
    }
    if let Some(intent) = &call.intent {
        entry(out, "intent", &text(intent));
    }
    if !call.arguments.is_empty() {
        let arguments: toml::Table =
            call.arguments.iter().filter_map(|(name, value)| Some((name.clone(), as_toml(value)?))).collect();
        entry(out, "args", &visible_toml(&toml::Value::Table(arguments)));
    }
    if call.key_in_meta {
        entry(out, KEY_IN_META, "true");
    }
    match &call.manner {
        Manner::Once => {}
        Manner::Repeat(times) => entry(out, "repeat", &times.to_string()),
        Manner::Concurrent(times) => entry(out, "concurrent", &times.to_string()),
        Manner::DoubleClick => entry(out, "double_click", "true"),
        Manner::Regenerate => entry(out, "regenerate", "true"),
        Manner::Retry(times) => entry(out, "retry", &times.to_string()),
        Manner::CancelAfter(span) => {
            entry(out, "cancel_after_ms", &span.as_millis().to_string());
        }
    }
    if let Some(answer) = &call.expect {
        entry(out, "expect", &text(answer::name(answer)));
    }
}

fn expect(expect: &Expect) -> Vec<(String, String)> {
    let counts = |counts: &std::collections::BTreeMap<String, u32>| {
        let counts: toml::Table =
            counts.iter().map(|(name, count)| (name.clone(), toml::Value::Integer((*count).into()))).collect();
        toml::Value::Table(counts).to_string()
    };
    let mut entries = Vec::new();
    if let Some(answer) = &expect.answer {
        entries.push(("answer".to_owned(), text(answer::name(answer))));
    }
    if !expect.requests.is_empty() {
        entries.push(("requests".to_owned(), counts(&expect.requests)));
    }
    if !expect.standing.is_empty() {
        entries.push(("standing".to_owned(), counts(&expect.standing)));
    }
    match expect.parked {
        Some(0) => {}
        Some(parked) => entries.push(("parked".to_owned(), parked.to_string())),
        None => entries.push(("parked".to_owned(), text(ANY))),
    }
    if !expect.broken.is_empty() {
        entries.push(("broken".to_owned(), texts(&expect.broken)));
    }
    entries
}

fn entry(out: &mut String, key: &str, value: &str) {
    writeln!(out, "{key} = {value}").expect("writing to a string does not fail");
}

fn section(out: &mut String, name: &str, entries: Vec<(String, String)>) {
    if entries.is_empty() {
        return;
    }
    writeln!(out, "\n[{name}]").expect("writing to a string does not fail");
    for (key, value) in entries {
        entry(out, &key, &value);
    }
}

fn text(text: &str) -> String {
    visible_toml(&toml::Value::String(text.to_owned()))
}

fn texts(texts: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = texts.iter().map(|word| text(word.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

fn as_toml(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => toml::Value::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => toml::Value::Integer(number),
            None => toml::Value::Float(number.as_f64()?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(elements) => toml::Value::Array(elements.iter().filter_map(as_toml).collect()),
        Value::Object(members) => toml::Value::Table(
            members.iter().filter_map(|(name, value)| Some((name.clone(), as_toml(value)?))).collect(),
        ),
    })
}
