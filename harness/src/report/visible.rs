//! Text from outside (a scenario, a system, a provider) made safe to show: on a terminal and in Markdown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text in one line in which nothing acts: control characters (escape sequences among them), line ends and the
/// characters that reorder text are written as `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if acts(letter) => {
                write!(out, "\\u{{{:x}}}", u32::from(letter)).expect("writing to a string does not fail");
            }
            letter => out.push(letter),
        }
    }
    Cow::Owned(out)
}

/// The same for a text whose lines are its own.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

/// Whether a character does something other than to be seen: control characters (C0, DEL, C1), line and paragraph
/// separators, bidirectional marks and overrides (Unicode Annex 9), zero-width ones, and the byte order mark.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Text for Markdown in which nothing is markup but code between backticks. An odd backtick is text.
pub fn markdown(text: &str) -> String {
    let text = visible_lines(text);
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let parts: Vec<&str> = line.split('`').collect();
        let last = parts.len() - 1;
        for (index, part) in parts.iter().enumerate() {
            let code = index % 2 == 1 && index < last;
            if index > 0 {
                out.push_str(if index == last && last % 2 == 1 { "\\`" } else { "`" });
            }
            if code && !part.is_empty() { out.push_str(part) } else { plain(&mut out, part) }
        }
    }
    out
}

fn plain(out: &mut String, text: &str) {
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            // `://` and `www.` make a link of what follows, `@` and `#` call people and issues.
            ':' if text[at..].starts_with("://") => out.push_str("\\:"),
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("\\#"),
            // Within a word it emphasises nothing.
            '_' if inside_a_word(text, at) => out.push('_'),
            '\\' | '*' | '_' | '[' | ']' | '~' | '|' | '!' | '$' | '>' => {
                out.push('\\');
                out.push(letter);
            }
            letter => out.push(letter),
        }
    }
}

fn inside_a_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + 1..].chars().next();
    before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_acts_on_a_terminal() {
        let shown = visible("a\u{1b}[31mred\u{9b}2J\u{202e}txt\u{2028}b\r\nc");
        assert_eq!(shown, "a\\u{1b}[31mred\\u{9b}2J\\u{202e}txt\\u{2028}b\\r\\nc");
        assert!(matches!(visible("Bücher für 42,00 € – ok"), Cow::Borrowed(_)));
        assert_eq!(visible_lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
    }

    #[test]
    fn nothing_in_a_text_is_markup_but_code() {
        for (text, expected) in [
            ("![x](http://a.example/p.png)", "\\!\\[x\\](http\\://a.example/p.png)"),
            ("see www.a.example", "see www\\.a.example"),
            ("the key `k*1_` of *this*", "the key `k*1_` of \\*this\\*"),
            ("an odd ` and *more*", "an odd \\` and \\*more\\*"),
            ("```\n# head", "``\\`\n\\# head"),
            ("<b>&copy;</b> @you", "&lt;b\\>&amp;copy;&lt;/b\\> &#64;you"),
            ("a | b", "a \\| b"),
            ("lost_reply and _this_", "lost_reply and \\_this\\_"),
        ] {
            assert_eq!(markdown(text), expected, "{text}");
        }
    }
}
