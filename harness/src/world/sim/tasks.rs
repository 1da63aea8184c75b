//! What the simulated system runs in the background, counted, so that rest can be waited for and a life can be ended.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use giftgenius::ports::{BoxFuture, Tasks};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::fuel::{Fuel, Use};
use super::life::Pulse;

/// The background work of one incarnation.
pub struct SimTasks {
    pulse: Arc<Pulse>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    count: Arc<Count>,
}

#[derive(Default)]
struct Count {
    running: AtomicUsize,
    idle: Notify,
}

/// Counts a task down however it ends.
struct Running(Arc<Count>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl SimTasks {
    /// None yet, of a life that begins.
    pub fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, handles: Mutex::default(), count: Arc::default() }
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.count.running.load(Ordering::Relaxed)
    }

    /// Waits until none is running.
    pub async fn idle(&self) {
        loop {
            let idle = self.count.idle.notified();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Aborts every task and waits until each is gone, so that none acts any more.
    pub async fn end(&self) {
        let handles = std::mem::take(&mut *self.handles.lock().expect("no holder of the handles panics"));
        for handle in &handles {
            handle.abort();
        }
        for handle in handles {
            // Cancelled, finished or panicked: in each case it is gone.
            let _ = handle.await;
        }
    }
}

impl Tasks for SimTasks {
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        // What is dead begins nothing.
        if self.pulse.is_dead() || !self.pulse.fuel.spend(Use::Spawn(name)) {
            return;
        }
        let fuel = self.pulse.fuel.clone();
        self.count.running.fetch_add(1, Ordering::Relaxed);
        let running = Running(self.count.clone());
        let handle = tokio::spawn(async move {
            fuelled(name, work, &fuel).await;
            drop(running);
        });
        self.handles.lock().expect("no holder of the handles panics").push(handle);
    }
}

/// Work each poll of which takes fuel; without any it goes no further.
async fn fuelled(name: &'static str, mut work: BoxFuture<'static, ()>, fuel: &Fuel) {
    poll_fn(|context| if fuel.polls(name) { work.as_mut().poll(context) } else { Poll::Pending }).await;
}
