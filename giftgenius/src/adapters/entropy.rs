//! Chance from the operating system: `ChaCha8`, one stream a purpose.
//!
//! A seeded generator instead of a system call a draw, because identifiers are drawn on every tool call; a stream a
//! purpose, because that is what the port promises.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use rand::rngs::{ChaCha8Rng, SysRng};
use rand::{Rng as _, SeedableRng as _, TryRng as _};

use crate::ports::{Entropy, Purpose};

/// Chance, seeded once from the operating system.
pub struct OsEntropy {
    ids: Mutex<ChaCha8Rng>,
    jitter: Mutex<ChaCha8Rng>,
}

impl OsEntropy {
    /// Seeds the generators; fails only where the operating system has no entropy to give.
    pub fn new() -> io::Result<Self> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        Ok(Self::from_seed(seed))
    }

    fn from_seed(seed: [u8; 32]) -> Self {
        let stream = |number| {
            let mut generator = ChaCha8Rng::from_seed(seed);
            generator.set_stream(number);
            Mutex::new(generator)
        };
        Self { ids: stream(0), jitter: stream(1) }
    }
}

impl Entropy for OsEntropy {
    fn next(&self, purpose: Purpose) -> u64 {
        let stream = match purpose {
            Purpose::Id => &self.ids,
            Purpose::Jitter => &self.jitter,
        };
        // A generator has no invariant that a panic elsewhere could break.
        stream.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

impl fmt::Debug for OsEntropy {
    /// Says nothing of the state: who knows it knows every identifier to come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OsEntropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_for_one_purpose_does_not_change_another() {
        let (one, other) = (OsEntropy::from_seed([7; 32]), OsEntropy::from_seed([7; 32]));
        one.next(Purpose::Jitter);
        assert_eq!(one.next(Purpose::Id), other.next(Purpose::Id));
    }

    #[test]
    fn purposes_draw_from_different_streams() {
        let entropy = OsEntropy::from_seed([7; 32]);
        assert_ne!(entropy.next(Purpose::Id), entropy.next(Purpose::Jitter));
    }

    #[test]
    fn two_processes_draw_different_ids() {
        let draw = || OsEntropy::new().expect("the test machine has entropy").next(Purpose::Id);
        assert_ne!(draw(), draw());
    }
}
