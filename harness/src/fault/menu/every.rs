//! The menu of every variant: what the full menu has one of, and what intermediaries and hurried providers really send.

use super::{
    Act, Acting, Contradiction, Encoding, Fault, ForeignBody, OddRetryAfter, OperationSpec, RetryAfter, acts_at,
    can_contradict, circumstances, fields,
};

/// Statuses that a provider answers instead of doing what it was asked.
const IMPOSED: [u16; 15] = [401, 403, 404, 408, 409, 410, 421, 422, 423, 425, 429, 501, 502, 503, 504];

/// Statuses that an intermediary answers although the provider did what it was asked: meaningless successes and
/// redirects, refusals of gateways and firewalls, and what large content networks add to the 5xx.
const FOREIGN: [u16; 40] = [
    200, 201, 202, 204, 206, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 421, 423, 425,
    429, 431, 444, 451, 460, 499, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527,
];

/// What a provider does on its own at a request.
const ACTS: [Acting; 11] = [
    Acting::before(Act::Refund),
    Acting::after(Act::Refund),
    Acting::after(Act::Refund).untold(),
    Acting::before(Act::PartialRefund),
    Acting::after(Act::PartialRefund),
    Acting::after(Act::PartialRefund).untold(),
    Acting::before(Act::Dispute),
    Acting::after(Act::Dispute),
    Acting::after(Act::Dispute).untold(),
    Acting::before(Act::CancelReservation),
    Acting::after(Act::CancelReservation),
];

/// The same between two calls.
const ACTS_BETWEEN: [Acting; 3] = [
    Acting::after(Act::Refund).untold(),
    Acting::after(Act::PartialRefund).untold(),
    Acting::after(Act::Dispute).untold(),
];

/// Everything on `full`, and the rest of each kind behind it.
pub(super) fn menu(operation: &OperationSpec, full: &[Fault]) -> Vec<Fault> {
    let mut menu = full.to_vec();
    let mut add = |fault: Fault| {
        if !menu.contains(&fault) {
            menu.push(fault);
        }
    };
    add(Fault::HtmlPage);
    add(Fault::HugeBody);
    Encoding::ALL.into_iter().map(Fault::Encoded).for_each(&mut add);
    fields(operation).map(|field| Fault::WrongType(field.to_owned())).for_each(&mut add);
    let contradictions = Contradiction::ALL.into_iter().filter(|how| can_contradict(operation, *how));
    contradictions.map(Fault::Contradicting).for_each(&mut add);
    operation.refusals.iter().flat_map(|refusal| circumstances(*refusal)).for_each(&mut add);
    ACTS.into_iter().filter(|acting| acts_at(operation, acting.act)).map(Fault::Acts).for_each(&mut add);
    IMPOSED.into_iter().map(|status| Fault::Status(status, None)).for_each(&mut add);
    // At once, which no careful client takes literally.
    add(Fault::Status(503, Some(RetryAfter::Seconds(0))));
    add(Fault::Status(503, Some(RetryAfter::Date(2))));
    for odd in OddRetryAfter::ALL {
        add(Fault::Status(503, Some(RetryAfter::Odd(odd))));
    }
    if operation.effectful {
        FOREIGN.into_iter().map(|status| Fault::StatusAfter(status, None, ForeignBody::Json)).for_each(&mut add);
        for body in ForeignBody::ALL {
            [200, 403, 409, 429, 503]
                .map(|status| Fault::StatusAfter(status, None, body))
                .into_iter()
                .for_each(&mut add);
        }
    }
    menu
}

/// The same at a read of the journal.
pub(super) fn at_a_read(full: &[Fault]) -> Vec<Fault> {
    full.iter().cloned().chain([Fault::Panic]).collect()
}

/// The same before a call.
pub(super) fn at_a_call(full: &[Fault]) -> Vec<Fault> {
    full.iter().cloned().chain(ACTS_BETWEEN.map(Fault::Acts)).collect()
}
