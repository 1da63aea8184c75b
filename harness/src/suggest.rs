//! *Did you mean*: the nearest of the words that are known, if one is near.

/// How alike two words must be, of 1, before one is suggested for the other.
const LIKENESS_MIN: f64 = 0.6;

/// The known word most like `word`, the first of equals; `None` where none is much like it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(word);
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let other = fold(candidate);
        let mut likeness = strsim::normalized_damerau_levenshtein(&wanted, &other);
        if !wanted.is_empty() && other.rsplit(['/', '.']).next() == Some(&*wanted) {
            // The last part of a longer name: `charge` for `payment.charge`.
            likeness = likeness.max(LIKENESS_MIN);
        }
        if word.chars().count() > 1 && strsim::damerau_levenshtein(&wanted, &other) == 1 {
            // One slip in a short word is still one slip.
            likeness = likeness.max(LIKENESS_MIN);
        }
        if likeness >= LIKENESS_MIN && best.is_none_or(|(so_far, _)| likeness > so_far) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the words to choose from where they are few, or nothing.
pub fn hint(word: &str, known: &[&str]) -> Option<String> {
    const FEW: usize = 12;
    match nearest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.len() <= FEW && !known.is_empty() => Some(format!("known: {}", list(known.iter().copied()))),
        None => None,
    }
}

/// `a`, `b`, `c`, each as code.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_word_and_nonsense_finds_none() {
        let known = ["lost_reply", "lost_request", "payment.charge", "reset"];
        let table = [
            ("lost_replay", Some("lost_reply")),
            ("LOST-REQUEST", Some("lost_request")),
            ("charge", Some("payment.charge")),
            ("payment.chrage", Some("payment.charge")),
            ("rest", Some("reset")),
            ("rset", Some("reset")),
            ("zeppelin", None),
            ("banana", None),
            ("", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
