//! How often something goes wrong of how often it is done, over the last five minutes: what a mass failure is told from.

use std::time::Duration;

use tokio::time::Instant;

/// So much time is looked back over.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Counted by slots of this.
const SLOT: Duration = Duration::from_secs(10);

const SLOTS: usize = 30;
const SLOTS_U32: u32 = 30;

/// So many failures of so many in the window are a mass failure.
pub const VALID_MIN: u32 = 30;
/// See [`VALID_MIN`].
pub const BAD_MIN: u32 = 5;
/// Where there are fewer, so many failures one after the other are.
pub const IN_A_ROW: u32 = 5;

#[derive(Clone, Copy, Default, Debug)]
struct Slot {
    /// Since the first event, counted from 1; 0: never used.
    number: u32,
    valid: u32,
    bad: u32,
}

/// The rate of one thing.
#[derive(Debug)]
pub struct Rate {
    begun: Instant,
    slots: [Slot; SLOTS],
    in_a_row: u32,
    last_bad: Option<Instant>,
    alerted: bool,
}

/// What a failure has made of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mass {
    /// So many in the window.
    pub valid: u32,
    /// Of these so many went wrong.
    pub bad: u32,
    /// So many in a row went wrong.
    pub in_a_row: u32,
}

impl Rate {
    /// Nothing so far.
    pub fn new() -> Self {
        Self { begun: Instant::now(), slots: [Slot::default(); SLOTS], in_a_row: 0, last_bad: None, alerted: false }
    }

    /// Something went well or not; answers what that makes, where a person should see it: once, and again only after five
    /// minutes in which nothing went wrong.
    pub fn note(&mut self, bad: bool, few: bool) -> Option<Mass> {
        let now = Instant::now();
        let number = now.duration_since(self.begun).as_secs() / SLOT.as_secs() + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let slot = &mut self.slots[number as usize % SLOTS];
        if slot.number != number {
            *slot = Slot { number, valid: 0, bad: 0 };
        }
        slot.valid += 1;
        if !bad {
            self.in_a_row = 0;
            return None;
        }
        slot.bad += 1;
        self.in_a_row += 1;
        if self.last_bad.is_some_and(|last| now.duration_since(last) >= WINDOW) {
            self.alerted = false;
        }
        self.last_bad = Some(now);
        let recent = self.slots.iter().filter(|slot| slot.number > 0 && number - slot.number < SLOTS_U32);
        let (valid, bad) = recent.fold((0, 0), |(valid, bad), slot| (valid + slot.valid, bad + slot.bad));
        let is_mass = (valid >= VALID_MIN && bad >= BAD_MIN) || (few && self.in_a_row >= IN_A_ROW);
        let is_news = is_mass && !self.alerted;
        self.alerted |= is_mass;
        is_news.then_some(Mass { valid, bad, in_a_row: self.in_a_row })
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn notes(rate: &mut Rate, bad: &[bool], every: Duration) -> usize {
        let mut news = 0;
        for bad in bad {
            news += usize::from(rate.note(*bad, true).is_some());
            tokio::time::sleep(every).await;
        }
        news
    }

    #[tokio::test(start_paused = true)]
    async fn five_in_a_row_are_news_once_and_again_after_five_good_minutes() {
        let mut rate = Rate::new();
        let second = Duration::from_secs(1);
        assert_eq!(notes(&mut rate, &[true; 4], second).await, 0);
        assert_eq!(notes(&mut rate, &[false, true, true, true, true], second).await, 0);
        assert_eq!(notes(&mut rate, &[true; 20], second).await, 1);
        tokio::time::sleep(WINDOW.saturating_sub(2 * second)).await;
        assert_eq!(notes(&mut rate, &[true; 20], second).await, 0, "not five minutes");
        tokio::time::sleep(WINDOW).await;
        assert_eq!(notes(&mut rate, &[true; 20], second).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn five_of_thirty_within_five_minutes_are_news_and_of_fewer_or_over_longer_are_not() {
        let mixed: Vec<bool> = (0..30).map(|n| n % 6 == 5).collect();
        let second = Duration::from_secs(1);
        assert_eq!(notes(&mut Rate::new(), &mixed, second).await, 1);
        assert_eq!(notes(&mut Rate::new(), &mixed[..29], second).await, 0);
        assert_eq!(notes(&mut Rate::new(), &mixed, Duration::from_secs(30)).await, 0);
        let mut rate = Rate::new();
        let many: Vec<bool> = (0..40).map(|_| true).collect();
        let news = many.iter().filter(|bad| rate.note(**bad, false).is_some()).count();
        assert_eq!(news, 1, "a row alone does not count here, thirty do");
    }
}
