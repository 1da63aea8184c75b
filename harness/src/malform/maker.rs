//! What all classes make their cases with: the valid call, its fields, and one way of adding a case.

use serde_json::Value;

use super::fields::{Field, fields};
use super::{Case, Class, Expected, Label, Published, Remedy, Sent, When, pointer};

/// Cases in the making.
pub(super) struct Maker<'a> {
    pub(super) tool: &'a Published<'a>,
    pub(super) valid: &'a Value,
    pub(super) fields: Vec<Field<'a>>,
    /// The one that is wanted; all if none is named.
    only: Option<&'a Label>,
    pub(super) made: Vec<Case>,
}

/// Why a call that the schema takes is accepted.
pub(super) const SCHEMA_TAKES_IT: &str = "the published schema takes it";

impl<'a> Maker<'a> {
    pub(super) fn all(tool: &'a Published<'a>, valid: &'a Value) -> Self {
        Self { tool, valid, fields: fields(tool.schema, valid), only: None, made: Vec::new() }
    }

    pub(super) fn only(tool: &'a Published<'a>, valid: &'a Value, label: &'a Label) -> Self {
        Self { only: Some(label), ..Self::all(tool, valid) }
    }

    /// Whether any case of a class is wanted.
    pub(super) fn wants(&self, class: Class) -> bool {
        self.only.is_none_or(|only| only.class == class)
    }

    /// Every field, by value, because cases are added while they are walked; none where no case of the class is wanted.
    pub(super) fn each_field(&self, class: Class) -> Vec<Field<'a>> {
        if self.wants(class) { self.fields.clone() } else { Vec::new() }
    }

    /// Adds a case as it is, if it is wanted and no other has its label.
    pub(super) fn add(
        &mut self,
        class: Class,
        at: &str,
        variant: &str,
        case: impl FnOnce(&Self) -> Option<Unlabelled>,
    ) {
        if let Some(only) = self.only
            && (only.class != class || only.pointer != at || only.variant != variant || !self.made.is_empty())
        {
            return;
        }
        let Some(Unlabelled { when, sent, expected, remedy }) = case(self) else { return };
        let label = Label { class, pointer: at.to_owned(), variant: variant.to_owned() };
        if !self.made.iter().any(|made| made.label == label) {
            self.made.push(Case { label, when, sent, expected, remedy });
        }
    }

    /// Adds a call with changed arguments. One that the schema refuses must be refused, with `named` named; of one
    /// that it takes `taken` says what is owed. Nothing is added where nothing has changed.
    pub(super) fn change(
        &mut self,
        (class, at, variant): (Class, &str, &str),
        arguments: impl FnOnce(&Value) -> Value,
        named: impl FnOnce() -> Vec<String>,
        taken: Expected,
        remedy: Remedy,
    ) {
        self.add(class, at, variant, |maker| {
            let arguments = arguments(maker.valid);
            if arguments == *maker.valid {
                return None;
            }
            let (expected, remedy) = if maker.tool.takes(&arguments) {
                let remedy = if matches!(taken, Expected::Accepted(_)) { Remedy::Needless } else { remedy };
                (taken, remedy)
            } else {
                (Expected::Refused(named()), remedy)
            };
            Some(Unlabelled { when: When::Ready, sent: Sent::Arguments(arguments), expected, remedy })
        });
    }

    /// Another value at a field, which is named.
    pub(super) fn replace(
        &mut self,
        class: Class,
        field: &Field<'_>,
        variant: &str,
        new: Value,
        taken: Expected,
        remedy: Remedy,
    ) {
        let at = field.at.clone();
        self.change(
            (class, &field.at, variant),
            |valid| pointer::with(valid, &at, new),
            || vec![field.at.clone()],
            taken,
            remedy,
        );
    }

    /// The value of a field in another form, from which it can be told.
    pub(super) fn told(&mut self, class: Class, field: &Field<'_>, variant: &str, new: Value) {
        self.replace(class, field, variant, new, open(field), Remedy::Restored);
    }

    /// Another value in a field's place, from which nothing can be told.
    pub(super) fn lost(&mut self, class: Class, field: &Field<'_>, variant: &str, new: Value) {
        self.replace(class, field, variant, new, open(field), overwritten(field));
    }
}

/// What is owed where the schema takes another value: a rule that no schema states may refuse it.
pub(super) fn open(field: &Field<'_>) -> Expected {
    Expected::Open(field.at.clone())
}

/// A case before it has its label.
pub(super) struct Unlabelled {
    pub(super) when: When,
    pub(super) sent: Sent,
    pub(super) expected: Expected,
    pub(super) remedy: Remedy,
}

/// What an error can tell where the value of a field is gone.
pub(super) fn gone(field: &Field<'_>) -> Remedy {
    if field.is_made_elsewhere() { Remedy::Beyond(MADE_ELSEWHERE) } else { Remedy::Replaced(vec![field.at.clone()]) }
}

/// What an error can tell where something else stands in a field's place: of an identifier nothing, whatever the schema
/// offers.
pub(super) fn overwritten(field: &Field<'_>) -> Remedy {
    if field.is_identifier() { Remedy::Beyond(MADE_ELSEWHERE) } else { Remedy::Replaced(vec![field.at.clone()]) }
}

/// Why nothing mends an identifier.
pub(super) const MADE_ELSEWHERE: &str = "only the answer of another call holds an identifier that exists";
