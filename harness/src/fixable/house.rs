//! A simulated world in which one tool is called again and again, until something changes in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use super::prepare::{Books, Calls};
use crate::choice::Choices;
use crate::fault::plan::Plan;
use crate::fault::site::Place;
use crate::scenario::model::Scenario;
use crate::system::wiring::Wiring;
use crate::trace::HostReply;
use crate::watchdog::Seat;
use crate::world::sim::{self, SimWorld};
use crate::world::{OutgoingCall, World as _};

/// A world with GiftGenius in it, on a runtime of its own: virtual time belongs to one world.
pub(super) struct House {
    // Before its runtime, so that it is let go of first.
    world: SimWorld,
    runtime: Runtime,
    quote_ttl: Duration,
    calls: AtomicU32,
}

/// How much has been written and done so far. Two equal ones: nothing has changed in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Marks {
    /// Batches that the system wrote to its journal.
    writes: u32,
    /// Effects in the providers' books.
    effects: usize,
}

/// After so many calls a world is left for a new one: its record grows.
const CALLS_MAX: u32 = 400;

impl House {
    pub(super) fn open(scenario: &Scenario, wiring: Option<Arc<dyn Wiring>>) -> Self {
        let (runtime, standing) = sim::runtime();
        let world = {
            let _inside = runtime.enter();
            let choices = Choices::replay(Plan::default());
            SimWorld::start(scenario, choices, scenario.seed, wiring, standing, Seat::of_each_batch())
        };
        Self { world, runtime, quote_ttl: scenario.policy.quote_ttl, calls: AtomicU32::new(0) }
    }

    /// Lets every quote that stands now run out.
    pub(super) fn wait_out_the_quote(&self) {
        self.runtime.block_on(async { self.world.wait(self.quote_ttl + Duration::from_secs(1)).await });
    }

    /// How much has been written and done.
    pub(super) fn marks(&self) -> Marks {
        let stage = self.world.stage();
        let writes = stage.with_choices(|choices| choices.so_far().2[Place::JournalWrite.index()]);
        let effects = stage.recorder().lock().ledger.effects.len();
        Marks { writes, effects }
    }

    /// Whether its record has grown long.
    pub(super) fn is_worn(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > CALLS_MAX
    }
}

impl Calls for House {
    fn call(&self, user: &str, tool: &str, arguments: Value) -> HostReply {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = OutgoingCall {
            tool: tool.into(),
            arguments: Arc::new(arguments),
            user: user.into(),
            correlation: format!("step-1.{number}").into(),
            key_in_meta: None,
            fault: None,
        };
        self.runtime.block_on(self.world.call(call))
    }

    fn books(&self) -> Books {
        Books::of(&self.world.stage().recorder().lock().ledger)
    }
}
