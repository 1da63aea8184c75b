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

/// The same for the source of a drawing, in which a place is known by its byte: tabs and the ends of lines stay. What
/// stands before a place, made visible, is as long as the place's new byte.
pub fn visible_source(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let end = line.trim_end_matches(['\r', '\n']).len();
        let parts: Vec<_> = line[..end].split('\t').map(visible).collect();
        out.push_str(&parts.join("\t"));
        out.push_str(&line[end..]);
    }
    out
}

/// The same for lines with colours in them that misrule chose: those stay, and nothing else acts.
pub fn visible_but_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = visible_lines(parts.next().unwrap_or_default());
    for part in parts {
        let code = part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';');
        match code.strip_prefix('m') {
            Some(rest) => {
                out.push_str("\u{1b}[");
                out.push_str(&part[..part.len() - rest.len()]);
                out.push_str(&visible_lines(rest));
            }
            None => out.push_str(&visible_lines(&format!("\u{1b}[{part}"))),
        }
    }
    out
}

/// A JSON document in which nothing acts. Outside of strings JSON has no such characters, and inside them the escape is
/// the character.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    if !text.contains(|letter| letter != '\n' && acts(letter)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if letter != '\n' && acts(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a string does not fail");
            }
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// A TOML value in which nothing acts, as it is written: where something would, its strings are basic ones with escapes.
pub fn visible_toml(value: &toml::Value) -> String {
    let text = value.to_string();
    if text.contains(|letter| letter != '\n' && acts(letter)) { in_basic_strings(value) } else { text }
}

fn in_basic_strings(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => basic_string(text),
        toml::Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(in_basic_strings).collect();
            format!("[{}]", elements.join(", "))
        }
        toml::Value::Table(members) => {
            let member = |(name, value): (&String, &toml::Value)| {
                format!("{} = {}", basic_string(name), in_basic_strings(value))
            };
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{ {} }}", members.join(", "))
        }
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) | toml::Value::Datetime(_) => {
            value.to_string()
        }
    }
}

fn basic_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if acts(letter) => {
                let code = u32::from(letter);
                let written = if code <= 0xffff { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
                written.expect("writing to a string does not fail");
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Whether a character does something other than to be seen: control characters (C0, DEL, C1), line and paragraph
/// separators, bidirectional marks and overrides (Unicode Annex 9), zero-width ones, annotations, invisible tags, and the
/// byte order mark.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
        let shown = visible("a\u{1b}[31mred\u{9b}2J\u{202e}txt\u{2028}b\r\nc\u{61c}\u{e0041}d");
        assert_eq!(shown, "a\\u{1b}[31mred\\u{9b}2J\\u{202e}txt\\u{2028}b\\r\\nc\\u{61c}\\u{e0041}d");
        assert!(matches!(visible("Bücher für 42,00 € – ok"), Cow::Borrowed(_)));
        assert_eq!(visible_lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
    }

    #[test]
    fn of_a_drawing_only_the_colours_act() {
        let drawn = "\u{1b}[31mBROKEN\u{1b}[0m \u{1b}[2J\u{1b}]0;title\u{7} \u{1b}[1;4mx\u{9b}2J";
        let expected = "\u{1b}[31mBROKEN\u{1b}[0m \\u{1b}[2J\\u{1b}]0;title\\u{7} \u{1b}[1;4mx\\u{9b}2J";
        assert_eq!(visible_but_colours(drawn), expected);
        assert_eq!(visible_but_colours("a line\nand another\n"), "a line\nand another\n");
    }

    #[test]
    fn the_source_of_a_drawing_keeps_its_lines_and_its_indentation() {
        let source = "a = \"\u{1b}[31m\"\r\n\tb = 1\n";
        let shown = visible_source(source);
        assert_eq!(shown, "a = \"\\u{1b}[31m\"\r\n\tb = 1\n");
        let at = source.find('b').expect("the second line");
        assert_eq!(&shown[visible_source(&source[..at]).len()..], "b = 1\n");
    }

    #[test]
    fn json_stays_the_same_document() {
        let document = serde_json::json!({ "said": "a\u{1b}[31m\u{9b}2J\u{202e}txt\u{61c}\u{feff}\u{e0041}" });
        let text = format!("{document:#}\n");
        let shown = visible_json(&text);
        assert!(!shown.contains(|letter| letter != '\n' && acts(letter)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("JSON"), document);
    }

    #[test]
    fn toml_stays_the_same_value() {
        for said in
            ["a\u{1b}[31m\u{9b}2J\u{202e}txt", "quoted \"\u{61c}\" \\ and\nlines\t\r", "\u{e0041}\u{feff}", "plain"]
        {
            let nested = toml::Table::from_iter([(said.to_owned(), toml::Value::from(vec![said, "a 'b' \"c\""]))]);
            let value = toml::Value::Table(toml::Table::from_iter([("args".to_owned(), toml::Value::Table(nested))]));
            let text = format!("value = {}\n", visible_toml(&value));
            assert!(!text.contains(|letter| letter != '\n' && acts(letter)), "{text}");
            assert_eq!(text.parse::<toml::Table>().expect("TOML")["value"], value, "{text}");
        }
        assert_eq!(visible_toml(&toml::Value::from("it's")), toml::Value::from("it's").to_string());
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
