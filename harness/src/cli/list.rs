//! `misrule list`: what there is to run, to break and to judge.

use clap::Args;

use super::{Common, Console, Ended, Refusal, load};
use crate::fault::menu::{self, Breadth};
use crate::fault::site::Place;
use crate::fault::{Fault, ProviderFault, explain};
use crate::report::terminal::{beside, width, wrap};
use crate::requirement::Built;
use crate::visible::visible;
use crate::{defect, oracle, requirement};

#[expect(clippy::struct_excessive_bools, reason = "a flag for each thing that can be listed; clap keeps them apart")]
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Scenarios by name, file or folder; all unless named.
    #[arg(value_name = "SCENARIO")]
    names: Vec<String>,
    /// List the faults instead.
    #[arg(long, conflicts_with_all = ["oracles", "sites", "defects", "names"])]
    faults: bool,
    /// List the oracles instead.
    #[arg(long, conflicts_with_all = ["sites", "defects", "names"])]
    oracles: bool,
    /// List the places that a plan may name instead, each with its faults.
    #[arg(long, conflicts_with_all = ["defects", "names"])]
    sites: bool,
    /// List the planted bugs of `misrule prove` instead.
    #[arg(long, conflicts_with = "names")]
    defects: bool,
    /// List the requirements instead.
    #[arg(long, conflicts_with_all = ["faults", "oracles", "sites", "defects", "names"])]
    requirements: bool,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    if arguments.faults {
        console.say(&faults());
    } else if arguments.oracles {
        console.say(&oracles());
    } else if arguments.sites {
        console.say(&sites());
    } else if arguments.defects {
        console.say(&defects());
    } else if arguments.requirements {
        console.say(&requirements());
    } else {
        return scenarios(arguments, console);
    }
    Ok(0)
}

/// Those that can be read are listed, whatever is wrong with the others.
fn scenarios(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let common = &arguments.common;
    let colour_err = console.colour_err && !common.no_color;
    let (scenarios, mistaken) = load::readable(common, &arguments.names, colour_err)?;
    let name = scenarios.iter().map(|scenario| scenario.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for scenario in &scenarios {
        let worlds: Vec<_> = scenario.worlds.iter().map(|world| world.name()).collect();
        let line = format!("{:name$}  {:8}  {}", scenario.name, worlds.join(" "), scenario.covers.join(" "));
        out.push_str(&beside("", line.trim_end(), width()));
        out.push_str(&beside("    ", &visible(&scenario.title), width()));
    }
    console.say(&out);
    if mistaken.is_empty() { Ok(0) } else { Err(Refusal::drawn(&mistaken.concat(), "nothing was run")) }
}

fn faults() -> String {
    let mut out = String::new();
    let mut moment = None;
    for fault in explain::ALL {
        if moment != Some(fault.moment) {
            moment = Some(fault.moment);
            put(&mut out, fault.moment.name());
        }
        out.push_str(&beside(&format!("  {:20}  ", fault.name), fault.example, width()));
    }
    put(&mut out, "`misrule explain FAULT` says what each does");
    out
}

fn oracles() -> String {
    let mut out = String::new();
    for oracle in oracle::ALL {
        put(&mut out, oracle.id);
        for line in wrap(oracle.rule, width() - 4).lines() {
            put(&mut out, &format!("    {line}"));
        }
    }
    put(&mut out, "`misrule explain ORACLE` says why each matters");
    out
}

fn defects() -> String {
    let mut out = String::new();
    for defect in defect::ALL {
        put(&mut out, &format!("{}  ({})", defect.id, defect.caught_by));
        for line in wrap(defect.about, width() - 4).lines() {
            put(&mut out, &format!("    {line}"));
        }
    }
    put(&mut out, "`misrule prove DEFECT` hunts one; in brackets the oracle whose rule it breaks");
    out
}

fn requirements() -> String {
    let mut out = String::new();
    for requirement in requirement::ALL {
        let built = match requirement.built {
            Built::Whole => String::new(),
            Built::Without(missing) => format!("  (not built yet: {missing})"),
            Built::Nothing => "  (not built yet)".to_owned(),
        };
        put(&mut out, &format!("{}{built}", requirement.id));
        for line in wrap(requirement.text, width() - 4).lines() {
            put(&mut out, &format!("    {line}"));
        }
    }
    put(&mut out, "`misrule explain ID` names the oracles and scenarios of one");
    out
}

fn sites() -> String {
    let mut out = String::new();
    for place in Place::all() {
        // A menu of its own may have what the full one leaves out.
        let on_any = Breadth::ALL.into_iter().flat_map(|breadth| breadth.at(place)).map(Fault::name);
        place_with(&mut out, place.label(), on_any);
    }
    for provider in giftgenius::ports::Provider::ALL {
        let names = menu::over_time(Breadth::Full).iter().map(ProviderFault::name);
        place_with(&mut out, &format!("provider.{}", provider.name()), names);
    }
    put(&mut out, "`payment.charge#2` is the second charge to arrive, `payment.charge@3#1` the first for step 3");
    out
}

fn place_with(out: &mut String, label: &str, names: impl Iterator<Item = &'static str>) {
    let mut listed: Vec<&str> = Vec::new();
    for name in names {
        if !listed.contains(&name) {
            listed.push(name);
        }
    }
    put(out, label);
    for line in wrap(&listed.join(", "), width() - 4).lines() {
        put(out, &format!("    {line}"));
    }
}

fn put(out: &mut String, line: &str) {
    let set_in = line.len() - line.trim_start().len();
    out.push_str(&beside(&line[..set_in], &line[set_in..], width()));
}
