//! What a provider that honours idempotency keys remembers: per operation and key, the request and its reply.
//!
//! As Stripe documents it: the result of the first request under a key is saved, whether it succeeded or failed, and
//! given again to a request with the same parameters; other parameters under the same key are refused; a request that
//! fails validation is not saved, since nothing was begun.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use serde_json::Value;
use smol_str::SmolStr;

use super::http::Refused;
use super::{OperationSpec, ProviderReply, ProviderRequest};
use crate::trace::ExchangeId;

/// One remembered request.
#[derive(Debug)]
struct Saved {
    operation: &'static OperationSpec,
    body: Bytes,
    reply: ProviderReply,
    /// The first request under the key.
    of: ExchangeId,
}

impl Hash for Saved {
    /// Which request was the first is for reports; no reply hangs on it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { operation, body, reply, of: _ } = self;
        (operation, body, reply).hash(state);
    }
}

/// All remembered requests. A request without a key is never remembered.
#[derive(Hash, Debug, Default)]
pub(super) struct Keys {
    by_key: BTreeMap<SmolStr, Vec<Saved>>,
}

impl Keys {
    /// The answer to a request whose key was used before for this operation: the saved reply, or 422 `key_mismatch`.
    pub(super) fn answer(&self, request: &ProviderRequest) -> Option<ProviderReply> {
        let saved = self.saved(request)?;
        Some(if same_parameters(&saved.body, &request.body) {
            ProviderReply { replay_of: Some(saved.of), ..saved.reply.clone() }
        } else {
            Refused::new("key_mismatch", "The key was used with other parameters.").reply(422)
        })
    }

    /// Whether a request's key was used before, for this operation.
    pub(super) fn know(&self, request: &ProviderRequest) -> bool {
        self.saved(request).is_some()
    }

    fn saved(&self, request: &ProviderRequest) -> Option<&Saved> {
        let saved = self.by_key.get(request.key.as_deref()?)?;
        saved.iter().find(|saved| std::ptr::eq(saved.operation, request.operation))
    }

    /// Forgets what it knows of a request's key, for this operation.
    pub(super) fn forget(&mut self, request: &ProviderRequest) {
        if let Some(saved) = request.key.as_deref().and_then(|key| self.by_key.get_mut(key)) {
            saved.retain(|saved| !std::ptr::eq(saved.operation, request.operation));
        }
    }

    /// Remembers a reply, if the request carries a key. Call it only where [`Self::answer`] had none.
    pub(super) fn save(&mut self, request: &ProviderRequest, reply: &ProviderReply) {
        if let Some(key) = &request.key {
            self.by_key.entry(key.clone()).or_default().push(Saved {
                operation: request.operation,
                body: request.body.clone(),
                reply: reply.clone(),
                of: request.exchange,
            });
        }
    }
}

/// Whether two bodies say the same; the bytes nearly always tell, else the order of an object's fields does not matter.
fn same_parameters(one: &[u8], other: &[u8]) -> bool {
    let parsed = |body| serde_json::from_slice::<Value>(body).ok();
    one == other || parsed(one).is_some_and(|one| parsed(other) == Some(one))
}
