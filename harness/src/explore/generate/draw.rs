//! How stories are drawn: by proptest over `ChaCha`, each from the seed and its number alone.
//!
//! Every number has a plain value, a small one and one at an edge; without the plain ones nothing would get as far as a sale,
//! and without the others nothing would be at a bound.

use std::time::Duration;

use giftgenius::policy::PaymentProfile;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::lower::WINDOWS;
use super::story::{Act, Budget, Doing, Good, Key, Numbers, Pause, Promo, Story};
use crate::scenario::model::{Manner, StoreKind};

/// The most acts of a story.
const ACTS_MAX: usize = 12;

/// What is drawn of one story beside itself: which choices its faults strike, and with which entry of the menu there.
pub(super) type Picks = Vec<(u32, u16)>;

/// The story of a number, and where its faults strike.
pub(super) fn draw(seed: u64, number: u64, profile: Option<PaymentProfile>) -> (Story, Picks) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16] = 1;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let (mut story, picks) = drawn().new_tree(&mut runner).expect("nothing is filtered out").current();
    if let Some(profile) = profile {
        story.profile = profile;
    }
    for (id, act) in (1..).zip(&mut story.acts) {
        act.id = id;
    }
    (story, picks)
}

fn drawn() -> impl Strategy<Value = (Story, Picks)> {
    let shop = (vec(good(), 1..4), vec(promo(), 0..3));
    let set_up = (numbers(), profile(), replicas(), prop::bool::weighted(0.4), 1..4_u8);
    let acts = (purchase(), vec(act(), 0..ACTS_MAX), any::<prop::sample::Index>());
    let picks = prop_oneof![Just(Picks::new()), vec((any::<u32>(), any::<u16>()), 1..6)];
    (shop, set_up, acts, picks, 1..1000_u64).prop_map(
        |((goods, promos), (numbers, profile, replicas, webhooks, users), (purchase, mut acts, at), picks, seed)| {
            // A purchase stands in every story, the other acts around it and between its own.
            for (index, step) in purchase.into_iter().enumerate() {
                let place = (at.index(acts.len() + 1) + index * 2).min(acts.len());
                acts.insert(place, step);
            }
            let (store, faults) = (StoreKind::default(), Vec::new());
            (Story { goods, promos, numbers, profile, replicas, store, webhooks, users, acts, faults, seed }, picks)
        },
    )
}

fn good() -> impl Strategy<Value = Good> {
    let price = || prop_oneof![4 => 100..10_000_i64, 1 => Just(1), 1 => Just(3), 1 => Just(33_333_333)];
    let other = || option::weighted(0.6, price());
    let stock = prop_oneof![3 => 3..50_u32, 2 => 0..3_u32];
    (price(), other(), other(), stock).prop_map(|(price, one, two, stock)| Good { price, others: [one, two], stock })
}

fn promo() -> impl Strategy<Value = Promo> {
    prop_oneof![
        prop_oneof![Just(1_u8), Just(50), Just(99), 2..99_u8].prop_map(Promo::Percent),
        prop_oneof![Just(1_i64), Just(100), 1..20_000_i64].prop_map(Promo::Amount),
        (1..99_u8, prop_oneof![Just(0_u32), 1..3_600_000_u32])
            .prop_map(|(percent, until)| Promo::Until(percent, until)),
    ]
}

fn profile() -> impl Strategy<Value = PaymentProfile> {
    prop::sample::select(vec![
        PaymentProfile::Stripe,
        PaymentProfile::Acp,
        PaymentProfile::Keyless,
        PaymentProfile::KeylessNoCancel,
    ])
}

fn replicas() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![
        6 => Just((1, 0)),
        3 => (2..4_u32, Just(0)),
        1 => (2..4_u32, prop_oneof![Just(300_u32), Just(2000)]),
    ]
}

fn one_of(plain: u32, others: &[u32]) -> impl Strategy<Value = u32> + use<> {
    prop_oneof![2 => Just(plain), 3 => prop::sample::select(others.to_vec())]
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let retry = (
        one_of(2000, &[100, 500, 1000]),
        one_of(4, &[1, 2, 3, 6]),
        one_of(200, &[0, 1, 20]),
        one_of(10_000, &[20, 100, 400]),
        one_of(200, &[0, 1, 10]),
        one_of(30_000, &[0, 100, 2000]),
    );
    let background = (one_of(5000, &[0, 100]), one_of(600_000, &[100, 400, 2000]), one_of(8, &[1, 2, 3]));
    let budget = (one_of(3, &[0, 1, 2, 10]), one_of(10_000, &[100, 60_000]));
    let times = (
        one_of(25_000, &[1000, 4000, 10_000]),
        one_of(1000, &[1, 20_000]),
        one_of(1_800_000, &[1, 500, 10_000]),
        one_of(3_600_000, &[1, 500, 10_000]),
        one_of(120_000, &[0, 1000, 10_000]),
    );
    let limits = (one_of(60, &[2, 5, 10]), one_of(20, &[1, 2]));
    (retry, background, budget, times, limits).prop_map(|(retry, background, budget, times, limits)| {
        let (attempt_timeout, attempts_max, delay_base, delay_cap, jitter_max, retry_after_cap) = retry;
        let (background_base, background_cap, background_attempts_max) = background;
        let (retries_min, budget_window) = budget;
        let (tool_deadline, lease_more, quote_more, reservation_more, late_max) = times;
        let (calls_max, sessions_max) = limits;
        Numbers {
            attempt_timeout,
            attempts_max,
            delay_base,
            delay_cap,
            jitter_max,
            retry_after_cap,
            background_base,
            background_cap,
            background_attempts_max,
            retries_min,
            budget_window,
            tool_deadline,
            lease_more,
            quote_more,
            reservation_more,
            late_max,
            calls_max,
            sessions_max,
        }
    })
}

/// A price, and a payment of it.
fn purchase() -> impl Strategy<Value = Vec<Act>> {
    let intent = 0..3_u8;
    (intent, quote(), pause(), order(), manner(), in_meta()).prop_map(
        |(intent, quote, pause, order, manner, in_meta)| {
            let act = |pause, doing, manner| Act {
                id: 0,
                pause,
                intent,
                stranger: false,
                doing,
                key_in_meta: in_meta,
                manner,
            };
            vec![act(Pause::None, quote, Manner::Once), act(pause, order, manner)]
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let what = prop_oneof![
        4 => quote(),
        6 => order(),
        3 => Just(Doing::Get),
        3 => option::weighted(0.8, key()).prop_map(|key| Doing::Cancel { key }),
        2 => (0..5_u8, option::weighted(0.2, key())).prop_map(|(step, key)| Doing::Navigate { step, key }),
        1 => Just(Doing::Workflow),
        1 => (any::<u8>(), option::of(1..20_000_u32)).prop_map(|(word, budget)| Doing::Search { word, budget }),
        1 => (option::of(1..20_000_u32), option::weighted(0.4, key()))
            .prop_map(|(budget, key)| Doing::Suggest { budget, key }),
        1 => Just(Doing::Methods),
        2 => Just(Doing::Rest),
        1 => Just(Doing::Restart),
        1 => any::<bool>().prop_map(|on| Doing::Switch { on }),
        1 => Just(Doing::Health),
    ];
    (pause(), 0..3_u8, prop::bool::weighted(0.06), what, manner(), in_meta()).prop_map(
        |(pause, intent, stranger, doing, manner, key_in_meta)| Act {
            id: 0,
            pause,
            intent,
            stranger,
            doing,
            key_in_meta,
            manner,
        },
    )
}

fn in_meta() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

fn quote() -> impl Strategy<Value = Doing> {
    let lines = vec((any::<u8>(), prop_oneof![6 => Just(1_u8), 2 => 2..5_u8, 1 => Just(99)]), 1..4);
    let near = || prop_oneof![Just(-1_i64), Just(0), Just(1), Just(1000)];
    let budget = prop_oneof![
        3 => Just(Budget::None),
        1 => near().prop_map(Budget::Near),
        1 => near().prop_map(Budget::NearAfter),
    ];
    let rest = (option::weighted(0.3, any::<u8>()), option::weighted(0.25, key()), prop::bool::weighted(0.5));
    (lines, prop_oneof![3 => Just(0_u8), 1 => 1..3_u8], budget, rest).prop_map(
        |(lines, currency, budget, (promo, key, goes_on))| Doing::Quote {
            lines,
            currency,
            budget,
            promo,
            key,
            goes_on,
        },
    )
}

fn order() -> impl Strategy<Value = Doing> {
    (prop_oneof![6 => Just(0_u8), 1 => 1..5_u8], key()).prop_map(|(method, key)| Doing::Order { method, key })
}

fn key() -> impl Strategy<Value = Key> {
    (0..3_u8, prop_oneof![3 => Just(0_u8), 2 => any::<u8>()]).prop_map(|(slot, writing)| Key { slot, writing })
}

fn pause() -> impl Strategy<Value = Pause> {
    let window = 0..u8::try_from(WINDOWS).expect("there are a few windows");
    prop_oneof![
        5 => Just(Pause::None),
        2 => (1..2000_u32).prop_map(Pause::Millis),
        1 => (2000..60_000_u32).prop_map(Pause::Millis),
        2 => (window, -1..=1_i8).prop_map(|(window, beside)| Pause::Window(window, beside)),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        10 => Just(Manner::Once),
        2 => (2..4_u32).prop_map(Manner::Repeat),
        2 => (2..4_u32).prop_map(Manner::Concurrent),
        1 => Just(Manner::DoubleClick),
        1 => Just(Manner::Regenerate),
        2 => (2..5_u32).prop_map(Manner::Retry),
        2 => prop::sample::select(vec![0_u64, 1, 10, 15, 40, 500]).prop_map(|ms| Manner::CancelAfter(Duration::from_millis(ms))),
    ]
}
