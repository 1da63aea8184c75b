//! What the payment provider has accepted and does only a while later: captures, refunds, and refunds that fail.
//!
//! Noticed before each request and when the run ends, and entered in the books at that time, under the request that
//! began it.

use std::time::Duration;

use giftgenius::money::Money;
use smol_str::SmolStr;

use super::{Change, Payment, Standing, books, capture, give_back};
use crate::provider::ledger::{EffectId, EffectKind};
use crate::provider::{Now, ProviderRequest};
use crate::trace::Record;

/// Something to be done later.
#[derive(Hash, Debug)]
pub(super) struct Due {
    /// Not before, since the run began.
    at: Duration,
    /// What.
    what: Later,
    /// The request that began it.
    request: ProviderRequest,
}

/// What is to be done.
#[derive(Hash, Debug)]
pub(super) enum Later {
    /// A charge is captured, unless it was called off.
    Capture { charge: usize },
    /// A refund takes effect.
    Refund { charge: usize, id: SmolStr, amount: Money },
    /// A refund that took effect fails.
    RefundFails { charge: usize, id: SmolStr, amount: Money, refund: EffectId },
}

impl Payment {
    /// Does something half of the bound on late effects from now.
    pub(super) fn later(&mut self, what: Later, request: &ProviderRequest, now: Now) {
        let at = now.since_start + self.promises.late_max / 2;
        self.due.push(Due { at, what, request: request.clone() });
    }

    /// Does what is due by now.
    pub(super) fn catch_up(&mut self, now: Now, record: &mut Record) {
        if self.due.iter().any(|due| due.at <= now.since_start) {
            let (due, rest) = std::mem::take(&mut self.due).into_iter().partition(|due| due.at <= now.since_start);
            self.due = rest;
            self.carry_out(due, now, record);
        }
    }

    /// Does all that is left to be done: at rest nothing is.
    pub fn settle(&mut self, now: Now, record: &mut Record) {
        let due = std::mem::take(&mut self.due);
        self.carry_out(due, now, record);
    }

    /// All is due equally long after its request, so that the order of requests is the order of what is due.
    fn carry_out(&mut self, due: Vec<Due>, now: Now, record: &mut Record) {
        for Due { at: _, what, request } in due {
            match what {
                Later::Capture { charge: index } => {
                    let charge = &mut self.charges[index];
                    if let Standing::Pending(_) = charge.standing {
                        let effect = capture(record, now, &request, index, &charge.reference, charge.amount);
                        charge.standing = Standing::Captured { effect };
                    }
                }
                Later::Refund { charge, id, amount } => {
                    let charge = &mut self.charges[charge];
                    if let Some((effect, _)) = charge.left() {
                        charge.refunding -= amount.minor_units;
                        charge.refunded += amount.minor_units;
                        give_back(record, now, Some(&request), &charge.reference, &id, amount, effect);
                    }
                }
                Later::RefundFails { charge, id, amount, refund } => {
                    let charge = &mut self.charges[charge];
                    charge.refunded -= amount.minor_units;
                    let failure = Change {
                        kind: EffectKind::RefundFailed,
                        reference: &charge.reference,
                        subject: id,
                        amount: Some(amount),
                        stock: Vec::new(),
                        undoes: Some(refund),
                    };
                    books::enter(record, now, Some(&request), failure);
                }
            }
        }
    }
}
