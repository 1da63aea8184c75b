//! Option values that are more than a single word: shares, lists and times.

use std::time::Duration;

use crate::explore::Shard;
use crate::scenario::explore as narrowing;

/// Reads `2/4`.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let read = |text: &str| text.trim().parse::<u64>().ok();
    text.split_once('/')
        .and_then(|(number, of)| Some(Shard { number: read(number)?, of: read(of)? }))
        .filter(|shard| (1..=shard.of).contains(&shard.number) && shard.of <= 10_000)
        .ok_or_else(|| "a shard is `K/N`, such as `1/4` to `4/4`".to_owned())
}

/// A list of words of one option.
#[derive(Clone, Debug)]
pub(super) struct Words(pub(super) Vec<String>);

/// Reads places and providers.
pub(super) fn sites(text: &str) -> Result<Words, String> {
    words(text, narrowing::site)
}

/// Reads faults.
pub(super) fn faults(text: &str) -> Result<Words, String> {
    words(text, narrowing::fault)
}

/// Reads words with commas between them; a comma within parentheses is part of a word.
fn words(text: &str, known: fn(&str) -> Result<(), narrowing::Unknown>) -> Result<Words, String> {
    let mut depth = 0_u32;
    let split = |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    let words: Vec<String> = text.split(split).map(|word| word.trim().to_owned()).collect();
    for word in &words {
        if word.is_empty() {
            return Err("a word is missing; they are written with commas between them".to_owned());
        }
        known(word).map_err(|unknown| unknown.to_string())?;
    }
    Ok(Words(words))
}

/// Reads `60s`, `5m`, `1h`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=7 * 24 * 3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "a time is `60s`, `5m` or `1h`, and a week at most".to_owned())
}
