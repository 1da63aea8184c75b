//! The name of a mutant: where it is by item, what the code said, what was done, and which of several alike.
//!
//! No line is in it, so that a mutant keeps its name while the code around it moves.

use std::collections::BTreeMap;
use std::fmt;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};

use crate::operator::Operator;

/// A stable name: `retry::Budgets::take | budget.balance >= 100 | >= to >`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Key(pub(crate) String);

impl Key {
    /// The module at the root of the crate that it is in.
    pub(crate) fn module(&self) -> &str {
        self.0.split([':', ' ']).next().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longer texts are cut, and told apart by a hash of the whole.
const TEXT_CHARS_MAX: usize = 72;

/// Counts mutants that are alike but for their place in one item.
#[derive(Default, Debug)]
pub(crate) struct Keys(BTreeMap<String, u32>);

impl Keys {
    /// The key of the next mutant of this item, text and operator.
    pub(crate) fn next(&mut self, item: &str, text: &str, operator: &Operator) -> Key {
        let name = format!("{item} | {} | {operator}", shortened(text));
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        Key(if *count == 1 { name } else { format!("{name} #{count}") })
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(TEXT_CHARS_MAX).collect();
    format!("{kept}… {:08x}", hash(text.as_bytes()) >> 32)
}

/// FNV-1a: the same on every machine and with every compiler.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Code as one line that does not depend on how it was formatted.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut out = String::new();
    write(tokens, &mut out);
    out
}

fn write(tokens: TokenStream, out: &mut String) {
    let mut glued = true;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let (open, close) = match &token {
            TokenTree::Group(group) => match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::None => ("", ""),
            },
            _ => ("", ""),
        };
        let said = match &token {
            TokenTree::Group(_) => open.to_owned(),
            other => other.to_string(),
        };
        // A comma before the end of a group is a matter of how many lines it takes.
        if said == "," && tokens.peek().is_none() {
            continue;
        }
        let after_word = out.ends_with(|last: char| last.is_alphanumeric() || "_>)]?".contains(last));
        let tight = matches!(said.as_str(), "." | "," | ";" | "?" | ":")
            || (matches!(said.as_str(), "(" | "[") && after_word)
            || out.ends_with(['.', '!'])
            || (out.ends_with('&') && !out.ends_with("&&"))
            || out.ends_with("::");
        if !glued && !tight {
            out.push(' ');
        }
        out.push_str(&said);
        glued = match token {
            TokenTree::Group(group) => {
                write(group.stream(), out);
                out.push_str(close);
                false
            }
            TokenTree::Punct(punct) => punct.spacing() == Spacing::Joint,
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn code_is_named_as_it_is_read() {
        let code = [
            quote! { budget.balance >= 100 && !self.take(a, &b)? },
            quote! { crate::attempts::waits(delay, vec![1, 2,],) },
            quote! { x = if a & 1 == 1 { (1..=2) } else { -2 } },
        ];
        insta::assert_snapshot!(code.map(text).join("\n"));
    }

    #[test]
    fn keys_that_are_alike_are_counted() {
        let mut keys = Keys::default();
        let mut next = || keys.next("retry::backoff", "1", &Operator::More).0;
        assert_eq!([next(), next()], ["retry::backoff | 1 | plus 1", "retry::backoff | 1 | plus 1 #2"]);
    }

    #[test]
    fn long_texts_differ_by_all_of_themselves() {
        let [one, other] = ["a", "b"].map(|end| shortened(&format!("{}{end}", "x".repeat(100))));
        assert_ne!(one, other);
        assert!(one.chars().count() < 100, "{one}");
    }
}
