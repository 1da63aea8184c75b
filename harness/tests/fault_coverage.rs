//! Every fault that there is strikes in some scenario, in simulation and on real sockets.
//!
//! That a planned fault also fires is the gate's own rule: a run whose planned fault never came is inconclusive.

use std::collections::BTreeSet;
use std::path::Path;

use misrule::fault::explain;
use misrule::fault::plan::Planned;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::WorldKind;

fn name(planned: &Planned) -> &'static str {
    match planned {
        Planned::At(_, fault) => fault.name(),
        Planned::Over(_, fault) => fault.name(),
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
            struck.extend(scenario.plan.faults.iter().map(|planned| (name(planned), world.name())));
        }
    }
    let all =
        explain::ALL.iter().flat_map(|fault| [WorldKind::Sim, WorldKind::Wire].map(|world| (fault.name, world.name())));
    let missing: Vec<_> = all.filter(|wanted| !struck.contains(wanted)).collect();
    assert!(missing.is_empty(), "no scenario has these: {missing:?}");
}
