//! Parts of GiftGenius that are put in from outside: decorators around its ports, and its numbers.

use std::sync::Arc;

use giftgenius::app::App;
use giftgenius::policy::Policy;
use giftgenius::ports::Ports;

/// How a system is wired otherwise than in production. Each incarnation is wired anew, so that what a decorator remembers
/// dies with the process, unless the wiring itself keeps it.
pub trait Wiring: Send + Sync {
    /// The ports it is given.
    fn ports(&self, ports: Ports, policy: &Policy) -> Ports {
        let _ = policy;
        ports
    }

    /// The numbers it is given. Oracles judge by the scenario's.
    fn policy(&self, policy: Policy) -> Policy {
        policy
    }
}

/// GiftGenius on these ports, in whichever world: as it is, or wired otherwise.
pub fn app(ports: Ports, policy: Policy, wiring: Option<&dyn Wiring>) -> Arc<App> {
    match wiring {
        None => App::new(ports, policy),
        Some(wiring) => {
            let ports = wiring.ports(ports, &policy);
            App::new(ports, wiring.policy(policy))
        }
    }
}
