//! Which of some phrases stand in a text, found in one walk over it.
//!
//! A sentence is asked for a dozen phrases; to search for each of them alone cost more than the rest of its judgement.

use aho_corasick::AhoCorasick;

/// Phrases that are looked for together.
pub(super) struct Phrases {
    all: Vec<&'static str>,
    automaton: AhoCorasick,
}

/// Some of the phrases, a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Subset(u128);

impl Phrases {
    /// Phrases to look for; one that is named twice counts once.
    pub(super) fn new(phrases: impl IntoIterator<Item = &'static str>) -> Self {
        let mut all: Vec<&'static str> = phrases.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() <= u128::BITS as usize, "a subset has a bit for each phrase");
        let automaton = AhoCorasick::new(&all).expect("a few short phrases make a small automaton");
        Self { all, automaton }
    }

    /// Those of the phrases; all of them are looked for.
    pub(super) fn these(&self, phrases: &[&str]) -> Subset {
        let bit = |phrase: &&str| {
            let place = self.all.binary_search(phrase).expect("what is asked for is looked for");
            1_u128 << place
        };
        Subset(phrases.iter().map(bit).fold(0, std::ops::BitOr::bitor))
    }

    /// Those that stand in a text, wherever and within whatever other.
    pub(super) fn found_in(&self, text: &str) -> Subset {
        let found = self.automaton.find_overlapping_iter(text).map(|found| 1_u128 << found.pattern().as_usize());
        Subset(found.fold(0, std::ops::BitOr::bitor))
    }
}

impl Subset {
    /// Whether any of these is among them.
    pub(super) const fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// Whether all of these are among them.
    pub(super) const fn all(self, of: Self) -> bool {
        self.0 & of.0 == of.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(text in "[ab]{0,12}") {
            const ALL: [&str; 6] = ["a", "ab", "aba", "bb", "bab", "a"];
            let phrases = Phrases::new(ALL);
            for phrase in ALL {
                prop_assert_eq!(phrases.found_in(&text).any(phrases.these(&[phrase])), text.contains(phrase));
            }
        }
    }

    #[test]
    fn any_is_one_of_them_and_all_is_each() {
        let phrases = Phrases::new(["card", "declined", "paid"]);
        let found = phrases.found_in("the card was declined");
        assert!(found.all(phrases.these(&["card", "declined"])) && !found.all(phrases.these(&["card", "paid"])));
        assert!(found.any(phrases.these(&["card", "paid"])) && !found.any(phrases.these(&["paid"])));
    }
}
