//! The scenario format: what is read, what is refused, and that what is written reads back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::ports::Provider;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::model::{Answer, CallStep, Expect, Manner, Narrowing, Scenario, Step, WorldKind};
use super::write::write;
use super::{Known, ScenarioError, parse};
use crate::fault::menu::Breadth;
use crate::fault::plan::{Address, Plan, Planned};
use crate::fault::{ProviderFault, menu};
use crate::provider::catalog::{Fixture, Product, PromoCode, Shop};
use crate::provider::operations;

const HEAD: &str = "title = \"A title\"\nlesson = \"A lesson.\"\n";
const SESSION: &str = "[[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\nargs = { items = [{ sku = \"tea-set\", quantity = 1 }], currency = \"EUR\" }\n";
const ORDER: &str = "[[script]]\ncall = \"create_order\"\nintent = \"gift\"\nargs = { payment_method_id = \"pm_visa\", idempotency_key = \"{key:pay}\" }\n";

fn known() -> Known {
    Known { oracles: vec!["one-effect", "all-or-nothing", "bounded"], shop: Shop::default() }
}

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    parse(text, "theme/name", Path::new("scenarios/theme/name.toml"), &known())
}

/// The messages and suggestions of a text that must be refused, in order.
fn mistakes(text: &str) -> Vec<String> {
    let Err(ScenarioError::Mistaken { mistakes, .. }) = read(text) else {
        panic!("this must be refused:\n{text}");
    };
    mistakes
        .into_iter()
        .map(|mistake| {
            let place = &text[mistake.span.start.min(text.len())..mistake.span.end.min(text.len())];
            let place = place.lines().next().unwrap_or_default();
            let suggestion = mistake.suggestion.unwrap_or_default();
            format!("[{place}] {} | {suggestion}", mistake.message)
        })
        .collect()
}

#[test]
fn a_whole_scenario_is_read() {
    let text = format!(
        "{HEAD}covers = [\"F2\", \"F7\"]\nworlds = [\"sim\", \"wire\"]\n[policy]\nattempt_timeout_ms = 1000\npayment_profile = \"acp\"\n{SESSION}{ORDER}[expect]\nanswer = \"success\"\nrequests = {{ \"payment.charge\" = 1 }}\n"
    );
    let scenario = read(&text).expect("a good file");
    assert_eq!(scenario.worlds, [WorldKind::Sim, WorldKind::Wire]);
    assert_eq!(scenario.policy.retry.attempt_timeout, Duration::from_secs(1));
    assert_eq!(scenario.policy.payment_profile, PaymentProfile::Acp);
    assert_eq!(scenario.expect.requests["payment.charge"], 1);
    let Step::Call(order) = &scenario.script[1] else {
        panic!("the second step is a call");
    };
    assert_eq!(order.arguments["checkout_session_id"], json!("{session:gift}"));
    assert_eq!(&*order.user, "ada");
}

#[test]
fn what_goes_without_saying_is_filled_in_for_the_own_intent() {
    let ask = "[[script]]\ncall = \"get_order\"\nintent = \"gift\"\n";
    let scenario = read(&format!("{HEAD}{SESSION}{ORDER}{ask}")).expect("a good file");
    let Step::Call(ask) = &scenario.script[2] else {
        panic!("the third step is a call");
    };
    assert_eq!(ask.arguments["order_id"], json!("{order:gift}"));
    // Without an intent a call may be incomplete on purpose.
    let bare = format!("{HEAD}[[script]]\ncall = \"create_order\"\nexpect = \"INVALID_ARGUMENTS\"\n");
    assert!(read(&bare).is_ok());
}

#[test]
fn every_mistake_of_a_file_is_told_at_once_with_its_place() {
    let text = "titel = \"x\"\nlesson = 3\nworlds = [\"wire\"]\n[[script]]\ncall = \"create_ordr\"\n[expect]\nanswer = \"OUT_OF_STOK\"\nparked = -1\n[excused]\none-efect = \"why\"\n";
    insta::assert_snapshot!(mistakes(text).join("\n"));
}

#[test]
fn each_bad_input_is_named_with_what_to_do() {
    let table =
        [("", ""), ("an empty script", "script = []\n"), ("an unknown key", &*format!("{SESSION}intnet = \"x\"\n"))];
    let mut told = String::new();
    for (_, body) in table {
        for mistake in mistakes(&format!("{HEAD}{body}")) {
            told.push_str(&mistake);
            told.push('\n');
        }
    }
    for body in [
        "[[script]]\nintent = \"x\"\n".to_owned(),
        "[[script]]\ncall = \"get_order\"\nrestart = true\n".to_owned(),
        format!("{SESSION}[[script]]\nwait_ms = 5\nexpect = \"success\"\n"),
        "[[script]]\nwait = \"rest\"\n".to_owned() + SESSION,
        format!("{SESSION}[[script]]\nwait = \"for godot\"\n"),
        format!("{SESSION}[[script]]\nrestart = false\n"),
        format!("{SESSION}[[script]]\nswitch = \"of\"\n"),
        "[[script]]\nwait_ms = 0\n".to_owned(),
        format!("{SESSION}{ORDER}repeat = 2\nconcurrent = 2\n"),
        format!("{SESSION}{ORDER}repeat = 1\n"),
        format!("{SESSION}{ORDER}expect = \"interrupted\"\n"),
        format!("{SESSION}regenerate = true\n"),
        ORDER.to_owned(),
        format!("{SESSION}{}", ORDER.replace("gift", "gfit")),
        format!("{SESSION}[[script]]\ncall = \"get_order\"\nargs = {{ order_id = \"{{ordr:gift}}\" }}\n"),
        format!("{SESSION}[[script]]\ncall = \"get_order\"\nargs = {{ order_id = 2026-01-01 }}\n"),
        format!("{SESSION}{}", ORDER.replace("pm_visa\"", "{key:}\"")),
        format!("{SESSION}[[script]]\ncall = \"get_order\"\nargs = {{ order_id = \"{{Order: gift}} {{key}}\" }}\n"),
        format!("{SESSION}[replicas]\nwebhooks = true\ncount = 2\n"),
        format!("count = 2\n[policy]\ngate_depth = 2\nintent = \"gift\"\n{SESSION}"),
        format!("worlds = [\"sim\", \"wire\"]\n{SESSION}"),
        format!("worlds = [\"sim\", \"wire\"]\n[policy]\nattempt_timeout_ms = 200\n{SESSION}"),
        format!(
            "worlds = [\"sim\", \"wire\"]\n[policy]\nattempt_timeout_ms = 1000\n{SESSION}[faults]\n\
             \"journal.write#1\" = \"yield\"\n\"payment.look_up#1\" = \"stale\"\n"
        ),
        format!("{SESSION}[faults]\n\"payment.charge#1\" = \"lost_replay\"\n\"payment.chrage#1\" = \"lost_reply\"\n"),
        format!("{SESSION}[faults]\n\"payment.look_up#1\" = \"duplicate\"\n\"payment.charge@7#1\" = \"reset\"\n"),
        format!("{SESSION}[faults]\n\"payment.charge#1\" = \"status(199)\"\n\"payment.charge\" = 5\n"),
        format!("{SESSION}[faults]\npayment.charge = \"reset\"\n\"provider.paymnt\" = \"outage(from=1, calls=2)\"\n"),
        format!(
            "{SESSION}[faults]\n\"provider.payment\" = [\"outage(from=1, calls=2)\", \"outage(from=2, calls=2)\"]\n"
        ),
        format!("{SESSION}[faults]\n\"payment.charge#1\" = \"reset\"\n\"payment.charge#1\" = \"reset\"\n"),
        format!("covers = [\"F2\", \"F2\", \"F99\"]\n{SESSION}"),
        format!("[policy]\npayment_profile = \"stripes\"\nattempts_max = 0\n{SESSION}"),
        format!("[policy]\nattempt_timeout_ms = 30000\n{SESSION}"),
        format!("[policy]\nlease_ms = 29000\n{SESSION}"),
        format!("[policy]\nlate_max_ms = 3600000\n{SESSION}"),
        format!("[policy]\nquote_ttl_ms = 25000\n{SESSION}"),
        format!("[shop]\n{SESSION}"),
        format!("[shop.products.Mug]\nprices = {{ EUR = 0, eur = 5 }}\nprice = 3\n{SESSION}"),
        format!("[shop.products.mug]\nstock = 3\n[stock]\nmgu = 1\n{SESSION}"),
        format!(
            "[shop.products.mug]\nprices = {{ EUR = 1 }}\n[shop.promo_codes.A]\n[shop.promo_codes.B]\npercent_off = 100\nvalid_until = \"never\"\n{SESSION}"
        ),
        format!("[stock]\nteaset = 3\ncajon = -1\n{SESSION}"),
        format!("{SESSION}[expect]\nrequests = {{ payment.charge = 1 }}\nstanding = {{ charges = 1 }}\n"),
        format!("{SESSION}[expect]\nbroken = [\"bounded\"]\n[excused]\nbounded = \"why\"\n"),
        format!(
            "{SESSION}[explore]\nmenu = \"cor\"\nsites = [\"payment.chrage\", \"payment.charge#1\"]\nfaults = [\"lost_replay\", \"cut\", \"cut\"]\nsite = 1\n"
        ),
        format!("{SESSION}[explore]\nsites = []\nfaults = \"cut\"\n"),
        "seed = 99999999999999999999\n".to_owned() + SESSION,
        format!("{SESSION}title = [\n"),
    ] {
        for mistake in mistakes(&format!("{HEAD}{body}")) {
            told.push_str(&mistake);
            told.push('\n');
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    let text = format!("{HEAD}{SESSION}{}", ORDER.replace("create_order", "creat_order"));
    let error = read(&text).expect_err("an unknown tool");
    insta::assert_snapshot!(error.render(false));
    // Also at the very end of a text, and in an empty one.
    for text in ["", "title = [", "\n\n"] {
        let error = read(text).expect_err("nothing in it");
        assert!(error.render(true).contains("×"), "{text:?}");
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,8}"
}

fn line() -> impl Strategy<Value = String> {
    "[ -~äß☂\"'\\\\]{0,20}[a-z]"
}

fn argument() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9).prop_map(|number: f64| json!(number)),
        "[^{}]{0,12}".prop_map(Value::from),
        Just(json!("{key:pay}")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\. ]{1,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn call() -> impl Strategy<Value = Step> {
    let manner = prop_oneof![
        Just(Manner::Once),
        (2..=100_u32).prop_map(Manner::Repeat),
        (2..=100_u32).prop_map(Manner::Concurrent),
        Just(Manner::DoubleClick),
        Just(Manner::Regenerate),
        (2..=100_u32).prop_map(Manner::Retry),
        (0..10_000_u64).prop_map(|ms| Manner::CancelAfter(Duration::from_millis(ms))),
    ];
    let expect = prop::option::of(prop_oneof![
        Just(Answer::Success),
        Just(Answer::Failed),
        Just(Answer::Pending),
        Just(Answer::Code("OUT_OF_STOCK".to_owned())),
    ]);
    let arguments = prop::collection::btree_map(word(), argument(), 0..4);
    (word(), prop::option::of(word()), arguments, any::<bool>(), manner, expect).prop_map(
        |(user, intent, arguments, key_in_meta, manner, expect)| {
            let mut arguments: Map<_, _> = arguments.into_iter().collect();
            arguments.insert("idempotency_key".to_owned(), json!("{key:pay}"));
            Step::Call(CallStep {
                tool: "create_checkout_session".into(),
                user: user.into(),
                intent: intent.map(Into::into),
                arguments: arguments.into(),
                key_in_meta,
                manner,
                expect,
            })
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => call(),
        1 => (1..1_000_000_u64).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        1 => Just(Step::WaitForRest),
        1 => Just(Step::Restart),
        1 => Just(Step::Health),
        1 => any::<bool>().prop_map(|checkout| Step::Switch { checkout }),
    ]
}

fn expectations() -> impl Strategy<Value = Expect> {
    (
        prop::option::of(Just(Answer::Code("PAYMENT_DECLINED".to_owned()))),
        prop::collection::btree_map(Just("payment.charge".to_owned()), 0..9_u32, 0..2),
        prop::collection::btree_map(Just("commit".to_owned()), 0..9_u32, 0..2),
        prop::option::of(0..3_u32),
        prop::collection::vec(Just("one-effect".to_owned()), 0..2),
    )
        .prop_map(|(answer, requests, standing, parked, broken)| Expect {
            answer,
            requests,
            standing,
            parked,
            broken,
        })
}

/// No shop of its own, or one of a few products and codes.
fn shop() -> impl Strategy<Value = Shop> {
    let currency = prop::sample::select(vec!["EUR", "JPY", "KWD"]);
    let amounts = || {
        let entry = (currency.clone(), 1..=i64::MAX);
        prop::collection::btree_map(entry.0.prop_map(|code| code.parse().expect("a currency")), entry.1, 1..3)
    };
    let product = ("[a-z0-9-]{1,8}", line(), amounts(), 0..1_000_000_u32, prop::collection::vec(line(), 0..2));
    let product = product.prop_map(|(sku, title, prices, stock, tags)| Product {
        description: title.clone(),
        category: if stock > 9 { title.clone() } else { "gifts".to_owned() },
        recipients: tags.clone(),
        title: if stock > 99 { sku.clone() } else { title },
        sku,
        tags,
        prices,
        stock,
    });
    let off = prop_oneof![(1..=99_u8).prop_map(Ok), amounts().prop_map(Err)];
    let promo_code = ("[A-Z0-9 =]{1,8}", off, prop::option::of(0..4_000_000_000_i64));
    let promo_code = promo_code.prop_map(|(code, off, until)| PromoCode {
        description: code.clone(),
        code,
        percent_off: off.as_ref().ok().copied(),
        amount_off: off.err(),
        valid_until: until.map(|second| jiff::Timestamp::from_second(second).expect("before the year 2100")),
    });
    let named = |all: Vec<PromoCode>| {
        let named: BTreeMap<_, _> = all.into_iter().map(|code| (code.code.clone(), code)).collect();
        named.into_values().collect::<Vec<_>>()
    };
    let products = prop::collection::vec(product, 1..4).prop_map(|all| {
        let named: BTreeMap<_, _> = all.into_iter().map(|product| (product.sku.clone(), product)).collect();
        named.into_values().collect::<Vec<_>>()
    });
    let own = (products, prop::collection::vec(promo_code, 0..3).prop_map(named))
        .prop_map(|(products, codes)| Shop::of(Fixture::new(products, codes)));
    prop_oneof![Just(Shop::default()), own]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    // What is fit for the wire is fit for simulation too.
    let policy = (1000..=1500_u64, 1..9_u32, any::<bool>()).prop_map(|(timeout, attempts, keyless)| {
        let mut policy = Policy::default();
        policy.retry.attempt_timeout = Duration::from_millis(timeout);
        policy.retry.attempts_max = attempts;
        if keyless {
            policy.payment_profile = PaymentProfile::Keyless;
        }
        policy
    });
    let world =
        any::<bool>().prop_map(|wire| if wire { vec![WorldKind::Sim, WorldKind::Wire] } else { vec![WorldKind::Sim] });
    let stock = (shop(), prop::option::of(0..1_000_000_u32)).prop_map(|(shop, quantity)| {
        let first = shop.fixture.products()[0].sku.clone();
        (shop, quantity.map(|quantity| (first, quantity)).into_iter().collect::<BTreeMap<_, _>>())
    });
    let excused = prop::collection::btree_map(Just("bounded".to_owned()), line(), 0..2);
    let script = (call(), prop::collection::vec(step(), 0..5)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    });
    let seed = 0..=i64::MAX.unsigned_abs();
    ((line(), line()), world, policy, stock, (script, plan()), seed, expectations(), (excused, narrowing())).prop_map(
        |((title, lesson), worlds, policy, (shop, stock), (script, plan), seed, expect, (excused, explore))| Scenario {
            shop,
            name: "theme/name".to_owned(),
            path: "scenarios/theme/name.toml".into(),
            title,
            lesson,
            covers: vec!["F4".to_owned(), "I5".to_owned()],
            worlds: if plan.faults.iter().any(Planned::is_a_race) { vec![WorldKind::Sim] } else { worlds },
            policy,
            stock,
            replicas: crate::scenario::model::Replicas { count: 2, skew_ms: 40_000 },
            store: crate::scenario::model::StoreKind::default(),
            webhooks: true,
            script,
            plan,
            seed,
            expect,
            excused,
            explore,
        },
    )
}

fn narrowing() -> impl Strategy<Value = Narrowing> {
    let words = |all: Vec<String>| {
        let most = all.len();
        prop::sample::subsequence(all, 0..=most)
    };
    let exact = ["status(499)", "outage(from=2, calls=3)"];
    let faults = super::explore::faults().into_iter().chain(exact).map(str::to_owned).collect();
    let menu = prop::option::of(prop::sample::select(Breadth::ALL.to_vec()));
    (menu, words(super::explore::sites()), words(faults), 0..=3_u8)
        .prop_map(|(menu, sites, faults, gate_depth)| Narrowing { menu, sites, faults, gate_depth })
}

/// Plans whose faults are possible, at the first call or counted by arrival.
fn plan() -> impl Strategy<Value = Plan> {
    let at = (0..operations::ALL.len(), any::<prop::sample::Index>(), any::<bool>(), 1..9_u32).prop_map(
        |(operation, entry, for_step, number)| {
            let operation = operations::ALL[operation];
            let address = Address { place: operation.into(), step: for_step.then_some(1), number };
            Planned::At(address, entry.get(menu::full(operation)).clone())
        },
    );
    let over = (1..5_u32, 1..5_u32, any::<bool>()).prop_map(|(from, calls, twice)| {
        let outage = |from| Planned::Over(Provider::Payment, ProviderFault::Outage { from, calls });
        if twice { vec![outage(from), outage(from + calls)] } else { vec![outage(from)] }
    });
    (prop::collection::vec(at, 0..4), prop::option::of(over)).prop_map(|(at, over)| {
        let mut plan = Plan::default();
        for planned in at.into_iter().chain(over.into_iter().flatten()) {
            // One that contradicts an earlier one is left out.
            let _ = plan.add(planned);
        }
        plan
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_to_an_equal_scenario(scenario in scenario()) {
        let text = write(&scenario);
        let back = match read(&text) {
            Ok(back) => back,
            Err(error) => return Err(TestCaseError::fail(error.render(false))),
        };
        prop_assert_eq!(back, scenario, "{}", text);
        let value: Value = toml::from_str(&text).expect("TOML");
        let validator = jsonschema::validator_for(&super::schema::schema()).expect("a schema");
        prop_assert!(validator.is_valid(&value), "{}", text);
    }
}

#[test]
fn a_plan_that_only_simulation_can_realise_is_written_for_simulation_only() {
    let mut scenario =
        read(&format!("{HEAD}worlds = [\"sim\", \"wire\"]\n[policy]\nattempt_timeout_ms = 1000\n{SESSION}"))
            .expect("a good file");
    for plan in ["journal.write#1: yield", "payment.look_up#1: stale"] {
        scenario.plan = plan.parse().expect("a plan");
        let back = read(&write(&scenario)).expect("what is written can be read");
        assert_eq!((back.worlds, &back.plan), (vec![WorldKind::Sim], &scenario.plan));
    }
    // A price list lags by a day, on the wire too.
    scenario.plan = "catalog.quote#1: stale".parse().expect("a plan");
    let back = read(&write(&scenario)).expect("what is written can be read");
    assert_eq!((back.worlds, back.plan), (vec![WorldKind::Sim, WorldKind::Wire], scenario.plan));
}

#[test]
fn a_default_scenario_has_no_stray_sections() {
    let scenario = read(&format!("{HEAD}{SESSION}")).expect("a good file");
    assert_eq!(scenario.stock, BTreeMap::new());
    insta::assert_snapshot!(write(&scenario));
}
