use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::fault::menu::{self, Breadth};
use crate::fault::{Circumstance, Fault, ProviderFault};

#[test]
fn every_fault_is_explained_under_its_name_and_moment() {
    let text = String::new;
    let all = [
        Fault::Refuse,
        Fault::LostRequest,
        Fault::Status(503, None),
        Fault::Reset,
        Fault::Stall,
        Fault::LostReply,
        Fault::StatusAfter(500, None, crate::fault::ForeignBody::Json),
        Fault::ResetAfter,
        Fault::Delay(Duration::ZERO),
        Fault::Cut,
        Fault::Garbage,
        Fault::HtmlPage,
        Fault::Trickle,
        Fault::HugeBody,
        Fault::OtherReply,
        Fault::MissingField(text()),
        Fault::WrongType(text()),
        Fault::WrongAmount,
        Fault::Encoded(crate::fault::Encoding::Bom),
        Fault::Contradicting(crate::fault::Contradiction::Beyond),
        Fault::Duplicate,
        Fault::LateDuplicate,
        Fault::Circumstance(Circumstance::Declined(text())),
        Fault::Crash(crate::fault::CrashPoint::BeforeSend),
        Fault::HangUp,
        Fault::Yield,
        Fault::Busy,
        Fault::Full,
        Fault::Unasked(crate::fault::Unasked::More),
        Fault::Slow(Duration::ZERO),
        Fault::Corrupt,
        Fault::Panic,
        Fault::Jump(crate::fault::Expiry::Lease),
        Fault::BeforeReply,
        Fault::Twice,
        Fault::Copies(4),
        Fault::Again,
        Fault::Late,
        Fault::Reordered,
        Fault::Never,
        Fault::OtherKind,
        Fault::UnknownOrder,
        Fault::Forged(crate::fault::Forgery::Stale),
        Fault::Acts(crate::fault::Acting::after(crate::fault::Act::Refund)),
        Fault::Malformed("name::extra_notes".parse().expect("a label")),
    ];
    let plain = Circumstance::PLAIN.map(Fault::Circumstance);
    let all: Vec<_> = all.into_iter().chain(plain).chain(crate::fault::HostFault::ALL.map(Fault::Host)).collect();
    for fault in &all {
        let explained = by_name(fault.name()).unwrap_or_else(|| panic!("{} is not explained", fault.name()));
        assert_eq!(explained.moment, fault.moment(), "{}", fault.name());
    }
    let over_time: BTreeSet<_> = menu::over_time(Breadth::Full).iter().map(ProviderFault::name).collect();
    for name in &over_time {
        assert_eq!(by_name(name).map(|explained| explained.moment), Some(Moment::OverTime), "{name}");
    }
    assert_eq!(ALL.len(), all.len() + over_time.len());
}
