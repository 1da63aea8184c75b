//! Keeping what a stranger can provoke without bound from filling the log.

use std::time::Duration;

use tokio::time::Instant;

/// The minute.
const EVERY: Duration = Duration::from_secs(60);

/// Counts events of which a line is written at the first ones of a minute each, and then at most once until it is over.
#[derive(Debug)]
pub(crate) struct Summary {
    each: u64,
    begun: Option<Instant>,
    told: u64,
    untold: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self::after(1)
    }
}

impl Summary {
    /// With so many lines a minute at most.
    pub(crate) const fn after(each: u64) -> Self {
        Self { each, begun: None, told: 0, untold: 0 }
    }

    /// Counts one; how many there were since the last line where another is due now.
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.untold += 1;
        let now = Instant::now();
        if self.begun.is_none_or(|begun| now >= begun + EVERY) {
            self.begun = Some(now);
            self.told = 0;
        }
        if self.told >= self.each {
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_is_told_at_once_and_the_others_by_the_minute() {
        let mut summary = Summary::default();
        assert_eq!(summary.count(), Some(1));
        assert_eq!((summary.count(), summary.count()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(summary.count(), Some(3));
        assert_eq!(summary.count(), None);
        let mut several = Summary::after(2);
        let told = [(); 5].map(|()| several.count());
        assert_eq!(told, [Some(1), Some(1), None, None, None]);
    }
}
