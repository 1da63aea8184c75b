//! The mock providers alone: the three providers on loopback, for a system that misrule did not start.
//!
//! Such a system announces nothing, so faults are chosen as its requests arrive. A connection that was accepted cannot
//! be refused any more: where a plan refuses one, it is reset before the provider sees the request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use giftgenius::ports::Provider;

use super::desk::Desk;
use super::relay::Relay;
use crate::error::RunError;
use crate::fault::Fault;
use crate::fault::plan::{Plan, Planned};
use crate::world::late_by;
use crate::world::stage::Stage;

/// The providers, each behind its relay. Dropping it closes their ports.
pub struct Standalone {
    desk: Arc<Desk>,
    relays: [Relay; 3],
}

impl Standalone {
    /// Opens the providers at these addresses, in the order of [`Provider::ALL`].
    pub async fn open(stage: Arc<Stage>, late_max: Duration, at: [SocketAddr; 3]) -> Result<Self, RunError> {
        let desk = Desk::open(stage, late_by(late_max)).await?;
        let [payment, catalog, inventory] = Provider::ALL;
        let relays = [
            Relay::open_at(payment, desk.clone(), at[0]).await?,
            Relay::open_at(catalog, desk.clone(), at[1]).await?,
            Relay::open_at(inventory, desk.clone(), at[2]).await?,
        ];
        Ok(Self { desk, relays })
    }

    /// The payment provider posts its events there.
    pub fn post_events_to(&self, system: SocketAddr) {
        self.desk.takes_events(0, system);
    }

    /// Where each provider listens.
    pub fn addresses(&self) -> [(Provider, SocketAddr); 3] {
        [0, 1, 2].map(|index| (Provider::ALL[index], self.relays[index].address()))
    }

    /// What made it impossible to go on, once.
    pub fn take_trouble(&self) -> Option<RunError> {
        self.desk.take_trouble()
    }
}

/// The first fault of a plan that refuses a connection, which [`Standalone`] resets instead.
pub fn refuses(plan: &Plan) -> Option<&Planned> {
    plan.faults.iter().find(|planned| match planned {
        Planned::At(_, fault) => *fault == Fault::Refuse,
        Planned::Over(_, fault) => {
            let (from, _) = fault.window();
            fault.at(from) == Some(Fault::Refuse)
        }
    })
}
