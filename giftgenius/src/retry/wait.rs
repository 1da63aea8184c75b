//! What `Retry-After` asks for (RFC 9110 §10.2.3), as hurried providers and proxies write it.

use std::time::Duration;

use jiff::Timestamp;

/// The longest wait returned to a caller; a longer one is of no use in a conversation.
const TOLD_MAX: Duration = Duration::from_secs(60 * 60);

/// The wait returned to a caller.
pub fn told(asked: Duration) -> Duration {
    asked.min(TOLD_MAX)
}

/// The longest wait that can be read in all header lines, which arrive joined by commas: seconds or an HTTP date each. A
/// date in the past is now. `None` if nothing can be read.
pub(super) fn asked(text: &str, now: Timestamp) -> Option<Duration> {
    let mut longest = None;
    let mut rest = text;
    while !rest.trim().is_empty() {
        // A date holds one comma of its own.
        let member = end_of_member(rest, 0);
        let with_date = end_of_member(rest, member + 1);
        let (read, end) = match date(&rest[..with_date], now) {
            Some(wait) => (Some(wait), with_date),
            None => (seconds(rest[..member].trim()).or_else(|| date(&rest[..member], now)), member),
        };
        longest = longest.max(read);
        rest = rest.get(end + 1..).unwrap_or("");
    }
    longest
}

/// Where the list's member ends that is at `from`.
fn end_of_member(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find(',')).map_or(text.len(), |at| from + at)
}

fn date(text: &str, now: Timestamp) -> Option<Duration> {
    let date = Timestamp::try_from(httpdate::parse_http_date(text.trim()).ok()?).ok()?;
    Some(crate::time::until(now, date))
}

/// Whole seconds, however many digits; a fraction is rounded up. Anything else, a sign included, is not readable.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    // Only digits: what does not fit is too large.
    Some(Duration::from_secs(whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(up)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_readable_wait_counts() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("1.5", Some(2)),
            ("2.000", Some(2)),
            ("0.001", Some(1)),
            ("18446744073709551616", Some(u64::MAX)),
            ("99999999999999999999", Some(u64::MAX)),
            ("18446744073709551615.5", Some(u64::MAX)),
            ("2, 5", Some(5)),
            ("5,2", Some(5)),
            ("5, soon", Some(5)),
            ("soon, 5", Some(5)),
            (", 5,", Some(5)),
            ("Thu, 01 Jan 2026 00:00:09 GMT", Some(9)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0)),
            ("Thu, 01 Jan 2026 00:00:09 GMT, 4", Some(9)),
            ("12, Thu, 01 Jan 2026 00:00:09 GMT", Some(12)),
            ("Thu, 01 Jan 2026 00:00:03 GMT, Thu, 01 Jan 2026 00:00:09 GMT", Some(9)),
            ("-1", None),
            ("-1, 3", Some(3)),
            ("+3", None),
            ("1e3", None),
            (".5", None),
            ("1.", None),
            ("1.2.3", None),
            ("1,5x", Some(1)),
            ("soon", None),
            ("", None),
            ("é, ü", None),
        ] {
            assert_eq!(asked(text, now), expected.map(Duration::from_secs), "{text:?}");
        }
    }
}
