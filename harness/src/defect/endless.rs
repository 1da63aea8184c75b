//! Defects without an end: a loop that asks without a pause, work that wakes itself, a flood of lines; and work that ends too
//! soon, by a panic.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{hint, thread};

use futures_util::FutureExt as _;
use giftgenius::ports::{BoxFuture, StepLog, Tasks};
use giftgenius::step_log::LogLine;

use super::parts::succeeded;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static PRICE_ASKED_WITHOUT_A_PAUSE: Defect = Defect {
    id: "price_asked_without_a_pause",
    about: "to be the first to know a new price, the catalog is asked again as soon as it has answered, for ever",
    caught_by: "runs-away",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            let tasks = wired.ports.tasks.clone();
            wired.sending(move |next, request| {
                let tasks = tasks.clone();
                async move {
                    let sent = next.send(request.clone()).await;
                    if request.operation == "catalog.quote" && succeeded(&sent) {
                        let asks = async move { while succeeded(&next.send(request.clone()).await) {} };
                        tasks.spawn("price watch", Box::pin(asks));
                    }
                    sent
                }
            })
        })
    },
};

/// See `about`.
pub static WORK_WAITED_FOR_IN_A_CIRCLE: Defect = Defect {
    id: "work_waited_for_in_a_circle",
    about: "background work is looked at again and again until it is done, with nothing but a yield in between",
    caught_by: "runs-away",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(|wired| working(wired, |_, work| Box::pin(in_a_circle(work)))),
};

async fn in_a_circle(mut work: BoxFuture<'static, ()>) {
    while (&mut work).now_or_never().is_none() {
        tokio::task::yield_now().await;
    }
}

/// See `about`.
pub static WORK_THAT_PANICS: Defect = Defect {
    id: "work_that_panics",
    about: "the work of a process's first sale panics where it waits for the first time, and is left to whoever keeps house",
    caught_by: "sale-owed",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            let panicked = AtomicBool::new(false);
            working(wired, move |name, work| {
                if name == "saga" && !panicked.swap(true, Ordering::Relaxed) { Box::pin(panicking(work)) } else { work }
            })
        })
    },
};

async fn panicking(mut work: BoxFuture<'static, ()>) {
    poll_fn(|context| {
        if work.as_mut().poll(context).is_pending() {
            // Without a word from the panic hook: it is planted.
            std::panic::resume_unwind(Box::new("a bug in background work"));
        }
        std::task::Poll::Ready(())
    })
    .await;
}

/// See `about`.
pub static LINE_LOGGED_WITHOUT_END: Defect = Defect {
    id: "line_logged_without_end",
    about: "a line of an attempt that is not known to be written is written again, and it never is",
    caught_by: "runs-away",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|mut wired| {
            wired.ports.log = Arc::new(Flooding { next: wired.ports.log });
            wired
        })
    },
};

/// See `about`.
pub static LOCK_SPUN_ON_FOR_EVER: Defect = Defect {
    id: "lock_spun_on_for_ever",
    about: "a lock that was never freed is tried again and again, without a yield and without anything that takes fuel",
    caught_by: "runs-away",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            let taken = AtomicBool::new(false);
            wired.logging(move |line| {
                while matches!(line, LogLine::Attempt(_)) && taken.swap(true, Ordering::Relaxed) {
                    hint::spin_loop();
                }
                Some(line)
            })
        })
    },
};

/// See `about`.
pub static REPLY_KEPT_WITHOUT_END: Defect = Defect {
    id: "reply_kept_without_end",
    about: "what is kept of a reply is kept again, until there is no memory left",
    caught_by: "runs-away",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let sent = next.send(request).await;
                let mut kept: Vec<Vec<u8>> = Vec::new();
                while succeeded(&sent) {
                    kept.push(hint::black_box(vec![1; 1 << 20]));
                    // A gigabyte a second at most: the watchdog looks ten times meanwhile.
                    thread::sleep(Duration::from_millis(1));
                }
                drop(kept);
                sent
            })
        })
    },
};

/// A log that never has enough of a line.
struct Flooding {
    next: Arc<dyn StepLog>,
}

impl StepLog for Flooding {
    fn record(&self, line: LogLine) {
        if matches!(line, LogLine::Attempt(_)) {
            loop {
                self.next.record(line.clone());
            }
        }
        self.next.record(line);
    }

    fn written(&self) -> BoxFuture<'_, ()> {
        self.next.written()
    }
}

/// How work of a name goes on.
type Working = Box<dyn Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Background work that goes on in another way.
struct Otherwise {
    next: Arc<dyn Tasks>,
    work: Working,
}

impl Tasks for Otherwise {
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        self.next.spawn(name, (self.work)(name, work));
    }
}

fn working(
    mut wired: Wired,
    work: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Wired {
    wired.ports.tasks = Arc::new(Otherwise { next: wired.ports.tasks, work: Box::new(work) });
    wired
}
