//! Shrinking a story: one part of it made plainer at a time, as long as the same rule is broken in the same way.

use giftgenius::policy::PaymentProfile;

use super::story::{Act, Budget, Doing, Good, Key, Numbers, Pause, Story};
use super::{Runner, class, run};
use crate::report::build::rules_broken;
use crate::scenario::model::Manner;

/// The most runs that one story is worth.
const RUNS_MAX: u32 = 3_000;

/// A smallest story that still breaks the rule, of those that are reached by making one part plainer at a time.
pub(super) fn shrink(story: &Story, number: u64, rule: &'static str, runner: Runner<'_>) -> Story {
    let mut smallest = story.clone();
    let Some(class_wanted) = broken(&smallest, number, rule, runner) else { return smallest };
    let mut runs = 0;
    loop {
        let mut is_smaller = false;
        let mut index = 0;
        // Rebuilt after each step: a part that was removed cannot be made plainer.
        while let Some(candidate) = plainer(&smallest).into_iter().nth(index) {
            if runs == RUNS_MAX {
                return smallest;
            }
            runs += 1;
            if broken(&candidate, number, rule, runner).as_ref() == Some(&class_wanted) {
                smallest = candidate;
                is_smaller = true;
            } else {
                index += 1;
            }
        }
        if !is_smaller {
            return smallest;
        }
    }
}

/// How a rule is broken, if it is and all faults strike.
fn broken(story: &Story, number: u64, rule: &'static str, runner: Runner<'_>) -> Option<String> {
    let outcome = run(story, number, runner)?;
    rules_broken(&outcome).contains(&rule).then(|| class(&outcome, rule))
}

/// Every story that is plainer in one part; what takes most away comes first.
fn plainer(story: &Story) -> Vec<Story> {
    let changed = |change: &dyn Fn(&mut Story)| {
        let mut plainer = story.clone();
        change(&mut plainer);
        (plainer != *story).then_some(plainer)
    };
    let mut all: Vec<Option<Story>> = Vec::new();
    // From the last to the first: what came late hangs on what came early.
    for fault in (0..story.faults.len()).rev() {
        all.push(changed(&|story| without(&mut story.faults, fault)));
    }
    let half = story.acts.len() / 2;
    all.push(changed(&|story| story.acts.truncate(half)));
    all.push(changed(&|story| story.acts = story.acts.split_off(half)));
    for act in (0..story.acts.len()).rev() {
        all.push(changed(&|story| without(&mut story.acts, act)));
    }
    all.push(changed(&|story| story.replicas = (1, 0)));
    all.push(changed(&|story| story.replicas.1 = 0));
    all.push(changed(&|story| story.webhooks = false));
    all.push(changed(&|story| story.users = 1));
    all.push(changed(&|story| story.profile = PaymentProfile::Stripe));
    all.push(changed(&|story| story.numbers = Numbers::PLAIN));
    for number in 0..Numbers::COUNT {
        all.push(changed(&|story| story.numbers.make_plain(number)));
    }
    for promo in (0..story.promos.len()).rev() {
        all.push(changed(&|story| without(&mut story.promos, promo)));
    }
    for good in (0..story.goods.len()).rev() {
        if story.goods.len() > 1 {
            all.push(changed(&|story| without(&mut story.goods, good)));
        }
        let plain = Good { price: 4200, others: [None, None], stock: 10 };
        all.push(changed(&|story| story.goods[good] = plain.clone()));
        all.push(changed(&|story| story.goods[good].price = 4200));
        all.push(changed(&|story| story.goods[good].stock = 10));
        all.push(changed(&|story| story.goods[good].others = [None, None]));
    }
    for act in 0..story.acts.len() {
        for change in CHANGES {
            all.push(changed(&|story| change(&mut story.acts[act])));
        }
    }
    all.push(changed(&|story| story.seed = 1));
    all.into_iter().flatten().collect()
}

fn without<T>(all: &mut Vec<T>, index: usize) {
    all.remove(index);
}

/// Ways to make an act plainer.
const CHANGES: [fn(&mut Act); 13] = [
    |act| act.pause = Pause::None,
    |act| act.manner = Manner::Once,
    |act| {
        if let Manner::Repeat(times) | Manner::Concurrent(times) | Manner::Retry(times) = &mut act.manner {
            *times = 2;
        }
    },
    |act| act.stranger = false,
    |act| act.key_in_meta = false,
    |act| act.intent = 0,
    |act| act.doing = Doing::Get,
    |act| {
        if let Doing::Quote { lines, .. } = &mut act.doing {
            lines.truncate(1);
        }
    },
    |act| {
        if let Doing::Quote { lines, .. } = &mut act.doing {
            *lines = lines.iter().map(|_| (0, 1)).collect();
        }
    },
    |act| {
        if let Doing::Quote { currency, budget, promo, .. } = &mut act.doing {
            (*currency, *budget, *promo) = (0, Budget::None, None);
        }
    },
    |act| match &mut act.doing {
        Doing::Quote { key, goes_on, .. } => (*key, *goes_on) = (None, false),
        Doing::Suggest { key, .. } | Doing::Cancel { key } | Doing::Navigate { key, .. } => *key = None,
        Doing::Order { method, .. } => *method = 0,
        _ => {}
    },
    |act| {
        if let Some(key) = key_of(act) {
            key.writing = 0;
        }
    },
    |act| {
        if let Some(key) = key_of(act) {
            key.slot = 0;
        }
    },
];

fn key_of(act: &mut Act) -> Option<&mut Key> {
    match &mut act.doing {
        Doing::Order { key, .. } => Some(key),
        Doing::Quote { key, .. } | Doing::Suggest { key, .. } | Doing::Cancel { key } | Doing::Navigate { key, .. } => {
            key.as_mut()
        }
        Doing::Search { .. }
        | Doing::Methods
        | Doing::Get
        | Doing::Workflow
        | Doing::Rest
        | Doing::Restart
        | Doing::Switch { .. }
        | Doing::Health => None,
    }
}

macro_rules! numbers {
    ($($field:ident = $plain:literal),* $(,)?) => {
        impl Numbers {
            /// Production's.
            pub(super) const PLAIN: Self = Self { $($field: $plain),* };
            /// How many there are.
            const COUNT: usize = [$(stringify!($field)),*].len();

            /// Makes one of them production's.
            fn make_plain(&mut self, number: usize) {
                let fields = [$((&mut self.$field, $plain)),*];
                if let Some((field, plain)) = fields.into_iter().nth(number) {
                    *field = plain;
                }
            }
        }
    };
}

numbers! {
    attempt_timeout = 2000,
    attempts_max = 4,
    delay_base = 200,
    delay_cap = 10_000,
    jitter_max = 200,
    retry_after_cap = 30_000,
    background_base = 5000,
    background_cap = 600_000,
    background_attempts_max = 8,
    retries_min = 3,
    budget_window = 10_000,
    tool_deadline = 25_000,
    lease_more = 1000,
    quote_more = 1_775_000,
    reservation_more = 3_455_000,
    late_max = 120_000,
    calls_max = 60,
    sessions_max = 20,
}
