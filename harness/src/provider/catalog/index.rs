//! Finding products by words: which product has which word, and how much it says about the product.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What a word in a place is worth: a hit in the title ranks before one among the tags, that before the description.
pub(super) const IN_TITLE: u32 = 4;
pub(super) const IN_TAGS: u32 = 2;
pub(super) const IN_DESCRIPTION: u32 = 1;

/// Lower-case words with the products (by index) that have them, and the best place they have them in.
#[derive(Debug, Default)]
pub(super) struct Index {
    words: BTreeMap<String, BTreeMap<usize, u32>>,
}

impl Index {
    /// Adds every word of a text of a product.
    pub(super) fn add(&mut self, product: usize, text: &str, worth: u32) {
        for word in words(text) {
            let best = self.words.entry(word).or_default().entry(product).or_default();
            *best = (*best).max(worth);
        }
    }

    /// How well each of `products` products answers a text: `None` unless each of its words begins a word of the
    /// product; a text without words is answered by every product, with 0.
    pub(super) fn scores(&self, text: &str, products: usize) -> Vec<Option<u32>> {
        let mut scores = vec![Some(0); products];
        for word in words(text) {
            let mut best = vec![0; products];
            let from = (Bound::Included(word.as_str()), Bound::Unbounded);
            for (_, hits) in self.words.range::<str, _>(from).take_while(|(known, _)| known.starts_with(&word)) {
                for (&product, &worth) in hits {
                    best[product] = worth.max(best[product]);
                }
            }
            for (score, best) in scores.iter_mut().zip(best) {
                *score = score.filter(|_| best > 0).map(|score| score + best);
            }
        }
        scores
    }
}

/// Labels in lower case, each with the products (by index) that carry it.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeMap<String, Vec<bool>>);

impl Labels {
    /// Notes that a product, one of `products`, carries a label.
    pub(super) fn add(&mut self, label: &str, product: usize, products: usize) {
        self.0.entry(label.to_ascii_lowercase()).or_insert_with(|| vec![false; products])[product] = true;
    }

    /// Which products carry a label, in whatever case it is written; `None` where no product does.
    pub(super) fn carrying(&self, label: &str) -> Option<&[bool]> {
        self.0.get(&label.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// The lower-case words of a text.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        index.add(0, "Tea Set", IN_TITLE);
        index.add(0, "For quiet evenings with tea", IN_DESCRIPTION);
        index.add(1, "Evening Candle", IN_TITLE);
        index.add(2, "tea, ceremony", IN_TAGS);
        index
    }

    #[test]
    fn labels_are_found_in_any_case_and_as_a_whole() {
        let mut labels = Labels::default();
        labels.add("New-Baby", 0, 2);
        labels.add("tea", 1, 2);
        assert_eq!(labels.carrying("new-baby"), Some(&[true, false][..]));
        assert_eq!(labels.carrying("TEA"), Some(&[false, true][..]));
        assert_eq!(labels.carrying("te"), None);
    }

    #[test]
    fn every_word_must_match_and_better_places_score_more() {
        for (text, expected) in [
            ("TEA", [Some(4), None, Some(2)]),
            ("tea evening", [Some(5), None, None]),
            ("cer", [None, None, Some(2)]),
            ("  ,", [Some(0); 3]),
            ("tea zebra", [None; 3]),
        ] {
            assert_eq!(index().scores(text, 3), expected, "{text}");
        }
    }
}
