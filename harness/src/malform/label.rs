//! The text form of a malformed call: `type:/items/0/quantity:stringified`.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::Class;
use crate::suggest;

/// What a malformed call is called: its class, the place of the mistake and the variant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Label {
    /// The class.
    pub class: Class,
    /// JSON pointer to the place; empty for the whole.
    pub pointer: String,
    /// Which mistake it is, of `a-z`, `0-9` and `_`.
    pub variant: String,
}

/// A text that is no label.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLabel {
    /// It has not three parts.
    #[error("a malformed call is written CLASS:POINTER:VARIANT, like `type:/items/0/quantity:stringified`")]
    Parts,
    /// There is no such class.
    #[error("unknown class `{0}`{hint}", hint = hint(.0))]
    Class(String),
    /// It is no JSON pointer.
    #[error(
        "`{0}` is no JSON pointer: it is empty or begins with `/`; what is not a letter, a digit or one of `_-.~/` is written %XX"
    )]
    Pointer(String),
    /// It is no variant.
    #[error("`{0}` is no variant: it is of a-z, 0-9 and `_`")]
    Variant(String),
}

fn hint(class: &str) -> String {
    let known = Class::ALL.map(Class::name);
    suggest::hint(class, &known).map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// Whether a byte of a pointer stands for itself. Everything that plans, files and shells read otherwise does not.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.' | b'~')
}

/// A word for a variant: lower case, everything else as `_`.
pub(super) fn word(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' }).collect()
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.class.name())?;
        for byte in self.pointer.bytes() {
            if is_plain(byte) { f.write_char(byte.into())? } else { write!(f, "%{byte:02X}")? }
        }
        write!(f, ":{}", self.variant)
    }
}

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Self, BadLabel> {
        let mut parts = text.split(':');
        let (Some(class), Some(pointer), Some(variant), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadLabel::Parts);
        };
        let class = Class::by_name(class).ok_or_else(|| BadLabel::Class(class.to_owned()))?;
        let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if variant.is_empty() || !variant.bytes().all(is_word) {
            return Err(BadLabel::Variant(variant.to_owned()));
        }
        let bad = || BadLabel::Pointer(pointer.to_owned());
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(bad());
        }
        let pointer = unescaped(pointer).ok_or_else(bad)?;
        Ok(Self { class, pointer, variant: variant.to_owned() })
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else if is_plain(byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_reads_as_it_is_written() {
        let text = "type:/items/0/quantity:stringified";
        let label: Label = text.parse().expect("a label");
        assert_eq!(
            (label.class, label.pointer.as_str(), label.variant.as_str()),
            (Class::Type, "/items/0/quantity", "stringified")
        );
        assert_eq!(label.to_string(), text);
        let whole: Label = "missing::everything".parse().expect("a label");
        assert_eq!(whole.pointer, "");
    }

    #[test]
    fn what_is_no_label_is_told_with_what_is_wrong() {
        for (text, said) in [
            ("type", "CLASS:POINTER:VARIANT"),
            ("type:/a:b:c", "CLASS:POINTER:VARIANT"),
            ("typ:/a:b", "did you mean `type`?"),
            ("type:a:b", "no JSON pointer"),
            ("type:/a b:c", "no JSON pointer"),
            ("type:/%Z0:c", "no JSON pointer"),
            ("type:/a:", "no variant"),
            ("type:/a:Big", "no variant"),
        ] {
            let error = text.parse::<Label>().expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_label_parses_back(
            class in proptest::sample::select(Class::ALL.to_vec()),
            pointer in "(/[^/]{0,8}){0,3}",
            variant in "[a-z0-9_]{1,12}",
        ) {
            let label = Label { class, pointer, variant };
            let text = label.to_string();
            prop_assert!(!text.contains([';', ',', '(', ')', '=', ' ', '"', '#', '@']), "{}", text);
            prop_assert_eq!(text.parse::<Label>(), Ok(label));
        }
    }
}
