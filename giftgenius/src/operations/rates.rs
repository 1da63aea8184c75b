//! The share of failures over the last five minutes, by which a mass failure is recognised.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So much time is looked back over.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

/// Counted by slots of this.
const SLOT: Duration = Duration::from_secs(10);

const SLOTS: u32 = 30;

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
#[derive(Default, Debug)]
pub struct Rate {
    /// When the first event was.
    begun: Option<Instant>,
    /// The slot that is counted in.
    slot: Slot,
    /// The slots before it that have an event and are still in the window. Most processes of a simulation live within one
    /// slot: room for thirty, set up for each tool and provider, was one hundredth of a run.
    earlier: VecDeque<Slot>,
    in_a_row: u32,
    last_bad: Option<Instant>,
    alerted: bool,
    /// Since when a mass failure is left to another alert that is still to come.
    left_since: Option<Instant>,
}

/// Whether a failure's cause has an alert of its own, which says more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnAlert {
    /// It has none, or that one does not speak of this.
    None,
    /// It may come within [`OWN_ALERT_WITHIN`].
    Due,
    /// It came, and its cause lasts or is only just over.
    Sent,
}

/// So long a mass failure is left to its cause's own alert, where that is still to come.
pub const OWN_ALERT_WITHIN: Duration = Duration::from_secs(11);

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
    /// Something went well or not; answers what that makes, where a person should see it: once, and again only after five
    /// minutes in which nothing went wrong. A failure whose cause has an alert of its own is left to that.
    pub fn note(&mut self, bad: bool, few: bool, own: OwnAlert, now: Instant) -> Option<Mass> {
        let begun = *self.begun.get_or_insert(now);
        let number = now.duration_since(begun).as_secs() / SLOT.as_secs() + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if self.slot.number != number {
            if self.slot.number > 0 {
                self.earlier.push_back(self.slot);
            }
            self.slot = Slot { number, valid: 0, bad: 0 };
            while self.earlier.front().is_some_and(|slot| number - slot.number >= SLOTS) {
                self.earlier.pop_front();
            }
        }
        self.slot.valid += 1;
        if !bad {
            self.in_a_row = 0;
            self.left_since = None;
            return None;
        }
        self.slot.bad += 1;
        self.in_a_row += 1;
        if self.last_bad.is_some_and(|last| now.duration_since(last) >= WINDOW) {
            self.alerted = false;
        }
        self.last_bad = Some(now);
        let recent = self.earlier.iter().chain([&self.slot]);
        let (valid, bad) = recent.fold((0, 0), |(valid, bad), slot| (valid + slot.valid, bad + slot.bad));
        let is_mass = (valid >= VALID_MIN && bad >= BAD_MIN) || (few && self.in_a_row >= IN_A_ROW);
        let is_left = match own {
            OwnAlert::None => false,
            OwnAlert::Sent => true,
            OwnAlert::Due => {
                let since = *self.left_since.get_or_insert(now);
                now.duration_since(since) < OWN_ALERT_WITHIN
            }
        };
        let is_news = is_mass && !self.alerted && !is_left;
        self.alerted |= is_news;
        is_news.then_some(Mass { valid, bad, in_a_row: self.in_a_row })
    }
}

impl Rate {
    /// Whether a person was called for it and it has gone wrong since, within the window.
    pub fn is_alerted(&self) -> bool {
        self.alerted && self.last_bad.is_some_and(|last| last.elapsed() < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn notes(rate: &mut Rate, bad: &[bool], every: Duration) -> usize {
        let mut news = 0;
        for bad in bad {
            news += usize::from(rate.note(*bad, true, OwnAlert::None, Instant::now()).is_some());
            tokio::time::sleep(every).await;
        }
        news
    }

    #[tokio::test(start_paused = true)]
    async fn five_in_a_row_are_news_once_and_again_after_five_good_minutes() {
        let mut rate = Rate::default();
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
        assert_eq!(notes(&mut Rate::default(), &mixed, second).await, 1);
        assert_eq!(notes(&mut Rate::default(), &mixed[..29], second).await, 0);
        assert_eq!(notes(&mut Rate::default(), &mixed, Duration::from_secs(30)).await, 0);
        let mut rate = Rate::default();
        let many: Vec<bool> = (0..40).map(|_| true).collect();
        let news = many.iter().filter(|bad| rate.note(**bad, false, OwnAlert::None, Instant::now()).is_some()).count();
        assert_eq!(news, 1, "a row alone does not count here, thirty do");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_an_alert_of_its_own_is_left_to_that_and_not_for_ever_where_it_does_not_come() {
        let second = Duration::from_secs(1);
        let mut rate = Rate::default();
        for _ in 0..100 {
            assert_eq!(rate.note(true, true, OwnAlert::Sent, Instant::now()), None);
            tokio::time::sleep(second).await;
        }
        assert!(rate.note(true, true, OwnAlert::None, Instant::now()).is_some(), "another cause");
        assert!(rate.is_alerted());
        let mut rate = Rate::default();
        for _ in 0..11 {
            assert_eq!(rate.note(true, true, OwnAlert::Due, Instant::now()), None);
            tokio::time::sleep(second).await;
        }
        assert!(rate.note(true, true, OwnAlert::Due, Instant::now()).is_some(), "its own alert did not come");
    }
}
