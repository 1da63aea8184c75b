//! Numbers of cards in texts that have to be kept as they came. A key stands in the log and comes back in every answer, so
//! one that holds a card's number is not taken. What is only told back is scrubbed more freely, see [`super::shown`].

use std::ops::RangeInclusive;

use super::shown::{is_separator, own_id};

/// The digits of a card's number (ISO/IEC 7812; the 12 digits of old are not issued any more).
const DIGITS: RangeInclusive<usize> = 13..=19;

/// Digits that stand together.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

/// Whether a text holds a number that a card can have: 13 to 19 digits, with separators between them or not, that begin
/// with 2 to 6, as those of all payment cards do, and pass the Luhn check. A time stamp in milliseconds, which many take for
/// a key, begins with 1. The digits of an identifier are none: of a UUID, of a hash, or of one that this server has made up.
pub(crate) fn holds_a_card_number(text: &str) -> bool {
    // Few texts hold so many digits.
    if text.bytes().filter(u8::is_ascii_digit).count() < *DIGITS.start() || is_uuid(text) {
        return false;
    }
    let groups = groups(text);
    (0..groups.len()).any(|first| {
        let mut digits = 0;
        for (index, group) in groups.iter().enumerate().skip(first) {
            if index > first && !text[groups[index - 1].end..group.start].chars().all(is_separator) {
                return false;
            }
            digits += group.end - group.start;
            if digits > *DIGITS.end() {
                return false;
            }
            let number = &text[groups[first].start..group.end];
            if DIGITS.contains(&digits)
                && matches!(number.as_bytes()[0], b'2'..=b'6')
                && passes_luhn(number)
                && !is_of_an_identifier(text, groups[first].start, group.end)
            {
                return true;
            }
        }
        false
    })
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, byte) in text.bytes().enumerate() {
        match groups.last_mut() {
            _ if !byte.is_ascii_digit() => {}
            Some(group) if group.end == place => group.end = place + 1,
            Some(_) | None => groups.push(Group { start: place, end: place + 1 }),
        }
    }
    groups
}

/// Whether digits are a part of a longer word that is an identifier: this server's own, or a number in hexadecimal.
fn is_of_an_identifier(text: &str, start: usize, end: usize) -> bool {
    let is_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[..start].trim_end_matches(is_of_a_word).len();
    let after = text[end..].find(|c| !is_of_a_word(c)).map_or(text.len(), |length| end + length);
    let around = || text[before..start].bytes().chain(text[end..after].bytes());
    own_id(&text[before..]).is_some() || (around().next().is_some() && around().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a text is a UUID (RFC 9562 §4).
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn passes_luhn(number: &str) -> bool {
    let digits = number.bytes().rev().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::is_harmless;

    #[test]
    fn a_card_number_is_found_wherever_it_stands() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "4111_1111_1111_1111",
            "4111\u{a0}1111\u{2013}1111 - 1111",
            "378282246310005",
            "3782 822463 10005",
            "4222222222222",
            "pay-4111111111111111",
            "order_4111111111111111_1",
            "card4111111111111111",
            "2 of 4111 1111 1111 1111",
            "2 4111 1111 1111 1111 7",
            "key:4111111111111111!",
            "tok_4111111111111111",
            "cs_41111111111111112 4111111111111111",
        ] {
            assert!(holds_a_card_number(text), "{text}");
            assert!(!is_harmless(text), "what is told back is scrubbed more freely: {text}");
        }
    }

    #[test]
    fn the_digits_of_identifiers_and_short_numbers_are_none() {
        for text in [
            "",
            "pay-for-the-tea-1",
            "4111111111111112",
            "411111111111",
            "41111111111111111111111111111111",
            "wf_4111111111111111",
            "cs_4111111111111111",
            "ord_4111111111111111",
            "41111111-1111-4111-a111-111111111111",
            "550e8400-e29b-41d4-a716-446655440000",
            "a94a8fe5ccb14111111111111111cc4c0873d391",
            "2026-11-29 19:32",
            // Milliseconds, microseconds and nanoseconds since 1970 that pass the check.
            "1764449000009",
            "1764449000000003",
            "1764449000000000009",
        ] {
            assert!(!holds_a_card_number(text), "{text}");
        }
    }
}
