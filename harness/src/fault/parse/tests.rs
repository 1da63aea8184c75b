//! What reads, what does not, and that reading undoes writing.

use proptest::prelude::*;

use super::*;
use crate::fault::{ForeignBody, OddRetryAfter, RetryAfter};
use crate::malform::{Class, Label};
use crate::provider::OperationSpec;
use crate::provider::operations::{ALL, CHARGE, LOOK_UP, Refusal};

fn refused(text: &str) -> (String, &str) {
    let error = text.parse::<Plan>().expect_err(text);
    (error.to_string(), &text[error.span])
}

#[test]
fn a_plan_reads_as_it_is_written() {
    let text = "payment.charge#1: lost_reply; inventory.release@3#1: status(503, retry_after=2); \
                provider.payment: outage(from=2, calls=3)";
    let plan: Plan = text.parse().expect("it reads");
    assert_eq!(plan.to_string(), text);
    assert_eq!(
        plan.faults[0],
        Planned::At(Address { place: Place::Request(&CHARGE), step: None, number: 1 }, Fault::LostReply)
    );
    assert_eq!(plan.faults[2], Planned::Over(Provider::Payment, ProviderFault::Outage { from: 2, calls: 3 }));
}

#[test]
fn blanks_and_a_last_semicolon_do_not_matter() {
    for text in ["", "  ", "\n"] {
        assert_eq!(text.parse::<Plan>(), Ok(Plan::default()), "{text:?}");
    }
    let plan: Plan = " payment.charge#1:status( 503 ,retry_after = 2 ) ;\n".parse().expect("it reads");
    assert_eq!(plan.to_string(), "payment.charge#1: status(503, retry_after=2)");
}

/// A text, a part of what is told of it, and the place that is pointed at.
const ERRORS: &[(&str, &str, &str)] = &[
    ("host.call#1: malformed", "write it like `malformed(type:/items/0/quantity:stringified)`", "malformed"),
    ("host.call#1: malformed(typ:/items:null)", "unknown class `typ`; did you mean `type`?", "typ:/items:null"),
    ("host.call#1: malformed(envelope::batch)", "`envelope` is no fault of a plan", "malformed(envelope::batch)"),
    ("payment.charge#1: malformed(type:/items:null)", "but at `host.call`", "malformed(type:/items:null)"),
    ("webhook.event#1: forged", "`forged` needs more: write it like `forged(signature)`", "forged"),
    ("webhook.event#1: forged(sig)", "`sig` is no forgery", "sig"),
    ("webhook.evnt#1: late", "did you mean `webhook.event`?", "webhook.evnt"),
    ("payment.charge#1", "a fault is written after its place", "payment.charge#1"),
    ("payment.charge: cut", "which request is meant? Write `payment.charge#1`", "payment.charge"),
    ("payment.chrage#1: cut", "`payment.chrage` is no place; did you mean `payment.charge`?", "payment.chrage"),
    ("charge#1: cut", "did you mean `payment.charge`?", "charge"),
    ("payment: cut", "did you mean `provider.payment`?", "payment"),
    ("payment.charge#0: cut", "the site is a whole number from 1 to 4294967295, not `0`", "0"),
    ("payment.charge#x: cut", "the site is a whole number from 1 to 4294967295, not `x`", "x"),
    ("payment.charge#+1: cut", "not `+1`", "+1"),
    ("payment.charge#99999999999: cut", "from 1 to 4294967295, not `99999999999`", "99999999999"),
    ("payment.charge@0#1: cut", "a step of the script is a whole number from 1 to", "0"),
    ("payment.charge#1: lost-reply", "`lost-reply` is no fault; did you mean `lost_reply`?", "lost-reply"),
    ("journal.write@2#1: busy", "belongs to no step of the script: write `journal.write#1`", "journal.write@2#1"),
    (
        "payment.charge#1: crash(after_sent)",
        "`after_sent` is no point of a crash; did you mean `after_send`?",
        "after_sent",
    ),
    ("journal.write#1: jump(tomorrow)", "there is `lease`, `quote`, `reservation`, `key`", "tomorrow"),
    ("payment.charge#1:  ", "fault is missing here", ""),
    ("payment.charge#1: status", "`status` needs more: write it like `status(503)`", "status"),
    ("payment.charge#1: status()", "a value is missing in `status()`", ""),
    ("payment.charge#1: status(ok)", "a status is a whole number from 200 to 599, not `ok`", "ok"),
    ("payment.charge#1: status(600)", "a status is a whole number from 200 to 599, not `600`", "600"),
    ("payment.charge#1: status(70000)", "a status is a whole number from 200 to 599, not `70000`", "70000"),
    (
        "payment.charge#1: status(503, retry_after=1.5)",
        "`retry_after` (in seconds) is a whole number from 0 to 4294967295, not `1.5`; write `retry_after=fraction`",
        "1.5",
    ),
    ("payment.charge#1: delay(ms=0)", "`ms` is a whole number from 1 to 3600000, not `0`", "0"),
    ("journal.write#1: slow(ms=9999999)", "`ms` is a whole number from 1 to 3600000, not `9999999`", "9999999"),
    ("payment.charge#1: status(199)", "a status is a whole number from 200 to 599, not `199`", "199"),
    ("payment.charge#1: status(503", "the parenthesis is not closed", "status(503"),
    ("payment.charge#1: status(503) cut", "`;` begins another fault", " cut"),
    ("payment.charge#1: status(503, 504)", "`status` takes no `504`", "504"),
    ("payment.charge#1: status(503, retry=2)", "`retry` is no parameter of `status`", "retry"),
    ("payment.charge#1: status(503, retry_aftr=2)", "did you mean `retry_after`?", "retry_aftr"),
    ("payment.charge#1: status(503, retry_after=1, retry_after=2)", "`retry_after` stands twice", "retry_after"),
    (
        "payment.charge#1: status(503, retry_after=1, retry_after_date=2)",
        "one Retry-After",
        "status(503, retry_after=1, retry_after_date=2)",
    ),
    ("payment.charge#1: delay(300)", "`delay` takes no `300`", "300"),
    ("payment.charge#1: delay", "write it like `delay(ms=300)`", "delay"),
    ("payment.charge#1: delay(sm=300)", "did you mean `ms`?", "sm"),
    ("payment.charge#1: cut(1)", "`cut` takes no `1`", "1"),
    ("payment.charge#1: missing_field(amuont)", "did you mean `amount`?", "missing_field(amuont)"),
    ("payment.charge#1: out_of_stock", "is nothing that can come of `payment.charge`", "out_of_stock"),
    ("payment.look_up#1: duplicate", "`payment.look_up` changes nothing", "duplicate"),
    (
        "payment.charge#1: outage(from=1, calls=2)",
        "write `provider.payment: outage(from=1, calls=2)`",
        "outage(from=1, calls=2)",
    ),
    ("provider.paymnt: outage(from=1, calls=2)", "did you mean `payment`?", "paymnt"),
    ("provider.catalog: refuse", "such as `catalog.search#1`", "refuse"),
    ("provider.catalog: outge(from=1, calls=2)", "did you mean `outage`?", "outge"),
    ("provider.catalog: outage(from=1)", "write it like `outage(from=2, calls=3)`", "outage(from=1)"),
    ("provider.catalog: outage(from=0, calls=1)", "`from` is a whole number from 1 to", "0"),
    (
        "provider.catalog: brownout(from=1, calls=2)",
        "like `brownout(percent=50, from=1, calls=8)`",
        "brownout(from=1, calls=2)",
    ),
    (
        "provider.catalog: brownout(percent=101, from=1, calls=2)",
        "`percent` is a whole number from 1 to 100, not `101`",
        "101",
    ),
    ("provider.catalog: flap(from=1, up=1, dwon=2, calls=9)", "did you mean `down`?", "dwon"),
    (
        "provider.catalog: rate_limit(from=1, calls=2, retry_after=-1)",
        "`retry_after` is a whole number from 0 to 4294967295, not `-1`",
        "-1",
    ),
    ("payment.look_up#1: stall", "`payment.look_up` changes nothing, so `stall` cannot happen", "stall"),
    ("catalog.search#1: other_reply", "`catalog.search` does not say what it is about", "other_reply"),
    ("inventory.reserve#1: reservation_expired", "but of `inventory.commit`", "reservation_expired"),
    ("payment.charge#1: cut;; payment.charge#2: cut", "a fault is missing before this `;`", ""),
    (
        "payment.charge#1: cut; payment.charge#1: reset",
        "at `payment.charge#1`, `cut` and `reset` both say what becomes of the request and its reply",
        "payment.charge#1",
    ),
    (
        "provider.payment: outage(from=1, calls=3); provider.payment: outage(from=3, calls=1)",
        "`outage` and `outage` of `provider.payment` overlap; the second can begin at request 4",
        "provider.payment",
    ),
    (
        "provider.payment: flap(from=1, up=1, down=2, calls=9); provider.payment: brownout(percent=5, from=9, calls=1)",
        "`flap` and `brownout` of `provider.payment` overlap; the second can begin at request 10",
        "provider.payment",
    ),
];

#[test]
fn errors_say_what_and_where() {
    for (text, message, place) in ERRORS {
        let (told, at) = refused(text);
        assert!(told.contains(message), "{text}: {told}");
        assert_eq!(at, *place, "{text}: {told}");
    }
}

#[test]
fn the_second_of_two_contradictions_is_the_one_pointed_at() {
    let text = "payment.charge#1: cut; payment.charge#1: reset";
    let error = text.parse::<Plan>().expect_err("it contradicts itself");
    assert_eq!(error.span, 23..39);
}

#[test]
fn outages_that_do_not_meet_are_no_contradiction() {
    let text = "provider.payment: outage(from=1, calls=2); provider.payment: outage(from=3, calls=1); \
                provider.catalog: outage(from=1, calls=2)";
    assert_eq!(text.parse::<Plan>().map(|plan| plan.to_string()), Ok(text.to_owned()));
}

#[test]
fn the_parts_of_a_plan_read_by_themselves() {
    let place = parse_address(" payment.look_up@2#1 ").expect("it reads");
    let address = Address { place: Place::Request(&LOOK_UP), step: Some(2), number: 1 };
    assert_eq!(place, Target::At(address));
    assert_eq!(parse_planned(&place, "cut"), Ok(vec![Planned::At(address, Fault::Cut)]));
    assert_eq!(parse_address("provider.catalog"), Ok(Target::Provider(Provider::Catalog)));
    assert_eq!(parse_fault("duplicate"), Ok(Fault::Duplicate));
    let outage = ProviderFault::Outage { from: 1, calls: 2 };
    assert_eq!(parse_provider_fault("outage(from=1, calls=2)"), Ok(outage));
}

#[test]
fn every_entry_of_every_menu_reads_as_it_is_written() {
    for operation in ALL {
        for fault in menu::full(operation) {
            let text = format!("{}#1: {fault}", operation.label);
            let plan: Plan = text.parse().expect("it reads");
            assert_eq!(plan.to_string(), text);
            assert_eq!(parse_fault(&fault.to_string()).as_ref(), Ok(fault));
            assert!(FAULTS.contains(&fault.name()), "{fault}");
        }
    }
    for fault in menu::host(Place::HostCall) {
        let text = format!("{}#2: {fault}", Place::HostCall.label());
        assert_eq!(text.parse::<Plan>().expect("it reads").to_string(), text);
    }
}

fn retry_after() -> impl Strategy<Value = Option<RetryAfter>> {
    prop_oneof![
        Just(None),
        any::<u32>().prop_map(|seconds| Some(RetryAfter::Seconds(seconds))),
        any::<u32>().prop_map(|seconds| Some(RetryAfter::Date(seconds))),
        prop::sample::select(OddRetryAfter::ALL.to_vec()).prop_map(|odd| Some(RetryAfter::Odd(odd))),
    ]
}

fn fault(operation: &'static OperationSpec) -> impl Strategy<Value = Fault> {
    let after = if operation.effectful { 0.5 } else { 0.0 };
    let body = prop::sample::select(ForeignBody::ALL.to_vec());
    let status = (200..=599u16, retry_after(), prop::bool::weighted(after), body);
    let mut faults = vec![
        prop::sample::select(menu::full(operation)).boxed(),
        (1..=3_600_000u64).prop_map(|millis| Fault::Delay(Duration::from_millis(millis))).boxed(),
        status
            .prop_map(|(status, retry_after, after, body)| {
                if after { Fault::StatusAfter(status, retry_after, body) } else { Fault::Status(status, retry_after) }
            })
            .boxed(),
    ];
    if operation.refusals.contains(&Refusal::Declined) {
        let declined = |code| Fault::Circumstance(Circumstance::Declined(code));
        faults.push("[a-z0-9_]{1,64}".prop_map(declined).boxed());
    }
    prop::strategy::Union::new(faults)
}

fn provider_fault(number: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = ProviderFault> {
    let some = move || number.clone();
    prop_oneof![
        (some(), some()).prop_map(|(from, calls)| ProviderFault::Outage { from, calls }),
        (1..=100_u32, some(), some()).prop_map(|(percent, from, calls)| ProviderFault::Brownout {
            percent,
            from,
            calls
        }),
        (some(), some(), some(), some()).prop_map(|(from, up, down, calls)| ProviderFault::Flap {
            from,
            up,
            down,
            calls
        }),
        (some(), some(), some()).prop_map(|(from, calls, retry_after)| ProviderFault::Maintenance {
            from,
            calls,
            retry_after
        }),
        (some(), some(), any::<u32>()).prop_map(|(from, calls, retry_after)| ProviderFault::RateLimit {
            from,
            calls,
            retry_after
        }),
    ]
}

fn planned() -> impl Strategy<Value = Planned> {
    let number = 1..=u32::MAX;
    let step = prop::option::of(number.clone());
    let at = (prop::sample::select(&ALL[..]), step, number.clone()).prop_flat_map(|(operation, step, number)| {
        let address = Address { place: operation.into(), step, number };
        fault(operation).prop_map(move |fault| Planned::At(address, fault))
    });
    let over = (prop::sample::select(&Provider::ALL[..]), provider_fault(number))
        .prop_map(|(provider, fault)| Planned::Over(provider, fault));
    let labels = ("(missing|name|type|value|redundant|nesting|tool)", "(/[^/]{0,8}){0,3}", "[a-z0-9_]{1,12}");
    let malformed = (1..=u32::MAX, labels).prop_map(|(number, (class, pointer, variant))| {
        let class = Class::by_name(&class).expect("one of them");
        let address = Address { place: Place::HostCall, step: None, number };
        Planned::At(address, Fault::Malformed(Label { class, pointer, variant }))
    });
    prop_oneof![5 => at, 1 => over, 1 => malformed]
}

prop_compose! {
    fn plan()(list in prop::collection::vec(planned(), 0..6)) -> Plan {
        let mut plan = Plan::default();
        for planned in list {
            // What contradicts the plan is left out.
            _ = plan.add(planned);
        }
        plan
    }
}

proptest! {
    #[test]
    fn every_plan_reads_as_it_is_written(plan in plan()) {
        let text = plan.to_string();
        let read: Plan = text.parse().map_err(|error: ParseError| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn no_text_makes_reading_panic_and_every_error_has_a_place(text in "\\PC{0,40}") {
        if let Err(error) = text.parse::<Plan>() {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn no_slip_of_the_pen_makes_reading_panic(plan in plan(), at in any::<prop::sample::Index>(), slip in "[ -~é]?") {
        let mut text = plan.to_string();
        if !text.is_empty() {
            let at = at.index(text.len());
            text.replace_range(at..=at, &slip);
        }
        match text.parse::<Plan>() {
            Ok(read) => prop_assert_eq!(read.to_string().parse::<Plan>(), Ok(read)),
            Err(error) => prop_assert!(text.get(error.span).is_some()),
        }
    }
}
