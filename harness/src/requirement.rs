//! The requirements that scenarios cover and oracles judge, by id, and how far each is built.

/// One requirement.
#[derive(Debug)]
pub struct Requirement {
    /// Its id.
    pub id: &'static str,
    /// What it asks for, unabridged.
    pub text: &'static str,
    /// How far it is built.
    pub built: Built,
}

/// How far a requirement is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Built {
    /// All of it.
    Whole,
    /// All but what is named here.
    Without(&'static str),
    /// None of it.
    Nothing,
}

const fn requirement(id: &'static str, text: &'static str, built: Built) -> Requirement {
    Requirement { id, text, built }
}

/// Every requirement, in order.
pub static ALL: &[Requirement] = &[
    requirement(
        "F1",
        "Four error classes are told apart end to end: technical (network, 5xx, time-outs, crashes), logical (the \
         model's own: refusals, hallucinated tools, invalid arguments, broken JSON), business (out of stock, \
         budget too small, invalid promo code, reservation expired, card declined), interruption (the person \
         closes, goes back, cancels, changes an earlier answer). For each step and class there is an explicit \
         answer: retry, roll back, ask the person, or log and end. That table is data, printed by a command, and \
         held to behaviour. Tools take `budget` and `promo_code` so that these errors exist.",
        Built::Whole,
    ),
    requirement(
        "F2",
        "Retries: bounded; delay min(base · 2^(n−1), 10 s) plus 0–200 ms jitter; network errors and 5xx are \
         retried, 4xx are not (429, 425, 421, 408 and a 409 in flight are, as the provider says; what proves \
         nothing is settled first); all within the tool call's deadline of tens of seconds; never an endless loop.",
        Built::Whole,
    ),
    requirement(
        "F3",
        "Retries live in one layer: the provider clients; background work has its own (a queue with a dead-letter \
         end: parked); the widget repeats only refreshes without side effects; the host has a `max_iterations`. A \
         fault never multiplies through several: the worst-case number of provider calls per intent is a printed \
         figure with a bound.",
        Built::Without("the widget"),
    ),
    requirement(
        "F4",
        "Idempotency: every step with a side effect takes an `idempotency_key`; same key and parameters give the \
         saved result and no new effect; the same key with other parameters is refused; keys live in a durable \
         store with a time to live; two concurrent calls with one key have one effect; key and correlation id \
         travel in `_meta`, in provider requests and in the logs.",
        Built::Whole,
    ),
    requirement(
        "F5",
        "Duplicates of every origin are survived: the model calls twice, the platform repeats after a time-out, \
         Regenerate, a double click on Pay, the network delivers a request twice, a copy arrives late (even after \
         the compensation), a webhook comes before the reply, twice, late, out of order or never.",
        Built::Whole,
    ),
    requirement(
        "F6",
        "Checkout is a saga: create_order → reserve_items → charge_card (→ commit the reservation). On failure the \
         compensations of the steps that ran or may have run go in reverse: refund or cancel the charge, release, \
         cancel the order; or an entity is marked expired. Each is itself idempotent and retried; one that cannot \
         be done is parked where a person sees it, with an alert. The error is passed on, never hidden. A late \
         webhook is waited for in the background, or the step is failed, compensated and explained.",
        Built::Whole,
    ),
    requirement(
        "F7",
        "Unknown outcomes (the charge may have landed) are settled by asking the provider or by an action that is \
         safe either way; never by a second charge.",
        Built::Whole,
    ),
    requirement(
        "F8",
        "A process that dies between any two actions and restarts brings every order, once providers answer, to \
         *paid and committed* or to *nothing stands, cancelled*.",
        Built::Whole,
    ),
    requirement(
        "F9",
        "Logical rollback: a `WorkflowContext` on the backend (current step, selected gift, budget, user) is the \
         only source of truth for the step (gather information → generate ideas → choose a gift → checkout, with \
         choosing a payment method as a place to return to after a decline); `user_navigated_to_step` records a \
         move, the model sees it in the tool's result, later calls follow it; the widget moves only after that \
         succeeded; a session resumed a day later agrees.",
        Built::Whole,
    ),
    requirement(
        "F10",
        "Tool gating: at each step only that step's tools may act; a call out of step gets an error that says \
         which step the workflow is in and what is allowed.",
        Built::Whole,
    ),
    requirement(
        "F11",
        "Errors have two audiences. The model gets `isError` and structured content: `code`, `type`, `retryable`, \
         short technical `message`, what stands (`effects`), and for invalid input each violated `field`, \
         `error_type`, `expected`, `allowed_values`, and a minimal valid `example`; all violations at once. The \
         person gets one short plain sentence per code with what to do next (after a decline: other card, lower \
         amount, or give up). Neither ever gets a stack trace, a token, a card number or an internal address.",
        Built::Whole,
    ),
    requirement(
        "F12",
        "The error message repairs the next call: a program that knows nothing but the tool's schema and the \
         error's own words fixes its arguments and succeeds. How often, and in how many turns, is a measured \
         figure.",
        Built::Whole,
    ),
    requirement(
        "F13",
        "`retryable` tells the truth: true ⇒ the identical call with the same key succeeds once the fault is gone; \
         false ⇒ it does not.",
        Built::Whole,
    ),
    requirement(
        "F14",
        "Agent loops end: after a bounded number of identical calls that fail for good the server answers with a \
         final error that says what to do instead.",
        Built::Whole,
    ),
    requirement(
        "F15",
        "Each step leaves one structured log line (level, event such as `workflow_step_failed`): user or session \
         id, workflow_id, step_id, status (success, failed, retry, rolled_back), error_code, idempotency_key, \
         correlation_id, time. From the lines alone come: conversion between steps, most frequent error codes, \
         share of steps that ended in retry against final failure.",
        Built::Whole,
    ),
    requirement(
        "F16",
        "Alerts are sorted: provider or MCP down, mass time-outs, mass failures of one step, missing webhooks go \
         to on-call; \"no gift matched\" and other business events are only counted.",
        Built::Whole,
    ),
    requirement(
        "F17",
        "Malformed model arguments: wrong types, missing or misspelled fields, invalid values, broken structures, \
         stringified objects, unknown tools, wrong currency, invented SKUs, and the rest of the taxonomy in \
         ARCHITECTURE.md (\"Malformed calls\"), each with its expected answer.",
        Built::Whole,
    ),
    requirement(
        "F18",
        "The widget's side: one idempotency key for each payment attempt, kept across repeats, second clicks and \
         reloads; Back calls `user_navigated_to_step`; each error code has its text in the banner; degraded mode \
         shows its notice.",
        Built::Nothing,
    ),
    requirement(
        "F19",
        "What nobody on this side did: the provider refunds, disputes, cancels or changes by itself; somebody \
         between answers in its place (proxies, firewalls, gateways: 4xx with a foreign body, 52x, HTML). Believed \
         only where the contract's own words say so; told as what it is.",
        Built::Whole,
    ),
    requirement(
        "F20",
        "Nothing fits: \"out of 500 candidates none fits the constraints\" tells the model which constraint is \
         unrealistic and the nearest that would fit; a favourite can be saved and bought later, also while \
         checkout is off.",
        Built::Without("favourites that can be saved and bought later"),
    ),
    requirement(
        "F21",
        "Successes are held to their published output schema; a bug in a tool handler (a panic) is a technical \
         error with an answer, a log line and an alert, and is provoked.",
        Built::Whole,
    ),
    requirement(
        "I1",
        "Indicators from the structured event log: availability of `/mcp`; p95/p99 of `suggest_gifts`, \
         `search_products`; `checkout_success_rate` over `checkout_result` events (request_id, user_id, \
         checkout_session_id, status, error_code) in a moving window; tool error rates; workflow completion and \
         its conversion to checkout success; purchase conversations without the required tool call, hallucinated \
         results, wrong arguments, currency mix-ups; double charges and blocked funds; LLM cost per completed \
         workflow.",
        Built::Without("the indicators; the log that they come from is there"),
    ),
    requirement(
        "I2",
        "Objectives with windows and thresholds in a file, by default: p95 of gift selection < 4 s (alert above 10 \
         s); 99 % of a week's checkouts succeed, alert below 95 % in 10 min; an incident is an indicator outside \
         its objective, not a complaint. Four categories: availability, latency, quality, commerce; and economic \
         anomalies (cost doubled at equal completed workflows). Quality incidents are found while every HTTP \
         figure is green.",
        Built::Nothing,
    ),
    requirement(
        "I3",
        "Severity: SEV-1 when checkout_success_rate < 0.6 in 10 min (commerce is SEV-1 by default; response in 15 \
         min, mitigation in an hour); SEV-2 from there to 0.95, when gift-search error rate > 0.3 or p95 > 8,000 \
         ms, and for cost anomalies; SEV-3 minor; or no incident. Configuration.",
        Built::Nothing,
    ),
    requirement(
        "I4",
        "Life cycle: detection (automatic or a complaint mapped to an indicator) → triage → mitigation → \
         resolution → post-mortem, each transition an event (`incident_id`, `created`/`mitigated`/`resolved`, \
         severity, service, level, request id, message, time) that lines up with the indicators; resolved only \
         after staging, production, indicators verified, flags restored.",
        Built::Nothing,
    ),
    requirement(
        "I5",
        "Mitigation: a switch turns checkout off at once (recommendations-only mode): \
         `checkout_temporarily_disabled`, honest, no effects, browsing goes on; a sale in flight is finished or \
         compensated. Also: rolling back a release, feature flags, rate limiting, disabling heavy tools.",
        Built::Without("releases, feature flags, rate limits of a tool and switches for single tools"),
    ),
    requirement(
        "I6",
        "Health: `GET /api/health` with status, mcp, time-stamp, store and providers; degraded detail for a \
         provider's loss, 503 for its own; polled, a time-out or 5xx is an availability incident.",
        Built::Whole,
    ),
    requirement(
        "I7",
        "Runbooks are data: id, title, severity, detection, scope, where to look, mitigation steps (provider \
         status pages, deploys of the last 30 minutes, banner, log collection), final analysis, what to update. At \
         least: mass checkout failures (> 5 % errors in 5 min); MCP does not answer (> 20 % \"Error talking to \
         app\"). Running an incident prints the runbook that applies.",
        Built::Nothing,
    ),
    requirement(
        "I8",
        "Roles (on-call, incident commander, communications, scribe), prewritten user-facing texts, and an \
         operations calendar: weekly (SLOs, alerts that quenched themselves, one incident), monthly (costs against \
         revenue, product metrics, security logs), quarterly (secret rotation, SLOs, runbooks), are part of that \
         data.",
        Built::Nothing,
    ),
    requirement(
        "I9",
        "A post-mortem draft from the event log: what happened, timeline, how it was noticed, how it was answered, \
         what worked, what to change in alerts, runbooks and code; blameless; due for SEV-1 and SEV-2.",
        Built::Nothing,
    ),
    requirement(
        "I10",
        "An incident can be reproduced: from its log, misrule derives the scenario and the smallest fault plan \
         that shows the same symptom, and keeps it as a regression scenario.",
        Built::Nothing,
    ),
    requirement(
        "I11",
        "Third-party failure is survived on this side: handled time-outs, fewer retries when a provider is known \
         to be down (retry budget), useful answers without it.",
        Built::Without("useful answers without the catalog"),
    ),
    requirement(
        "I12",
        "Security belongs to operations: failed log-ins, odd bursts, authorization errors are in the log and in an \
         indicator; secrets can be rotated with overlap; the model's own API limits (429, overload) are a cause \
         that drills play.",
        Built::Without("indicators of security events, and drills"),
    ),
    requirement(
        "G1",
        "One command runs every scenario and ends with an exit code a CI understands: pass, fail, unusable input, \
         inconclusive, broken system.",
        Built::Whole,
    ),
    requirement(
        "G2",
        "Snapshot reports (insta) of every scenario, byte-stable; JUnit and JSON for CI; Markdown for a pull \
         request; HTML for a person.",
        Built::Without("HTML"),
    ),
    requirement(
        "G3",
        "Every failure prints the line that reproduces it exactly, and the smallest fault plan that still fails.",
        Built::Whole,
    ),
    requirement(
        "G4",
        "Latency benchmarks: criterion for the parts, an open-loop load run for the whole (percentiles with and \
         without faults, retry amplification, overhead of each retry policy).",
        Built::Without("the open-loop load run and the comparison of retry policies"),
    ),
    requirement(
        "G5",
        "The gate proves itself: planted defects, each of which it must catch, and a reference that it must not \
         accuse.",
        Built::Whole,
    ),
    requirement(
        "G6",
        "Any MCP server, in any language, can stand in GiftGenius's place (ARCHITECTURE.md, \"Not there yet\").",
        Built::Nothing,
    ),
    requirement(
        "G7",
        "The gate tries every scenario under every single fault, and the claim \"GiftGenius is accused of \
         nothing\" holds for every scenario at depth 2 of the core menu, every profile.",
        Built::Without("depth 2 under every profile at once: a commit takes the own profile and, by turns, one other"),
    ),
    requirement(
        "G8",
        "Alert rules are tested: drills with known ground truth (ARCHITECTURE.md, \"Not there yet\").",
        Built::Nothing,
    ),
];

/// The requirement of an id.
pub fn by_id(id: &str) -> Option<&'static Requirement> {
    ALL.iter().find(|requirement| requirement.id == id)
}

/// The ids, as ranges: `F1 to F21, I1 to I12, G1 to G8`.
pub fn ranges() -> String {
    let part = |letter: char| {
        let last = ALL.iter().filter_map(|it| it.id.strip_prefix(letter)?.parse::<u32>().ok()).max().unwrap_or(0);
        format!("{letter}1 to {letter}{last}")
    };
    ['F', 'I', 'G'].map(part).join(", ")
}
