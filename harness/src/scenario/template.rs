//! Templates inside a script's strings: `{key:NAME}`, `{session:INTENT}`, `{order:INTENT}`, `{workflow:INTENT}`.
//!
//! They stand for what only a run knows: a key the host makes at first use, the session, order and workflow of a purchase.

use std::mem;

use smol_str::SmolStr;

/// What a template stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum TemplateKind {
    /// A key, made at first use and the same afterwards.
    Key,
    /// The checkout session that an intent's last `create_checkout_session` opened.
    Session,
    /// The order that an intent's last `create_order` told of.
    Order,
    /// The workflow that an intent's last answer named.
    Workflow,
}

impl TemplateKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Key, Self::Session, Self::Order, Self::Workflow];

    /// The word in front of the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Session => "session",
            Self::Order => "order",
            Self::Workflow => "workflow",
        }
    }
}

/// A piece of a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// A template and the name in it.
    Template(TemplateKind, &'a str),
    /// Something in the form of a template whose kind is unknown.
    Unknown(&'a str),
}

/// A string's pieces, in order. What does not have the form `{word:name}` is text.
pub const fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// See [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut at = 0;
        while let Some(open) = place(&self.rest[at..], b'{').map(|found| found + at) {
            if let Some((kind, name, after)) = template(&self.rest[open..]) {
                if open > 0 {
                    let text;
                    (text, self.rest) = self.rest.split_at(open);
                    return Some(Piece::Text(text));
                }
                self.rest = &self.rest[after..];
                let known = TemplateKind::ALL.iter().find(|known| known.name() == kind);
                return Some(known.map_or(Piece::Unknown(kind), |kind| Piece::Template(*kind, name)));
            }
            at = open + 1;
        }
        Some(Piece::Text(mem::take(&mut self.rest)))
    }
}

/// Where an ASCII character first stands. The texts of a script are short: too short for a search that gets ready first.
fn place(text: &str, character: u8) -> Option<usize> {
    text.bytes().position(|byte| byte == character)
}

/// Kind, name and length of the template that a text begins with.
fn template(text: &str) -> Option<(&str, &str, usize)> {
    let inner = &text[1..place(text, b'}')?];
    let colon = place(inner, b':')?;
    let (kind, name) = (&inner[..colon], &inner[colon + 1..]);
    let word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_' || letter == b'-')
    };
    (word(kind) && word(name)).then_some((kind, name, inner.len() + 2))
}

/// The first part of a text that begins like a template and is none: `{key:}`, `{key}`, `{key:my pay}`, `{key:pay`.
pub fn slip(text: &str) -> Option<&str> {
    text.match_indices('{').find_map(|(open, _)| {
        let rest = &text[open..];
        let whole = rest.find('}').map_or(rest, |close| &rest[..=close]);
        let kind = whole[1..].split([':', '}']).next().unwrap_or_default().trim();
        let known = TemplateKind::ALL.iter().any(|known| known.name().eq_ignore_ascii_case(kind));
        (known && template(whole).is_none()).then_some(whole)
    })
}

/// Replaces each template by what `value` says of it; `None` if it knows nothing of one of them.
pub fn fill(text: &str, mut value: impl FnMut(TemplateKind, &str) -> Option<SmolStr>) -> Option<String> {
    let mut pieces = pieces(text);
    let mut filled = match (pieces.next(), pieces.rest) {
        (None, _) => return Some(String::new()),
        // Most are one piece: what stands for it is the whole.
        (Some(Piece::Text(text)), "") => return Some(text.to_owned()),
        (Some(Piece::Template(kind, name)), "") => return value(kind, name).map(String::from),
        (Some(Piece::Unknown(_)), _) => return None,
        (Some(Piece::Text(first)), _) => first.to_owned(),
        (Some(Piece::Template(kind, name)), _) => value(kind, name)?.into(),
    };
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Template(kind, name) => filled.push_str(&value(kind, name)?),
            Piece::Unknown(_) => return None,
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use smol_str::format_smolstr;

    use super::*;

    #[test]
    fn templates_are_told_from_text() {
        use Piece::{Template, Text, Unknown};
        let table: [(&str, &[Piece<'_>]); 6] = [
            ("pm_visa", &[Text("pm_visa")]),
            ("{key:pay}", &[Template(TemplateKind::Key, "pay")]),
            (
                "a{session:gift}b{order:gift}",
                &[Text("a"), Template(TemplateKind::Session, "gift"), Text("b"), Template(TemplateKind::Order, "gift")],
            ),
            ("{\"a\": 1} {x} {", &[Text("{\"a\": 1} {x} {")]),
            ("{{key:a}", &[Text("{"), Template(TemplateKind::Key, "a")]),
            ("{sesion:gift}", &[Unknown("sesion")]),
        ];
        for (text, expected) in table {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_template_is_a_slip() {
        for (text, expected) in [
            ("{key:}", Some("{key:}")),
            ("pay with {Key:}!", Some("{Key:}")),
            ("{session}", Some("{session}")),
            ("{order: gift}", Some("{order: gift}")),
            ("{workflow:gift", Some("{workflow:gift")),
            ("{\"a\": 1} {x} {", None),
            ("{key:pay}", None),
            ("{sesion:gift}", None),
            ("{\"key\": 1}", None),
        ] {
            assert_eq!(slip(text), expected, "{text}");
        }
    }

    #[test]
    fn filling_leaves_the_rest_as_it_is() {
        let filled = fill("<{key:pay}>", |kind, name| Some(format_smolstr!("{}-{name}", kind.name())));
        assert_eq!(filled.as_deref(), Some("<key-pay>"));
    }
}
