//! The requirements that scenarios cover and oracles judge, by id.

/// One requirement.
#[derive(Debug)]
pub struct Requirement {
    /// Its id.
    pub id: &'static str,
    /// What it asks for, in one or two sentences.
    pub text: &'static str,
}

const fn requirement(id: &'static str, text: &'static str) -> Requirement {
    Requirement { id, text }
}

/// Every requirement, in order.
pub static ALL: &[Requirement] = &[
    requirement(
        "F1",
        "Technical, logical and business errors and interruptions are told apart end to end, and for each step and class there is an explicit answer.",
    ),
    requirement(
        "F2",
        "Retries are bounded, back off exponentially with a cap and jitter, spare what must not be repeated, and end within the tool call's deadline.",
    ),
    requirement("F3", "Retries live in one layer: a fault never multiplies through several."),
    requirement(
        "F4",
        "Every step with a side effect takes an idempotency key: same key and parameters give the saved result, other parameters are refused, two calls at once have one effect.",
    ),
    requirement(
        "F5",
        "Duplicates of every origin are survived: the model, the platform, Regenerate, a double click, the network, a late copy.",
    ),
    requirement(
        "F6",
        "Checkout is a saga: when a step fails, what ran or may have run is undone in reverse, or parked where a person sees it.",
    ),
    requirement(
        "F7",
        "An unknown outcome is settled by asking the provider or by an action that is safe either way, never by a second charge.",
    ),
    requirement(
        "F8",
        "A process that dies between any two actions and restarts brings every order to paid and committed or to nothing stands.",
    ),
    requirement(
        "F9",
        "The workflow's context on the backend is the only source of truth for the step; going back is recorded and followed.",
    ),
    requirement(
        "F10",
        "At each step only that step's tools may act; a call out of step is told where the workflow is and what is allowed.",
    ),
    requirement(
        "F11",
        "Errors have two audiences: structure for the model that lets it repair the call, one plain sentence for the person; neither gets a secret.",
    ),
    requirement("F12", "The error message repairs the next call: schema and error alone are enough to succeed."),
    requirement(
        "F13",
        "`retryable` tells the truth: if true, the identical call succeeds once the fault is gone; if false, it fails again.",
    ),
    requirement("F14", "Agent loops end: identical calls that fail for good get a final answer."),
    requirement("F15", "Each step leaves one structured log line that agrees with what happened."),
    requirement("F16", "Alerts are sorted: outages and mass failures page somebody, business events are counted."),
    requirement("F17", "Malformed model arguments are answered as expected, class by class."),
    requirement("F18", "The widget keeps one idempotency key per click on Pay and shows each error's text."),
    requirement("I1", "Service indicators are computed from the structured event log."),
    requirement(
        "I2",
        "Objectives with windows and thresholds stand in a file; an incident is an indicator outside its objective.",
    ),
    requirement("I3", "An incident's severity, 1 to 3, follows from its indicators by thresholds in a file."),
    requirement("I4", "An incident's life cycle is a sequence of events that lines up with the indicators."),
    requirement(
        "I5",
        "A switch turns checkout off at once: no effects, an honest answer, browsing goes on, a sale in flight is finished or compensated.",
    ),
    requirement("I6", "`GET /api/health` tells the server's state and the loss of a provider apart."),
    requirement("I7", "Runbooks are data; an incident prints the one that applies."),
    requirement("I8", "Roles, prewritten texts and an operations calendar are data."),
    requirement("I9", "A blameless post-mortem draft comes from the event log."),
    requirement("I10", "An incident can be reproduced as a scenario with the smallest plan."),
    requirement(
        "I11",
        "Third-party failure is survived on this side: handled time-outs, a retry budget, useful answers without the provider.",
    ),
    requirement("G1", "One command runs every scenario and ends with an exit code that a CI understands."),
    requirement(
        "G2",
        "Every scenario has a byte-stable snapshot report; JUnit, JSON and Markdown for machines and people.",
    ),
    requirement("G3", "Every failure prints the line that reproduces it exactly."),
    requirement("G4", "What retries cost is measured."),
    requirement("G5", "The gate proves itself with planted defects and a reference it must not accuse."),
    requirement("G6", "Any MCP server can stand in GiftGenius's place."),
];

/// The requirement of an id.
pub fn by_id(id: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.id == id)
}
