//! Text from callers and providers as it may be shown: short enough, and unable to move a terminal's cursor or to turn
//! the direction of what stands beside it.

use std::fmt::Write as _;

use crate::validate::{is_harmless, scrubbed};

/// Of a name that a caller made up, so many characters are repeated to it.
const ECHO_CHARS_MAX: usize = 64;

/// The beginning of what a caller sent, for a message to that caller or the log: without what may be a card's number.
pub fn echoed(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", printed(&text[..end])),
        None => printed(text),
    }
}

fn printed(text: &str) -> String {
    if is_harmless(text) { escaped(text) } else { scrubbed(&escaped(text)) }
}

/// The text with control characters, line separators and characters that set a direction written as `\u{…}`.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            write!(out, "{}", c.escape_unicode()).expect("a String takes everything");
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls of both blocks, separators that some readers take for a line's end, marks of direction (Unicode's bidi
/// control characters), what is not shown at all (zero-width characters, annotations, tags), and the byte order mark.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{180E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_is_escaped_and_the_rest_is_not() {
        let acting = "\u{9B}\u{1B}\n\u{2028}\u{2029}\u{202E}\u{2066}\u{200F}\u{61C}\u{180E}\u{FEFF}\u{FFF9}\u{E0041}";
        for c in acting.chars() {
            let shown = escaped(&format!("a{c}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        assert_eq!(escaped("Grüße, 茶 🎁 \\ \"x\""), "Grüße, 茶 🎁 \\ \"x\"");
    }

    #[test]
    fn a_long_name_is_repeated_in_part() {
        assert_eq!(echoed("creat_order"), "creat_order");
        assert_eq!(echoed("pay_4111 1111 1111 1111"), "pay_[digits]");
        assert_eq!(echoed(&"é".repeat(1_000_000)), format!("{}…", "é".repeat(ECHO_CHARS_MAX)));
    }
}
