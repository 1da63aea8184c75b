//! The terms that reports and messages use, each in a sentence or two, for `misrule explain`.
//!
//! Names that have a table of their own (oracles, faults, operations, codes, requirements, planted bugs) are not here.

mod of_reports;
mod of_the_log;

/// One term.
#[derive(Debug)]
pub(super) struct Word {
    /// As it is printed.
    pub(super) name: &'static str,
    /// What kind of thing it names, with its article.
    pub(super) kind: &'static str,
    /// What it means.
    pub(super) text: &'static str,
}

const fn word(name: &'static str, kind: &'static str, text: &'static str) -> Word {
    Word { name, kind, text }
}

/// Every term.
pub(super) fn all() -> impl Iterator<Item = &'static Word> {
    ALL.iter().chain(of_reports::ALL).chain(of_the_log::ALL)
}

/// Those of plans, providers and orders, by kind.
static ALL: &[Word] = &[
    word("host.call", "a place", "The host is about to call a tool: `host.call#2` is the second call of the script."),
    word(
        "journal.read",
        "a place",
        "The system reads its journal, the durable store of its orders: `journal.read#4` is the fourth read of the run.",
    ),
    word(
        "journal.write",
        "a place",
        "The system writes a batch to its journal: `journal.write#2` is the second batch of the run. A crash can fall before the write or after it.",
    ),
    word(
        "webhook.event",
        "a place",
        "The payment provider is about to deliver an event to the system's webhook: `webhook.event#1` is the first event of the run.",
    ),
    word(
        "provider",
        "a place",
        "`provider.payment`, `provider.catalog` and `provider.inventory` stand for every request to that provider. A fault over time (`outage(from=2, calls=3)`) is written there; its window counts the provider's requests.",
    ),
    word(
        "site",
        "a term of plans",
        "A labelled place in a run: `payment.charge#2` is the second charge request to arrive, `payment.charge@3#1` the first one for step 3 of the script. `misrule list --sites` prints every place with its faults.",
    ),
    word(
        "plan",
        "a term of plans",
        "The faults of one run, each with its site: `payment.charge#1: lost_reply; inventory.release#1: status(503, retry_after=2)`.",
    ),
    word(
        "pivot",
        "a term of sagas",
        "The step after which a sale goes forward: the charge. Before it a failure takes everything back; after it what fails is tried again, and only a definite refusal takes the money back.",
    ),
    word(
        "epoch",
        "a term of sagas",
        "Which round of refunds an order is in. It is part of a refund's idempotency key and rises only once the refunds under the last one are known to be refused or failed.",
    ),
    word(
        "moment",
        "a term of plans",
        "The part of a call that a fault strikes: before the effect, after it, in the reply, by repetition, as a circumstance of the provider's business, or over time.",
    ),
    word(
        "menu",
        "a term of plans",
        "The faults that exploration tries at a site. `all` has every variant, `full` one fault for each class that a client can tell apart, `core` one for each moment, `host` what the caller does wrong, `malformed` mistakes in a call's arguments.",
    ),
    word("sim", "a world", "A run in memory and in virtual time: deterministic, and it costs microseconds."),
    word("wire", "a world", "A run with the system as a process of its own, on real sockets and in real time."),
    word(
        "profile",
        "a term of providers",
        "What the payment provider promises about repeated requests: `stripe`, `acp`, `keyless` or `keyless_no_cancel`. `--profile` chooses one; `misrule explain stripe` describes it.",
    ),
    word(
        "stripe",
        "a payment profile",
        "The provider stores the result of each idempotency key and returns it again, its own server errors included.",
    ),
    word(
        "acp",
        "a payment profile",
        "The provider returns stored results, but runs a key afresh after a server error; 409 `in_flight` while the first request is being worked on.",
    ),
    word("keyless", "a payment profile", "The provider ignores idempotency keys: a second request is a second charge."),
    word(
        "keyless_no_cancel",
        "a payment profile",
        "The provider ignores idempotency keys and cannot close a reference, so an unknown charge is settled only by look-ups and refunds.",
    ),
    word(
        "ledger",
        "a term of providers",
        "The list of effects at the mock providers (charges, refunds, reservations, …). Oracles judge by it, not by what the system says.",
    ),
    word(
        "rest",
        "a term of runs",
        "The moment at which nothing is left to happen: no request, no timer, no background work. What stands then is final.",
    ),
    word(
        "incarnation",
        "a term of runs",
        "The system between two starts. A crash or a restart ends one and begins the next on the same journal.",
    ),
    word(
        "seed",
        "a term of runs",
        "The number that all chance of a run follows from: identifiers, jitter and the order of tasks. The same scenario, plan and seed give the same run.",
    ),
    word(
        "parked",
        "a state of an order",
        "The system could neither finish nor undo the order: a person has to look. `giftgenius orders --parked` lists it with what stands and what to do, and an alert was sent once.",
    ),
    word(
        "settling",
        "a state of an order",
        "Whether a charge stands is not known yet. The system asks the provider until it is, and never charges again meanwhile.",
    ),
    word(
        "effects",
        "a field of answers",
        "What stands of the person's money, as far as the system knows: `none`, `unknown` or `charged`.",
    ),
    word(
        "needs_attention",
        "a field of answers",
        "The order is parked: the answer is `pending`, and a person of the shop has to look before it changes.",
    ),
    word("ok", "a verdict", "Every oracle and every expectation was met. Exit code 0."),
    word("broken", "a verdict", "An oracle or an expectation was not met. Exit code 1, before all others."),
    word(
        "inconclusive",
        "a verdict",
        "Nothing was broken, but a planned fault never fired or changed nothing, so the run did not test what it says. Exit code 3.",
    ),
    word(
        "not run",
        "a verdict",
        "The run could not be made: the system did not start, or misrule failed. Exit code 4.",
    ),
    word(
        "finding",
        "a term of reports",
        "A run that broke a rule: what was broken, a timeline, and the line that replays it.",
    ),
    word(
        "expectation",
        "a term of reports",
        "What a scenario file itself demands of its run (`[expect]`), beside the oracles. Only under its own plan and profile.",
    ),
    word("excused", "a term of reports", "An oracle that a scenario leaves out, with the reason, in `[excused]`."),
];

/// The term of a name; `provider.payment` is found as `provider`, a plural without its `s` and `no_verdict` without the line.
pub(super) fn by_name(name: &str) -> Option<&'static Word> {
    let general =
        giftgenius::ports::Provider::ALL.iter().any(|provider| name == format!("provider.{}", provider.name()));
    let name = if general { "provider" } else { name };
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', " ");
    let of = |wanted: &str| all().find(|word| plain(word.name) == wanted);
    let name = plain(name);
    of(&name).or_else(|| of(name.strip_suffix('s')?))
}
