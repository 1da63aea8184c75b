//! Every fault that there is strikes in some scenario, in simulation and on real sockets.
//!
//! That a planned fault also fires is the gate's own rule: a run whose planned fault never came is inconclusive.

use std::collections::BTreeSet;
use std::path::Path;

use misrule::fault::plan::Planned;
use misrule::fault::{CrashPoint, Expiry, Fault, explain};
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::WorldKind;

/// What a planned fault is called here: by its word, and where its parameter says when or what it strikes, by that too.
fn name(planned: &Planned) -> String {
    match planned {
        Planned::At(_, fault @ (Fault::Crash(_) | Fault::Jump(_))) => fault.to_string(),
        Planned::At(_, fault) => fault.name().to_owned(),
        Planned::Over(_, fault) => fault.name().to_owned(),
    }
}

/// Every name that there is.
fn names() -> impl Iterator<Item = String> {
    explain::ALL.iter().flat_map(|fault| match fault.name {
        "crash" => CrashPoint::ALL.map(|point| Fault::Crash(point).to_string()).to_vec(),
        "jump" => Expiry::ALL.map(|expiry| Fault::Jump(expiry).to_string()).to_vec(),
        name => vec![name.to_owned()],
    })
}

/// Why no scenario has a fault in a world; `None` if one has to.
fn excused(name: &str, world: WorldKind) -> Option<&'static str> {
    match (name, world) {
        ("yield", WorldKind::Wire) => Some("which task goes first is the operating system's to say there"),
        _ => None,
    }
}

#[test]
fn every_fault_strikes_in_both_worlds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("scenarios");
    let known = Known::of_giftgenius();
    let mut struck = BTreeSet::new();
    for found in find(&root, &[]).expect("scenarios") {
        let scenario = load(&found, &known).unwrap_or_else(|error| panic!("{}", error.render(false)));
        for world in &scenario.worlds {
            struck.extend(scenario.plan.faults.iter().map(|planned| (name(planned), *world)));
        }
    }
    let all = names().flat_map(|name| [WorldKind::Sim, WorldKind::Wire].map(|world| (name.clone(), world)));
    let (struck_anyway, missing): (Vec<_>, Vec<_>) = all
        .filter(|(name, world)| struck.contains(&(name.clone(), *world)) == excused(name, *world).is_some())
        .partition(|wanted| struck.contains(wanted));
    assert!(missing.is_empty(), "no scenario has these: {missing:?}");
    assert!(struck_anyway.is_empty(), "these need no excuse any more: {struck_anyway:?}");
}
