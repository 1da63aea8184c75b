//! `misrule faces`: whether GiftGenius's own command line lets in whom it should, and says what it should.

use clap::Args;

use super::{Console, Ended, Refusal, held, program};
use crate::faces::{self, Faces};
use crate::report::units;

#[derive(Args, Debug)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments, console: &mut Console<'_>) -> Ended {
    let told = faces::check(&program()).map_err(|why| Refusal::could_not_run(&why))?;
    Ok(held::tell(&said(&told), &told.broken, console))
}

/// What was done, in a line.
pub(super) fn said(told: &Faces) -> String {
    format!(
        "GiftGenius's command line: {}, {}",
        units::count(told.asked, "demand"),
        held::found(&told.broken, "all met")
    )
}
