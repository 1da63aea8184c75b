//! Finding any of a few texts in many, reading only a part of their bytes.
//!
//! The shift of Wu and Manber: a window as long as the shortest needle slides over the text, and the two bytes at its
//! end tell how far it can jump. Only where a needle's own two bytes stand is the text looked at closely.

/// How many places the table has; two bytes are folded into one place.
const PLACES: usize = 256;

/// Some texts to be found.
#[derive(Debug)]
pub struct Needles<'a> {
    all: &'a [&'a str],
    shortest: usize,
    shifts: [u8; PLACES],
}

impl<'a> Needles<'a> {
    /// `None` if there is nothing to find.
    pub fn new(needles: &'a [&'a str]) -> Option<Self> {
        let shortest = needles.iter().map(|needle| needle.len()).min()?;
        let default = u8::try_from(shortest.saturating_sub(1)).unwrap_or(u8::MAX);
        let mut shifts = [default; PLACES];
        for needle in needles {
            for (start, pair) in needle.as_bytes()[..shortest].windows(2).enumerate() {
                let to_the_end = u8::try_from(shortest - 2 - start).unwrap_or(u8::MAX);
                let shift = &mut shifts[place(pair[0], pair[1])];
                *shift = to_the_end.min(*shift);
            }
        }
        Some(Self { all: needles, shortest, shifts })
    }

    /// Whether a needle stands anywhere in a text. Most texts are names of fields, too short to hold one: they cost no call.
    #[inline]
    pub fn found_in(&self, text: &str) -> bool {
        text.len() >= self.shortest && self.slides_onto_one(text)
    }

    fn slides_onto_one(&self, text: &str) -> bool {
        if self.shortest < 2 {
            return self.search(text);
        }
        let bytes = text.as_bytes();
        let mut end = self.shortest - 1;
        while end < bytes.len() {
            let shift = self.shifts[place(bytes[end - 1], bytes[end])];
            if shift == 0 {
                let start = end + 1 - self.shortest;
                let here = |needle: &&str| bytes[start..].starts_with(needle.as_bytes());
                if self.all.iter().any(here) {
                    return true;
                }
                end += 1;
            } else {
                end += usize::from(shift);
            }
        }
        false
    }

    fn search(&self, text: &str) -> bool {
        self.all.iter().any(|needle| text.contains(needle))
    }
}

const fn place(first: u8, second: u8) -> usize {
    (first.wrapping_mul(31) ^ second) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_to_find_is_no_search() {
        assert!(Needles::new(&[]).is_none());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            needles in prop::collection::vec("[abc]{1,5}", 1..4),
            text in "[abcd]{0,40}",
        ) {
            let needles: Vec<&str> = needles.iter().map(String::as_str).collect();
            let found = Needles::new(&needles).expect("some").found_in(&text);
            prop_assert_eq!(found, needles.iter().any(|needle| text.contains(needle)));
        }

        #[test]
        fn a_needle_is_found_wherever_it_stands(before in ".{0,30}", after in ".{0,30}", needle in ".{1,300}") {
            let needles = [needle.as_str(), "something else"];
            let text = format!("{before}{needle}{after}");
            prop_assert!(Needles::new(&needles).expect("some").found_in(&text));
        }
    }
}
