//! Faults over time: chosen once a run for a provider, they strike request after request in a window.
//!
//! A window counts the provider's requests from 1, not milliseconds, so that it means the same in every world. What
//! strikes one request of it is an ordinary [`Fault`], and nothing here is drawn: which ones are struck follows from
//! their number.

use super::{Fault, RetryAfter};

/// A fault over time; its window is the requests `from`, `from + 1`, … (`calls` of them).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ProviderFault {
    /// Every request is refused a connection.
    Outage {
        /// The first request of the window.
        from: u32,
        /// How many there are.
        calls: u32,
    },
    /// A share of the requests is answered 503, spread evenly, the first of the window among them.
    Brownout {
        /// The share, in percent: 1 to 100.
        percent: u32,
        /// The first request of the window.
        from: u32,
        /// How many there are.
        calls: u32,
    },
    /// By turns some requests are refused a connection and some are not.
    Flap {
        /// The first request of the window.
        from: u32,
        /// How many in a row go through.
        up: u32,
        /// How many in a row are refused before that.
        down: u32,
        /// How many there are.
        calls: u32,
    },
    /// Every request is turned away with 503 and a Retry-After.
    Maintenance {
        /// The first request of the window.
        from: u32,
        /// How many there are.
        calls: u32,
        /// What Retry-After says, in seconds.
        retry_after: u32,
    },
    /// Every request is turned away with 429 and a Retry-After.
    RateLimit {
        /// The first request of the window.
        from: u32,
        /// How many there are.
        calls: u32,
        /// What Retry-After says, in seconds.
        retry_after: u32,
    },
}

impl ProviderFault {
    /// The word for the fault, without its parameters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Outage { .. } => "outage",
            Self::Brownout { .. } => "brownout",
            Self::Flap { .. } => "flap",
            Self::RateLimit { .. } => "rate_limit",
            Self::Maintenance { .. } => "maintenance",
        }
    }

    /// The first request of its window, and how many there are.
    pub const fn window(&self) -> (u32, u32) {
        match *self {
            Self::Outage { from, calls }
            | Self::Brownout { from, calls, .. }
            | Self::Flap { from, calls, .. }
            | Self::RateLimit { from, calls, .. }
            | Self::Maintenance { from, calls, .. } => (from, calls),
        }
    }

    /// Whether both have a request in their windows.
    pub const fn meets(&self, other: &Self) -> bool {
        let ((from, calls), (other_from, other_calls)) = (self.window(), other.window());
        from < other_from.saturating_add(other_calls) && other_from < from.saturating_add(calls)
    }

    /// What strikes the provider's `count`th request (from 1); `None` if that one is spared.
    pub fn at(&self, count: u32) -> Option<Fault> {
        let (from, calls) = self.window();
        let place = count.checked_sub(from).filter(|place| *place < calls)?;
        match *self {
            Self::Outage { .. } => Some(Fault::Refuse),
            Self::Brownout { percent, .. } => {
                // The share of all requests up to one, rounded up; a request at which that rises is struck.
                let struck_before = |place: u64| (place * u64::from(percent)).div_ceil(100);
                let place = u64::from(place);
                (struck_before(place + 1) > struck_before(place)).then_some(Fault::Status(503, None))
            }
            Self::Flap { up, down, .. } => {
                (u64::from(place) % (u64::from(up) + u64::from(down)) < u64::from(down)).then_some(Fault::Refuse)
            }
            Self::RateLimit { retry_after, .. } => Some(Fault::Status(429, Some(RetryAfter::Seconds(retry_after)))),
            Self::Maintenance { retry_after, .. } => Some(Fault::Status(503, Some(RetryAfter::Seconds(retry_after)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Which of the first requests are struck, as a line: `x` for struck.
    fn line(fault: &ProviderFault) -> String {
        (1..=12).map(|count| if fault.at(count).is_some() { 'x' } else { '.' }).collect()
    }

    #[test]
    fn windows_and_turns_are_counted_from_one() {
        for (fault, expected) in [
            (ProviderFault::Outage { from: 2, calls: 3 }, ".xxx........"),
            (ProviderFault::Brownout { percent: 50, from: 1, calls: 8 }, "x.x.x.x....."),
            (ProviderFault::Brownout { percent: 30, from: 2, calls: 10 }, ".x..x..x...."),
            (ProviderFault::Brownout { percent: 1, from: 3, calls: 2 }, "..x........."),
            (ProviderFault::Brownout { percent: 100, from: 1, calls: 4 }, "xxxx........"),
            (ProviderFault::Flap { from: 1, up: 1, down: 2, calls: 9 }, "xx.xx.xx...."),
            (ProviderFault::Flap { from: 3, up: 2, down: 1, calls: 5 }, "..x..x......"),
            (ProviderFault::RateLimit { from: 2, calls: 4, retry_after: 1 }, ".xxxx......."),
            (ProviderFault::Maintenance { from: 3, calls: 2, retry_after: 1 }, "..xx........"),
        ] {
            assert_eq!(line(&fault), expected, "{fault:?}");
        }
    }

    #[test]
    fn what_strikes_is_an_ordinary_fault() {
        let flap = ProviderFault::Flap { from: 1, up: 1, down: 1, calls: 2 };
        assert_eq!(flap.at(1), Some(Fault::Refuse));
        let brownout = ProviderFault::Brownout { percent: 50, from: 1, calls: 2 };
        assert_eq!(brownout.at(1), Some(Fault::Status(503, None)));
        let limit = ProviderFault::RateLimit { from: 1, calls: 1, retry_after: 7 };
        assert_eq!(limit.at(1), Some(Fault::Status(429, Some(RetryAfter::Seconds(7)))));
        let maintenance = ProviderFault::Maintenance { from: 1, calls: 1, retry_after: 7 };
        assert_eq!(maintenance.at(1), Some(Fault::Status(503, Some(RetryAfter::Seconds(7)))));
    }

    #[test]
    fn a_window_may_last_for_ever() {
        let endless = ProviderFault::Brownout { percent: 100, from: u32::MAX, calls: u32::MAX };
        assert_eq!(endless.at(u32::MAX), Some(Fault::Status(503, None)));
        assert_eq!(endless.at(u32::MAX - 1), None);
        let turns = ProviderFault::Flap { from: 1, up: u32::MAX, down: u32::MAX, calls: u32::MAX };
        assert_eq!(turns.at(u32::MAX), Some(Fault::Refuse));
    }

    proptest! {
        #[test]
        fn a_brownout_strikes_its_share_and_its_first_request(percent in 1..=100_u32, calls in 1..300_u32) {
            let fault = ProviderFault::Brownout { percent, from: 1, calls };
            let struck = (1..=calls).filter(|count| fault.at(*count).is_some()).count();
            prop_assert_eq!(struck, ((calls * percent) as usize).div_ceil(100));
            prop_assert!(fault.at(1).is_some());
        }
    }
}
