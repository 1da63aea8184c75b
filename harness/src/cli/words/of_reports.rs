//! The terms of a run's text and of the reports: sections, labels, effects, how something ended.

use super::{Word, word};

const SECTION: &str = "a section of a run";
const LABEL: &str = "a label of a run";
const EFFECT: &str = "an effect in the ledger";
const STATUS: &str = "a status of an order";
const ENDING: &str = "how an exploration of a scenario ended";

pub(super) static ALL: &[Word] = &[
    word("told", SECTION, "Each call of the host, with the answer that the system gave."),
    word(
        "timeline",
        SECTION,
        "What happened, in order: the host on the left, the system in the middle, the providers on the right. In a report `▸` marks what shows a breach.",
    ),
    word(
        "at rest",
        SECTION,
        "How the orders stand when nothing is left to happen: open, parked, and each order with its money.",
    ),
    word("oracles", SECTION, "What each oracle said of the run: kept, broken, excused or no verdict."),
    word(
        "expectations",
        SECTION,
        "What the scenario file demands of its own run, and what was not met. Under another plan or profile it is left out.",
    ),
    word(
        "coverage",
        SECTION,
        "What the run reached: requests by operation, the faults that fired, the planned ones that never did. A gate adds the fault kinds and error codes that none of its runs reached, an exploration the places.",
    ),
    word("covers", LABEL, "The requirements that the scenario is a case of; `misrule explain F4` gives one in full."),
    word("world", LABEL, "Where the run was made: `sim` or `wire`."),
    word("verdict", LABEL, "What the run came to: ok, broken, inconclusive, or not run."),
    word(
        "planted bug",
        LABEL,
        "The bug that was wired into the system with `--defect`; without it GiftGenius runs as it is.",
    ),
    word("kept", LABEL, "The oracles whose rules held in this run."),
    word(
        "no verdict",
        LABEL,
        "The oracle's evidence is not in this run, or supports no verdict: the reason follows. It counts as neither kept nor broken.",
    ),
    word(
        "broken as expected",
        "what an oracle said",
        "The rule was broken, as the scenario's `[expect] broken` says it must be.",
    ),
    word("fired", LABEL, "A fault of the plan that struck, at the site that is named."),
    word(
        "never fired",
        LABEL,
        "A fault of the plan that did not strike: its site did not come, another fault struck the same request, or it would have changed nothing. The run is inconclusive.",
    ),
    word(
        "reached",
        "a term of explorations",
        "A place that at least one of the runs came to. At a place that none came to nothing was tried.",
    ),
    word(
        "space",
        "a term of explorations",
        "Everything that may be tried of one scenario under one payment profile: its sites with their menus, up to a depth.",
    ),
    word(
        "shard",
        "a term of explorations",
        "One of several equal parts of an exploration: `--shard 2/8` tries the second of eight. `misrule merge` joins the reports of all.",
    ),
    word(
        "depth",
        "a term of explorations",
        "How many faults a plan holds at most. Depth 2 tries every pair of faults at every pair of sites that a run comes to.",
    ),
    word(
        "undo",
        "a term of sagas",
        "An effect that takes an earlier one back: a refund a charge, a release a reservation, a restock a commit. The ledger names what it undoes.",
    ),
    word("charge", EFFECT, "Money was captured."),
    word("refund", EFFECT, "Money was given back; undoes a charge, wholly or in part."),
    word("refund_failed", EFFECT, "A refund failed after it was done: the money stands again. Undoes a refund."),
    word("dispute", EFFECT, "The person's bank took a charge back until the dispute is decided; undoes a charge."),
    word("close", EFFECT, "A reference was closed at the payment provider, so that no later charge can be made on it."),
    word("reserve", EFFECT, "Stock was set aside."),
    word("release", EFFECT, "Stock that was set aside was freed; undoes a reserve."),
    word("expire", EFFECT, "A reservation ran out at the warehouse; undoes a reserve."),
    word("commit", EFFECT, "A reservation became a sale; it takes the place of the reserve."),
    word("restock", EFFECT, "What was sold went back into stock; undoes a commit."),
    word("paid", STATUS, "The charge stands and the stock is sold."),
    word("cancelled", STATUS, "Nothing is sold, and no money of the order stands."),
    word("money", "a field of an order at rest", "What stands of the order's money: none, charged, or unknown."),
    word("charged", "a value of `effects` and `money`", "Money of the person stands for this order."),
    word("unknown", "a value of `effects` and `money`", "The system does not know whether money of the person stands."),
    word(
        "whole",
        ENDING,
        "Everything of the space was tried. Of a gate: every scenario was run, in each of its worlds.",
    ),
    word("part", "the extent of a gate", "Some scenarios, or one world. What was not reached says nothing."),
    word("enough", ENDING, "It stopped at the number of findings that `--max-findings` allows."),
    word("out of time", ENDING, "The time of `--for` was over; the rest was not tried."),
    word(
        "stuck",
        ENDING,
        "A run had no end, and misrule was ended with it; what was done until then is reported. Exit code 4.",
    ),
    word("interrupted", ENDING, "A signal stopped it; what was done until then is reported. Exit code 130."),
    word("confirmed", "what `--confirm` came to", "The run on the wire broke the same rule."),
    word(
        "disagrees",
        "what `--confirm` came to",
        "The run on the wire did not break the rule: simulation and wire differ.",
    ),
    word(
        "impossible",
        "what `--confirm` came to",
        "The plan cannot be run on the wire, or the scenario does not run there.",
    ),
];
