//! A fuse through all ports: after so many steps nothing moves any more, as if the process had died there.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Burns a step at every port call, before and after its effect.
pub(crate) struct Fuse {
    left: AtomicUsize,
    blown: Notify,
}

impl Fuse {
    /// A fuse that never blows.
    pub(crate) fn endless() -> Self {
        Self { left: AtomicUsize::new(usize::MAX), blown: Notify::new() }
    }

    /// Lets `steps` more steps through.
    pub(crate) fn set(&self, steps: usize) {
        self.left.store(steps, Ordering::SeqCst);
    }

    /// One step; never returns when the fuse has blown.
    pub(crate) async fn burn(&self) {
        let burnt = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if burnt.is_err() {
            self.blown.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it has blown.
    pub(crate) async fn blown(&self) {
        self.blown.notified().await;
    }
}
