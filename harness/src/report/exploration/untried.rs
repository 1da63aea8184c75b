//! What an exploration was to strike and never did: a fault that was not tried proves nothing.

use super::document::{Coverage, Exploration, PlaceReport};
use super::several;

/// The sites and faults that were named and never struck, a sentence each; where none was named, whether anything was.
pub(super) fn doubts(report: &Exploration) -> Vec<String> {
    let coverages: Vec<&Coverage> =
        report.coverage.iter().chain(report.spaces.iter().filter_map(|space| space.coverage.as_ref())).collect();
    let places = || coverages.iter().flat_map(|coverage| &coverage.places);
    let whereabouts = several::whereabouts(report);
    let mut doubts = Vec::new();
    for site in &report.named.sites {
        let at = || places().filter(|place| place.place == *site);
        if at().any(|place| !place.struck.is_empty()) {
            continue;
        }
        doubts.push(if at().next().is_none() {
            format!("nothing that was asked for can go wrong at {site} in {whereabouts}.")
        } else if at().all(|place| place.times_max == 0) {
            format!("{site} never came in {whereabouts}.")
        } else {
            format!("{site} came in {whereabouts}, and no fault struck there.")
        });
    }
    let strikes = |fault: &str| places().any(|place| place.struck.iter().any(|struck| struck == name(fault)));
    let all_sites_are_doubtful = !report.named.sites.is_empty() && doubts.len() == report.named.sites.len();
    if !all_sites_are_doubtful {
        let never = report.named.faults.iter().filter(|fault| !strikes(fault));
        doubts.extend(never.map(|fault| format!("{fault} never struck in {whereabouts}.")));
    }
    let is_to_strike = report.spaces.iter().any(|space| space.depth > 0 || space.random.is_some());
    let struck = |place: &PlaceReport| !place.struck.is_empty();
    if doubts.is_empty() && is_to_strike && !places().any(struck) {
        doubts.push(format!("no fault struck in {whereabouts}."));
    }
    doubts
}

/// `status` of `status(499)`.
fn name(fault: &str) -> &str {
    fault.split('(').next().unwrap_or(fault).trim()
}
