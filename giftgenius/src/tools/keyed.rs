//! Keys of tools that need no saga: what such a call changes, and what it answers, is bound to its key in one batch, so that
//! a repeat answers the same and changes nothing more (F4).

use serde::Serialize;
use serde_json::json;
use smol_str::SmolStr;

use super::Call;
use crate::app::App;
use crate::checkout::answer::failed_reply;
use crate::checkout::buy::{in_progress, key_conflict};
use crate::checkout::entry::{Entry, EntryKey, EntryState, SavedReply};
use crate::checkout::idempotency::{Claim, claim};
use crate::error::{Effects, ToolError};
use crate::journal::{Batch, Record, Version};

/// A key that can be bound.
pub(super) struct Bound {
    key: EntryKey,
    parameters: SmolStr,
    /// Of its entry, where there is one.
    version: Option<Version>,
}

impl Bound {
    /// The batch, with the key bound to this answer.
    pub(super) fn bind(&self, app: &App, batch: Batch, output: &impl Serialize) -> Batch {
        let now = app.now();
        let reply = SavedReply { structured: json!(output), is_error: false };
        let entry = Entry {
            key: self.key.clone(),
            parameters: self.parameters.clone(),
            state: EntryState::Done { reply, ended_at: now },
            drop_after: Some(crate::time::add(now, app.policy().entry_retention)),
        };
        batch.put(self.version, Record::Entry(entry))
    }
}

/// Makes a call under its key, where it has one: answered from what the key is bound to, else made by `call`, which binds
/// it. A call that fails binds nothing, so that it can be made again.
pub(super) async fn under_key<Output: Serialize>(
    app: &App,
    call: &Call,
    key: Option<&str>,
    make: impl AsyncFnOnce(Option<Bound>) -> Result<Output, Box<ToolError>>,
) -> SavedReply {
    let Some(key) = key else { return super::reply(make(None).await) };
    let key = EntryKey { user: call.user.clone(), tool: call.tool.into(), key: key.into() };
    let parameters = call.parameters();
    let version = match look(app, call, &key, &parameters).await {
        Look::Answered(reply) => return reply,
        Look::Free(version) => version,
    };
    let bound = Bound { key: key.clone(), parameters: parameters.clone(), version };
    match make(Some(bound)).await {
        Ok(output) => super::reply(Ok(output)),
        // A concurrent call under this key may have been faster: then its answer is the answer.
        Err(error) => match look(app, call, &key, &parameters).await {
            Look::Answered(reply) => reply,
            Look::Free(_) => failed_reply(&error),
        },
    }
}

/// The result of a look at the key's entry.
enum Look {
    Answered(SavedReply),
    /// The key can be bound, at this version of its entry.
    Free(Option<Version>),
}

async fn look(app: &App, call: &Call, key: &EntryKey, parameters: &str) -> Look {
    let stored = match app.entry(key).await {
        Ok(stored) => stored,
        Err(error) => return Look::Answered(failed_reply(&App::store_error(&error, &call.correlation))),
    };
    match claim(stored.as_ref().map(|(_, entry)| entry), parameters, app.now()) {
        Claim::Replay(reply) => Look::Answered(reply),
        Claim::Conflict => Look::Answered(failed_reply(&key_conflict(&call.correlation))),
        Claim::Joined(_) => {
            Look::Answered(failed_reply(&in_progress(app, None, &call.correlation).with_effects(Effects::None)))
        }
        Claim::Free => Look::Free(stored.map(|(version, _)| version)),
    }
}
