//! Tables of a TOML file with every place kept, read field by field, so that all mistakes of a file are told at once.
//!
//! Walking the parser's own tree keeps what a derived deserialiser loses: the place of each key and value, also after
//! the first mistake.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistakes;
use super::{expect, explore, parse, policy, script};
use crate::suggest;

/// A table, opened.
pub(super) struct Fields<'t> {
    /// The table itself, for what is missing in it.
    pub(super) span: Range<usize>,
    fields: Vec<Field<'t>>,
}

/// A key and its value.
#[derive(Clone)]
pub(super) struct Field<'t> {
    /// The key.
    pub(super) key: &'t str,
    /// Where the key stands.
    pub(super) key_span: Range<usize>,
    /// The value.
    pub(super) value: &'t DeValue<'t>,
    /// Where the value stands.
    pub(super) span: Range<usize>,
}

impl<'t> Fields<'t> {
    /// Opens a table whose keys are free.
    pub(super) fn open(table: &'t DeTable<'t>, span: Range<usize>) -> Self {
        let mut fields: Vec<_> = table
            .iter()
            .map(|(key, value)| Field {
                key: key.get_ref(),
                key_span: key.span(),
                value: value.get_ref(),
                span: value.span(),
            })
            .collect();
        fields.sort_by_key(|field| field.key_span.start);
        Self { span, fields }
    }

    /// Opens a table that may hold only these keys; `what` names it in messages.
    pub(super) fn open_known(
        table: &'t DeTable<'t>,
        span: Range<usize>,
        what: &str,
        known: &[&str],
        mistakes: &mut Mistakes,
    ) -> Self {
        let opened = Self::open(table, span);
        for field in &opened.fields {
            if !known.contains(&field.key) {
                let hint = belongs(field.key).or_else(|| suggest::hint(field.key, known));
                mistakes.suggest(
                    &field.key_span,
                    format!("unknown key `{}` in {what}", field.key),
                    hint.or_else(|| Some(format!("known: {}", known.join(", ")))),
                );
            }
        }
        opened
    }

    /// The field of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Field<'t>> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Every field, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Field<'t>> {
        self.fields.iter()
    }
}

impl<'t> Field<'t> {
    fn wrong_type(&self, expected: &str, mistakes: &mut Mistakes) {
        mistakes.suggest(
            &self.span,
            format!("`{}` is {}, not {expected}", self.key, a_type(self.value)),
            Some(format!("{expected} is expected")),
        );
    }

    /// A text.
    pub(super) fn text(&self, mistakes: &mut Mistakes) -> Option<&'t str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a text", mistakes);
        }
        text
    }

    /// A text of one line that says something.
    pub(super) fn line(&self, mistakes: &mut Mistakes) -> Option<&'t str> {
        let text = self.text(mistakes)?;
        if text.trim().is_empty() {
            mistakes.add(&self.span, format!("`{}` is empty", self.key));
            return None;
        }
        if text.contains(['\n', '\r']) {
            mistakes.suggest(
                &self.span,
                format!("`{}` has more than one line", self.key),
                Some("one line is shown in reports".to_owned()),
            );
            return None;
        }
        Some(text)
    }

    /// A whole number in a range.
    pub(super) fn integer(&self, range: RangeInclusive<i64>, mistakes: &mut Mistakes) -> Option<u64> {
        let Some(integer) = self.value.as_integer() else {
            self.wrong_type("a whole number", mistakes);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fitting = number.filter(|number| range.contains(number));
        if fitting.is_none() {
            mistakes.suggest(
                &self.span,
                format!("`{}` is {integer}, which is out of range", self.key),
                Some(format!("{} to {}", range.start(), range.end())),
            );
        }
        fitting.and_then(|number| u64::try_from(number).ok())
    }

    /// A whole number in a range, as 32 bits.
    pub(super) fn number(&self, range: RangeInclusive<u32>, mistakes: &mut Mistakes) -> Option<u32> {
        let wide = i64::from(*range.start())..=i64::from(*range.end());
        self.integer(wide, mistakes).and_then(|number| u32::try_from(number).ok())
    }

    /// A flag that can only be set: to leave it out is to say no.
    pub(super) fn set(&self, mistakes: &mut Mistakes) -> Option<()> {
        match self.value.as_bool() {
            Some(true) => Some(()),
            Some(false) => {
                mistakes.suggest(
                    &self.span,
                    format!("`{}` can only be true", self.key),
                    Some("leave the line out instead".to_owned()),
                );
                None
            }
            None => {
                self.wrong_type("true", mistakes);
                None
            }
        }
    }

    fn as_table(&self, mistakes: &mut Mistakes) -> Option<&'t DeTable<'t>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.wrong_type("a table", mistakes);
        }
        table
    }

    /// A table whose keys are free.
    pub(super) fn table(&self, mistakes: &mut Mistakes) -> Option<Fields<'t>> {
        let table = self.as_table(mistakes)?;
        Some(Fields::open(table, self.span.clone()))
    }

    /// A table that may hold only these keys.
    pub(super) fn table_of(&self, what: &str, known: &[&str], mistakes: &mut Mistakes) -> Option<Fields<'t>> {
        let table = self.as_table(mistakes)?;
        Some(Fields::open_known(table, self.span.clone(), what, known, mistakes))
    }

    /// The elements of an array, each as a field of the same key.
    pub(super) fn elements(&self, mistakes: &mut Mistakes) -> Option<Vec<Self>> {
        let Some(array) = self.value.as_array() else {
            self.wrong_type("an array", mistakes);
            return None;
        };
        Some(
            array
                .iter()
                .map(|element: &Spanned<DeValue<'t>>| Self {
                    key: self.key,
                    key_span: self.key_span.clone(),
                    value: element.get_ref(),
                    span: element.span(),
                })
                .collect(),
        )
    }
}

/// Where a key belongs that stands where it is unknown.
fn belongs(key: &str) -> Option<String> {
    if parse::KEYS.contains(&key) {
        return Some(format!("`{key}` belongs at the top of the file, before the first `[section]`"));
    }
    let sections: [(&str, &[&str]); 4] = [
        ("[replicas]", &parse::REPLICAS_KEYS),
        ("[expect]", &expect::EXPECT_KEYS),
        ("[explore]", &explore::EXPLORE_KEYS),
        ("[policy]", &policy::keys()),
    ];
    let section = sections.iter().find(|(_, keys)| keys.contains(&key)).map(|(section, _)| *section);
    let section = section.or_else(|| script::CALL_KEYS.contains(&key).then_some("a `[[script]]` step with `call`"));
    section.map(|section| format!("`{key}` belongs to {section}"))
}

fn a_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A label with a dot needs quotes, else TOML makes tables of it.
pub(super) fn quoting(field: &Field<'_>) -> Option<String> {
    field.value.is_table().then(|| "a name with a dot needs quotes: \"payment.charge\"".to_owned())
}
