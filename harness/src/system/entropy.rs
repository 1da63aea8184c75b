//! Chance from the run's seed: the same seed gives the same identifiers and delays.

use std::sync::{Mutex, PoisonError};

use giftgenius::ports::{Entropy, Purpose};
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// Seeded chance; each life of the system and each purpose has a stream of its own.
#[derive(Debug)]
pub struct SeededEntropy {
    ids: Mutex<ChaCha8Rng>,
    jitter: Mutex<ChaCha8Rng>,
}

impl SeededEntropy {
    /// Chance for one life of the system, counted from 1.
    pub fn new(seed: u64, incarnation: u32) -> Self {
        let stream = |purpose: u64| {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            generator.set_stream(u64::from(incarnation) * 2 + purpose);
            Mutex::new(generator)
        };
        Self { ids: stream(0), jitter: stream(1) }
    }
}

impl Entropy for SeededEntropy {
    fn next(&self, purpose: Purpose) -> u64 {
        let stream = match purpose {
            Purpose::Id => &self.ids,
            Purpose::Jitter => &self.jitter,
        };
        // A generator has no invariant that a panic elsewhere could break.
        stream.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_a_restart_does_not() {
        let draw = |seed, incarnation| SeededEntropy::new(seed, incarnation).next(Purpose::Id);
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn a_draw_for_one_purpose_does_not_change_another() {
        let (one, other) = (SeededEntropy::new(7, 1), SeededEntropy::new(7, 1));
        one.next(Purpose::Jitter);
        assert_eq!(one.next(Purpose::Id), other.next(Purpose::Id));
    }
}
