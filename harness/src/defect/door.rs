//! The door, decorated: what is called, and what is answered, as a broken face between the model and the application
//! would have it.
//!
//! [`calling`] tells a broken journal for which call it is asked: only within the call's own task, so that what a sale
//! does in the background is not lied to.

use std::future::Future;
use std::sync::Arc;

use giftgenius::app::{App, ToolCall, ToolReply};

use crate::system::wiring::{Answer, Wired};

tokio::task_local! {
    static CALLING: ToolCall;
}

/// The call on whose behalf this is asked, where the door lets it be known.
pub(super) fn calling<T>(look: impl FnOnce(&ToolCall) -> T) -> Option<T> {
    CALLING.try_with(look).ok()
}

impl Wired {
    /// A door that takes calls in its own way.
    pub(super) fn taking<F>(mut self, take: impl Fn(Arc<App>, ToolCall) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.door = Some(Arc::new(move |app, call| Box::pin(take(app, call))));
        self
    }

    /// A door that answers otherwise.
    pub(super) fn answering(self, change: fn(&ToolCall, &mut ToolReply)) -> Self {
        self.taking(move |app, call| async move {
            let mut reply = app.call_tool(call.clone()).await?;
            change(&call, &mut reply);
            Ok(reply)
        })
    }

    /// A door that lets the other broken parts know who calls, with what.
    pub(super) fn known_to_the_journal(self) -> Self {
        self.taking(|app, call| CALLING.scope(call.clone(), async move { app.call_tool(call).await }))
    }
}
