//! A story → a scenario that can be run. Every story has one: an index out of range wraps, an act whose precondition is
//! missing becomes a read, and numbers of a policy that do not agree are moved until they do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use giftgenius::money::Currency;
use giftgenius::policy::Policy;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::story::{Act, Budget, CURRENCIES, Doing, Good, Key, Numbers, Pause, Promo, Story, Struck};
use crate::fault::plan::{Address, Plan, Planned};
use crate::provider::catalog::{Fixture, Product, PromoCode, Shop};
use crate::provider::payment::visa_of;
use crate::scenario::model::{CallStep, Expect, Manner, Narrowing, Replicas, Scenario, Step, WorldKind};

/// A scenario, and which act each of its steps is.
pub(super) struct Lowered {
    pub(super) scenario: Scenario,
    /// The step of an act, where it makes a call: counted from 1.
    steps: BTreeMap<u16, u32>,
}

impl Lowered {
    /// The act of a step.
    pub(super) fn act_of(&self, step: u32) -> Option<u16> {
        self.steps.iter().find(|(_, known)| **known == step).map(|(act, _)| *act)
    }

    /// The plan of a story's faults; a fault at an act that is not there any more is left out.
    pub(super) fn plan(&self, faults: &[Struck]) -> Plan {
        let planned = |struck: &Struck| match struck {
            Struck::Over(provider, fault) => Some(Planned::Over(*provider, fault.clone())),
            Struck::At { place, act, number, fault } => {
                let step = match act {
                    None => None,
                    Some(act) => Some(*self.steps.get(act)?),
                };
                Some(Planned::At(Address { place: *place, step, number: *number }, fault.clone()))
            }
        };
        Plan { faults: faults.iter().filter_map(planned).collect() }
    }
}

/// The users of a story.
const USERS: [&str; 3] = ["ada", "ben", "cleo"];

/// When runs begin: 2026-01-01, in seconds.
const BEGAN: i64 = 1_767_225_600;

/// How keys are written: plain ones, which the host makes, and then at every edge of what the schema allows. `#` is the
/// slot.
const WRITINGS: [&str; 14] = [
    "{key:k#}",
    "order-key-#",
    "Order-Key-#",
    "ORDER-KEY-#",
    " order-key-# ",
    "order key #",
    "order-key-#=",
    "order=key=#",
    "0000000#",
    "1234567#",
    "cl\u{e9}-cl\u{e9}-#",
    "cle\u{301}-cle\u{301}-#",
    "order-key-#-01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
    "\u{1f381}\u{1f381}\u{1f381}\u{1f381}\u{1f381}\u{1f381}\u{1f381}#",
];

pub(super) fn lower(story: &Story, number: u64) -> Lowered {
    let mut policy = policy(&story.numbers);
    policy.payment_profile = story.profile;
    let mut script =
        Script { story, policy: &policy, steps: Vec::new(), acts: BTreeMap::new(), opened: Opened::default() };
    for act in &story.acts {
        script.act(act);
    }
    let Script { mut steps, acts, .. } = script;
    if acts.is_empty() {
        // A scenario calls something.
        steps.push(Step::Call(call("get_payment_methods", "ada", None, Map::new(), Manner::Once)));
    }
    let (count, skew_ms) = story.replicas;
    let name = format!("generated/{number}");
    let scenario = Scenario {
        path: PathBuf::from(format!("{name}.toml")),
        name,
        title: format!("Generated purchase {number}"),
        lesson: "Nobody wrote this one.".to_owned(),
        covers: Vec::new(),
        worlds: vec![WorldKind::Sim],
        shop: Shop::of(shop(story)),
        stock: BTreeMap::new(),
        replicas: Replicas { count: count.max(1), skew_ms: if count > 1 { skew_ms } else { 0 } },
        store: story.store,
        webhooks: story.webhooks,
        script: steps,
        plan: Plan::default(),
        seed: story.seed,
        expect: Expect::nothing(),
        excused: BTreeMap::new(),
        explore: Narrowing::default(),
        policy: policy.clone(),
    };
    Lowered { scenario, steps: acts }
}

fn policy(numbers: &Numbers) -> Policy {
    let ms = |number: u32| Duration::from_millis(number.into());
    let mut policy = Policy::default();
    let deadline = numbers.tool_deadline.max(numbers.attempt_timeout);
    policy.retry.attempt_timeout = ms(numbers.attempt_timeout);
    policy.retry.attempts_max = numbers.attempts_max;
    policy.retry.delay_base = ms(numbers.delay_base.min(numbers.delay_cap));
    policy.retry.delay_cap = ms(numbers.delay_cap);
    policy.retry.jitter_max = ms(numbers.jitter_max);
    policy.retry.retry_after_cap = ms(numbers.retry_after_cap);
    policy.background.delay_base = ms(numbers.background_base.min(numbers.background_cap));
    policy.background.delay_cap = ms(numbers.background_cap);
    policy.background.attempts_max = numbers.background_attempts_max;
    policy.budget.retries_min = numbers.retries_min;
    policy.budget.window = ms(numbers.budget_window);
    policy.tool_deadline = ms(deadline);
    policy.late_max = ms(numbers.late_max);
    policy.lease = ms(deadline + 2 * numbers.attempt_timeout + numbers.lease_more.max(1));
    policy.quote_ttl = ms(deadline + numbers.quote_more.max(1));
    policy.reservation_ttl = ms(deadline + numbers.late_max + numbers.reservation_more.max(1));
    policy.users.calls_max = numbers.calls_max;
    policy.users.sessions_max = numbers.sessions_max;
    debug_assert_eq!(policy.check(), Ok(()), "the numbers agree");
    policy
}

/// How many windows a pause can be around.
pub(super) const WINDOWS: usize = 10;

fn windows(policy: &Policy) -> [Duration; WINDOWS] {
    [
        policy.quote_ttl,
        policy.lease,
        policy.tool_deadline,
        policy.reservation_ttl,
        policy.late_max,
        policy.users.calls_window,
        policy.budget.window,
        policy.background.delay_cap,
        policy.entry_retention,
        Duration::from_secs(26 * 60 * 60),
    ]
}

fn currency(index: u8) -> Currency {
    CURRENCIES[usize::from(index) % CURRENCIES.len()].parse().expect("each is a currency")
}

impl Good {
    fn price_in(&self, index: usize) -> Option<i64> {
        if index == 0 { Some(self.price) } else { self.others[index - 1] }
    }
}

fn sku(index: usize) -> String {
    format!("gift-{index}")
}

fn code(index: usize) -> String {
    format!("CODE{index}")
}

fn shop(story: &Story) -> Fixture {
    let currencies = || (0_u8..).zip(CURRENCIES);
    let product = |(index, good): (usize, &Good)| Product {
        sku: sku(index),
        title: sku(index),
        description: sku(index),
        category: "gifts".to_owned(),
        tags: Vec::new(),
        recipients: Vec::new(),
        prices: currencies()
            .filter_map(|(place, _)| Some((currency(place), good.price_in(usize::from(place))?)))
            .collect(),
        stock: good.stock,
    };
    let promo = |(index, promo): (usize, &Promo)| {
        let (percent_off, amount_off, until) = match promo {
            Promo::Percent(percent) => (Some(*percent), None, None),
            Promo::Until(percent, ms) => (Some(*percent), None, Some(*ms)),
            Promo::Amount(amount) => {
                (None, Some(currencies().map(|(place, _)| (currency(place), *amount)).collect()), None)
            }
        };
        let instant = |ms: u32| Timestamp::from_millisecond(BEGAN * 1000 + i64::from(ms)).expect("this century");
        PromoCode {
            code: code(index),
            description: code(index),
            percent_off,
            amount_off,
            valid_until: until.map(instant),
        }
    };
    let products = story.goods.iter().enumerate().map(product).collect();
    Fixture::new(products, story.promos.iter().enumerate().map(promo).collect())
}

/// What earlier steps have opened, by purchase.
#[derive(Default)]
struct Opened {
    sessions: Vec<SmolStr>,
    orders: Vec<SmolStr>,
    workflows: Vec<SmolStr>,
}

struct Script<'a> {
    story: &'a Story,
    policy: &'a Policy,
    steps: Vec<Step>,
    acts: BTreeMap<u16, u32>,
    opened: Opened,
}

impl Script<'_> {
    fn act(&mut self, act: &Act) {
        let pause = match act.pause {
            Pause::None => Duration::ZERO,
            Pause::Millis(ms) => Duration::from_millis(ms.into()),
            Pause::Window(window, beside) => {
                let span = windows(self.policy)[usize::from(window) % WINDOWS];
                let off_by = Duration::from_millis(beside.unsigned_abs().into());
                if beside < 0 { span.saturating_sub(off_by) } else { span + off_by }
            }
        };
        if pause > Duration::ZERO {
            self.steps.push(Step::Wait(pause));
        }
        let called = !self.acts.is_empty();
        match &act.doing {
            Doing::Rest if called => self.steps.push(Step::WaitForRest),
            Doing::Restart => self.steps.push(Step::Restart),
            Doing::Switch { on } => self.steps.push(Step::Switch { checkout: *on }),
            Doing::Health => self.steps.push(Step::Health),
            _ => {
                let step = self.call(act);
                self.steps.push(Step::Call(step));
                let number = u32::try_from(self.steps.len()).expect("a script is short");
                self.acts.insert(act.id, number);
            }
        }
    }

    fn call(&mut self, act: &Act) -> CallStep {
        let people = usize::from(self.story.users.max(1)).min(USERS.len());
        let owner = usize::from(act.intent) % people;
        let user = if act.stranger { USERS[(owner + 1) % USERS.len()] } else { USERS[owner] };
        let intent = format_smolstr!("gift{}", act.intent);
        let has = |names: &[SmolStr]| names.contains(&intent);
        let mut arguments = Map::new();
        let tool = match &act.doing {
            Doing::Search { word, budget } => {
                let word = usize::from(*word) % (self.story.goods.len() + 1);
                arguments.insert("query".to_owned(), json!(format!("gift {word}")));
                arguments.extend(budget.map(|budget| ("budget".to_owned(), json!(budget))));
                "search_products"
            }
            Doing::Suggest { budget, key } => {
                arguments.extend(budget.map(|budget| ("budget".to_owned(), json!(budget))));
                arguments.extend(key.map(keyed));
                if has(&self.opened.workflows) {
                    arguments.insert("workflow_id".to_owned(), json!(format!("{{workflow:{intent}}}")));
                }
                self.opened.workflows.push(intent.clone());
                "suggest_gifts"
            }
            Doing::Quote { .. } => {
                arguments = self.quote(act, &intent);
                self.opened.sessions.push(intent.clone());
                self.opened.workflows.push(intent.clone());
                "create_checkout_session"
            }
            Doing::Order { method, key } if has(&self.opened.sessions) => {
                arguments.insert("checkout_session_id".to_owned(), json!(format!("{{session:{intent}}}")));
                arguments.insert("payment_method_id".to_owned(), json!(card(user, *method)));
                arguments.extend([keyed(*key)]);
                self.opened.orders.push(intent.clone());
                "create_order"
            }
            Doing::Get if has(&self.opened.orders) => {
                arguments.insert("order_id".to_owned(), json!(format!("{{order:{intent}}}")));
                "get_order"
            }
            Doing::Cancel { key } if has(&self.opened.orders) => {
                arguments.insert("order_id".to_owned(), json!(format!("{{order:{intent}}}")));
                arguments.extend(key.map(keyed));
                "cancel_order"
            }
            Doing::Navigate { step, key } if has(&self.opened.workflows) => {
                const STEPS: [&str; 5] =
                    ["gather_information", "generate_ideas", "choose_gift", "checkout", "choose_payment_method"];
                arguments.insert("workflow_id".to_owned(), json!(format!("{{workflow:{intent}}}")));
                arguments.insert("step".to_owned(), json!(STEPS[usize::from(*step) % STEPS.len()]));
                arguments.extend(key.map(keyed));
                "user_navigated_to_step"
            }
            Doing::Workflow if has(&self.opened.workflows) => {
                arguments.insert("workflow_id".to_owned(), json!(format!("{{workflow:{intent}}}")));
                "get_workflow"
            }
            _ => "get_payment_methods",
        };
        let manner = manner(&act.manner, arguments.get("idempotency_key").and_then(Value::as_str));
        let key_in_meta = act.key_in_meta && arguments.contains_key("idempotency_key");
        CallStep { key_in_meta, ..call(tool, user, Some(intent), arguments, manner) }
    }

    fn quote(&self, act: &Act, intent: &SmolStr) -> Map<String, Value> {
        let Doing::Quote { lines, currency: place, budget, promo, key, goes_on } = &act.doing else {
            unreachable!("it was looked at")
        };
        let place = usize::from(*place) % CURRENCIES.len();
        let mut basket: BTreeMap<usize, u8> = BTreeMap::new();
        for (good, quantity) in lines {
            basket.entry(usize::from(*good) % self.story.goods.len()).or_insert(*quantity);
        }
        let price = |good: usize| self.story.goods[good].price_in(place).unwrap_or(1);
        let total: i64 = basket.iter().map(|(good, quantity)| price(*good) * i64::from(*quantity)).sum();
        let promo =
            promo.filter(|_| !self.story.promos.is_empty()).map(|promo| usize::from(promo) % self.story.promos.len());
        let after = total
            - promo.map_or(0, |promo| match self.story.promos[promo] {
                Promo::Percent(percent) | Promo::Until(percent, _) => total * i64::from(percent) / 100,
                Promo::Amount(amount) => amount,
            });
        let items: Vec<_> =
            basket.iter().map(|(good, quantity)| json!({ "sku": sku(*good), "quantity": quantity })).collect();
        let mut arguments = Map::new();
        arguments.insert("items".to_owned(), Value::Array(items));
        arguments.insert("currency".to_owned(), json!(CURRENCIES[place]));
        let budget = match budget {
            Budget::None => None,
            Budget::Near(beside) => Some(total + beside),
            Budget::NearAfter(beside) => Some(after + beside),
        };
        arguments.extend(budget.map(|budget| ("budget".to_owned(), json!(budget.max(1)))));
        arguments.extend(promo.map(|promo| ("promo_code".to_owned(), json!(code(promo)))));
        arguments.extend(key.map(keyed));
        if *goes_on && self.opened.workflows.contains(intent) {
            arguments.insert("workflow_id".to_owned(), json!(format!("{{workflow:{intent}}}")));
        }
        arguments
    }
}

fn keyed(key: Key) -> (String, Value) {
    let writing = WRITINGS[usize::from(key.writing) % WRITINGS.len()];
    ("idempotency_key".to_owned(), json!(writing.replace('#', &key.slot.to_string())))
}

fn card(user: &str, method: u8) -> String {
    let visa = visa_of(user);
    match method % 5 {
        0 => visa.to_string(),
        1 => visa.replace("visa", "mastercard"),
        2 => visa.replace("visa", "declined"),
        3 => "pm_gold".to_owned(),
        _ => "pm_somebody_visa".to_owned(),
    }
}

/// A manner that the call can be made in: what makes a fresh key each time needs one that the host makes.
fn manner(wanted: &Manner, key: Option<&str>) -> Manner {
    match wanted {
        Manner::DoubleClick if !key.is_some_and(is_made) => Manner::Concurrent(2),
        Manner::Regenerate if !key.is_some_and(is_made) => Manner::Repeat(2),
        wanted => wanted.clone(),
    }
}

fn is_made(key: &str) -> bool {
    key.starts_with("{key:")
}

fn call(tool: &str, user: &str, intent: Option<SmolStr>, arguments: Map<String, Value>, manner: Manner) -> CallStep {
    CallStep {
        tool: tool.into(),
        user: user.into(),
        intent,
        arguments: arguments.into(),
        key_in_meta: false,
        manner,
        expect: None,
    }
}
