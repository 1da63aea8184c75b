//! "Did you mean": the known word nearest to one that is not known.

/// The candidate that a word was probably meant to be: its last part after a dot, or a few letters away. The first one
/// wins among equals.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters_wrong_max = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let last_part = candidate.rsplit_once('.').map(|(_, part)| part);
            let distance = if last_part == Some(&*word) {
                0
            } else {
                strsim::damerau_levenshtein(&word, candidate)
            };
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= letters_wrong_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_pen_is_understood_and_nonsense_is_not() {
        let known = ["lost_reply", "lost_request", "payment.charge", "reset"];
        for (word, expected) in [
            ("lost-reply", Some("lost_reply")),
            ("LOST_REPLY", Some("lost_reply")),
            ("charge", Some("payment.charge")),
            ("payment.chrage", Some("payment.charge")),
            ("rest", Some("reset")),
            ("zeppelin", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
