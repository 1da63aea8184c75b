//! Waits of background work that a stopping process need not sit out: the next round of an undo, the end of a lease.
//! Whatever is waited for stands in the journal, so a stop during such a wait loses nothing.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

tokio::task_local! {
    static OWN: Busy;
}

/// How many pieces of background work are doing something. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(watch::Sender<usize>);

impl Busy {
    /// Counts a piece of work from now on, and subtracts its rests while the returned future runs.
    pub(crate) fn during<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let counted = Counted::begin(self.clone());
        OWN.scope(self.clone(), async move {
            let _counted = counted;
            work.await
        })
    }

    /// Ends as soon as all that is counted rests or has ended.
    pub(crate) async fn none(&self) {
        // The sender is `self`.
        let _ = self.0.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

struct Counted(Busy);

impl Counted {
    fn begin(busy: Busy) -> Self {
        busy.0.send_modify(|busy| *busy += 1);
        Self(busy)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|busy| *busy -= 1);
    }
}

struct Rest(Busy);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.0.send_modify(|busy| *busy += 1);
    }
}

/// Waits; where this is background work, it does not hold up the end of the process meanwhile.
pub(crate) async fn rest<F: Future>(wait: F) -> F::Output {
    let _rest = OWN.try_with(|busy| {
        busy.0.send_modify(|busy| *busy -= 1);
        Rest(busy.clone())
    });
    wait.await
}

/// Sleeps as [`rest`] waits.
pub(crate) async fn rest_for(time: Duration) {
    rest(tokio::time::sleep(time)).await;
}
