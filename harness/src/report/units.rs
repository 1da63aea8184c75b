//! Numbers with units, for people.

use std::time::Duration;

use crate::world::sim::fuel::USES_MAX;

/// An instant of a run: `0 ms`, `41 ms`, `2.05 s`, `12 min 5 s`. Whole milliseconds decide, so that it is stable.
pub fn instant(at: Duration) -> String {
    let ms = at.as_millis();
    if ms < 1000 {
        format!("{ms} ms")
    } else if ms < 120_000 {
        format!("{}.{:02} s", ms / 1000, ms % 1000 / 10)
    } else if ms < 7_200_000 {
        format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
    } else {
        format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000)
    }
}

/// A measured span: `41 µs`, `38 ms`, `2.1 s`.
pub fn span(span: Duration) -> String {
    let us = span.as_micros();
    if us < 1000 {
        format!("{us} µs")
    } else if us < 10_000 {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    } else if us < 1_000_000 {
        format!("{} ms", us / 1000)
    } else {
        format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000)
    }
}

/// A span that is only guessed: `40 s`, `2 min`, `3 h`.
pub fn roughly(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// A whole number with commas between thousands: `212,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The most uses of a run, after what else was measured: `; the largest run took 3,120 of 200,000 uses`. Nothing where no run
/// was simulated.
pub fn most_uses(uses: u32) -> String {
    if uses == 0 {
        return String::new();
    }
    format!("; the largest run took {} of {} uses", grouped(uses.into()), grouped(USES_MAX.into()))
}

/// `1 run`, `2 runs`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `1 plan`, `41,300 plans`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_their_units() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (2050, "2.05 s"),
            (119_999, "119.99 s"),
            (725_000, "12 min 5 s"),
            (7_260_000, "2 h 1 min"),
        ];
        for (ms, expected) in table {
            assert_eq!(instant(Duration::from_millis(ms)), expected);
        }
        let table = [(41, "41 µs"), (1250, "1.2 ms"), (38_400, "38 ms"), (2_140_000, "2.1 s")];
        for (us, expected) in table {
            assert_eq!(span(Duration::from_micros(us)), expected);
        }
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(212_000), "212,000");
        assert_eq!((counted(1, "plan"), counted(41_300, "plan")), ("1 plan".to_owned(), "41,300 plans".to_owned()));
    }
}
