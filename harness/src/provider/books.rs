//! Entering effects: into the ledger and, at the same place in the order of things, into the trace.

use std::sync::Arc;

use giftgenius::money::Money;
use smol_str::SmolStr;

use super::ledger::{Effect, EffectId, EffectKind};
use super::{Now, ProviderRequest};
use crate::trace::{EventKind, Record};

/// What a machine knows of an effect that takes hold.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) kind: EffectKind,
    pub(super) reference: &'a str,
    pub(super) subject: SmolStr,
    pub(super) amount: Option<Money>,
    pub(super) stock: Vec<(SmolStr, u32)>,
    pub(super) undoes: Option<EffectId>,
}

/// Enters a change; `request` is what brought it, or `None` for what happens without one.
pub(super) fn enter(record: &mut Record, now: Now, request: Option<&ProviderRequest>, change: Change<'_>) -> EffectId {
    let id = EffectId(u32::try_from(record.ledger.effects.len()).expect("a run has fewer effects than that"));
    let effect = Arc::new(Effect {
        id,
        at: now.since_start,
        exchange: request.map(|request| request.exchange),
        kind: change.kind,
        reference: change.reference.into(),
        subject: change.subject,
        amount: change.amount,
        stock: change.stock,
        undoes: change.undoes,
        key: request.and_then(|request| request.key.clone()),
        correlation: request.map_or_else(SmolStr::default, |request| request.correlation.clone()),
    });
    record.ledger.effects.push(effect.clone());
    record.push(now.since_start, EventKind::Effect(effect));
    id
}
