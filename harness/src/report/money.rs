//! What became of the money in a run, in a few words: the first thing to know of a finding.

use std::collections::BTreeMap;

use giftgenius::money::Money;

use super::units::count;
use crate::provider::ledger::{EffectKind, Ledger};

/// What stands charged at the end, and what is sold for it: `42.00 EUR charged, nothing sold`.
pub fn said(ledger: &Ledger) -> String {
    let mut standing: BTreeMap<String, (Money, usize)> = BTreeMap::new();
    let mut given_back = false;
    for charge in ledger.of_kind(EffectKind::Charge) {
        let Some(amount) = charge.amount else { continue };
        let left = ledger.charge_standing(charge);
        given_back |= left < amount.minor_units;
        if left != 0 {
            let (sum, charges) =
                standing.entry(amount.currency.to_string()).or_insert((Money::new(0, amount.currency), 0));
            sum.minor_units = sum.minor_units.saturating_add(left);
            *charges += 1;
        }
    }
    let all: usize = standing.values().map(|(_, charges)| charges).sum();
    let sums: Vec<_> = standing.values().map(|(sum, _)| sum.to_string()).collect();
    let charged = match (all, given_back) {
        (0, false) => "nothing charged".to_owned(),
        (0, true) => "everything given back".to_owned(),
        (1, _) => format!("{} charged", sums.join(" + ")),
        (charges, _) => format!("{} charged ({charges} charges)", sums.join(" + ")),
    };
    let sold = ledger.of_kind(EffectKind::Commit).filter(|commit| ledger.stands_at(commit, std::time::Duration::MAX));
    match sold.count() {
        0 => format!("{charged}, nothing sold"),
        sales => format!("{charged}, {}", count(sales, "sale")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use giftgenius::money::Currency;

    use super::*;
    use crate::provider::ledger::{Effect, EffectId};

    /// A kind, an amount in minor units, and what it undoes.
    type Entry = (EffectKind, i64, Option<u32>);

    fn ledger(effects: &[Entry]) -> Ledger {
        let mut ledger = Ledger::default();
        for (id, (kind, minor_units, undoes)) in (0_u32..).zip(effects) {
            ledger.effects.push(Arc::new(Effect {
                id: EffectId(id),
                at: Duration::ZERO,
                exchange: None,
                kind: *kind,
                reference: "ord_1".into(),
                subject: "it".into(),
                amount: (*minor_units != 0).then(|| Money::new(*minor_units, Currency::EUR)),
                stock: Vec::new(),
                undoes: undoes.map(EffectId),
                key: None,
                correlation: "step-1.1".into(),
            }));
        }
        ledger
    }

    #[test]
    fn what_stands_charged_is_said_with_what_is_sold_for_it() {
        use EffectKind::{Charge, Commit, Refund, Reserve};
        let table: [(&[Entry], &str); 6] = [
            (&[], "nothing charged, nothing sold"),
            (&[(Charge, 4200, None)], "42.00 EUR charged, nothing sold"),
            (&[(Reserve, 0, None), (Charge, 4200, None), (Commit, 0, Some(0))], "42.00 EUR charged, 1 sale"),
            (&[(Charge, 4200, None), (Charge, 4200, None)], "84.00 EUR charged (2 charges), nothing sold"),
            (&[(Charge, 4200, None), (Refund, 4200, Some(0))], "everything given back, nothing sold"),
            (&[(Charge, 4200, None), (Refund, 4100, Some(0))], "1.00 EUR charged, nothing sold"),
        ];
        for (effects, expected) in table {
            assert_eq!(said(&ledger(effects)), expected);
        }
    }
}
