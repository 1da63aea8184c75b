//! The tool has another name. No tool is called, so it is the protocol that answers.

use super::maker::{Maker, Unlabelled};
use super::{Class, Expected, ProtocolError, Remedy, Sent, When, name};

const CLASS: Class = Class::Tool;

pub(super) fn make(maker: &mut Maker<'_>) {
    if !maker.wants(CLASS) {
        return;
    }
    let called = maker.tool.name.to_owned();
    for (variant, other) in name::cases(&called).into_iter().chain(name::typos(&called)) {
        add(maker, variant, other, Remedy::Restored);
    }
    let invented = Remedy::Beyond("nobody can know what an invented tool should have done");
    add(maker, "invented", String::from("do_what_i_mean"), invented);
}

fn add(maker: &mut Maker<'_>, variant: &str, other: String, remedy: Remedy) {
    maker.add(CLASS, "", variant, |_| {
        Some(Unlabelled {
            when: When::Ready,
            sent: Sent::ToTool(other),
            expected: Expected::Protocol(ProtocolError::InvalidParams),
            remedy,
        })
    });
}
