//! A word with arguments, as faults are written: `status(503, retry_after=2)`. Arguments are taken one by one; what nobody
//! takes is an error that says what there would have been.

use std::ops::RangeInclusive;

use super::{ParseError, Reader};
use crate::fault::{ForeignBody, OddRetryAfter, RetryAfter, menu};

/// A word with arguments: `status(503, retry_after=2)`.
pub(super) struct Call<'a> {
    reader: Reader<'a>,
    /// The whole of it.
    whole: &'a str,
    pub(super) name: &'a str,
    /// Those not taken yet; a name, where there is one, and a value.
    arguments: Vec<(Option<&'a str>, &'a str)>,
    /// The names asked for so far.
    known: Vec<&'static str>,
}

impl<'a> Call<'a> {
    pub(super) fn read(reader: Reader<'a>, part: &'a str) -> Result<Self, ParseError> {
        let whole = part.trim();
        let Some((name, rest)) = whole.split_once('(') else {
            return Ok(Self { reader, whole, name: whole, arguments: Vec::new(), known: Vec::new() });
        };
        let Some((inside, after)) = rest.split_once(')') else {
            return Err(reader.error(whole, "the parenthesis is not closed"));
        };
        if !after.is_empty() {
            let message = "nothing stands behind the parenthesis; `;` begins another fault";
            return Err(reader.error(after, message));
        }
        let mut arguments = Vec::new();
        for argument in inside.split(',') {
            let argument = argument.trim();
            if argument.is_empty() {
                return Err(reader.error(argument, format!("a value is missing in `{whole}`")));
            }
            arguments.push(match argument.split_once('=') {
                Some((name, value)) => (Some(name.trim()), value.trim()),
                None => (None, argument),
            });
        }
        Ok(Self { reader, whole, name: name.trim(), arguments, known: Vec::new() })
    }

    /// Takes the value of a name, where it is given.
    fn optional(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        let found = self.arguments.iter().position(|(given, _)| *given == Some(name))?;
        Some(self.arguments.remove(found).1)
    }

    /// Takes the value of a name.
    pub(super) fn named(&mut self, name: &'static str, example: &str) -> Result<&'a str, ParseError> {
        match self.optional(name) {
            Some(value) => Ok(value),
            // A misspelt name says more than a missing one.
            None => Err(self.leftover().unwrap_or_else(|| self.lacks(example))),
        }
    }

    /// Takes the values of names, each a number from 1.
    pub(super) fn counts<const N: usize>(
        &mut self,
        names: [&'static str; N],
        example: &str,
    ) -> Result<[u32; N], ParseError> {
        self.numbers(names.map(|name| (name, 1..=u32::MAX)), example)
    }

    /// Takes the values of names, each a number in a range.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        wanted: [(&'static str, RangeInclusive<u32>); N],
        example: &str,
    ) -> Result<[u32; N], ParseError> {
        let mut numbers = [0; N];
        let values = wanted.map(|(name, range)| (name, range, self.optional(name)));
        for (number, (name, range, value)) in numbers.iter_mut().zip(values) {
            // A misspelt name says more than a missing one.
            let value = value.ok_or_else(|| self.leftover().unwrap_or_else(|| self.lacks(example)))?;
            *number = self.reader.number(value, &format!("`{name}`"), range)?;
        }
        Ok(numbers)
    }

    /// Takes the first value that has no name.
    pub(super) fn value(&mut self, example: &str) -> Result<&'a str, ParseError> {
        let found = self.arguments.iter().position(|(name, _)| name.is_none());
        let index = found.ok_or_else(|| self.lacks(example))?;
        Ok(self.arguments.remove(index).1)
    }

    /// Takes the first value that has no name, one of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        example: &str,
        what: &str,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, ParseError> {
        let word = self.value(example)?;
        let found = all.iter().copied().find(|it| name(*it) == word);
        found.ok_or_else(|| self.reader.unknown(word, what, all.iter().map(|it| name(*it))))
    }

    pub(super) fn status(&mut self) -> Result<u16, ParseError> {
        let status = self.value("status(503)")?;
        self.reader.number(status, "a status", menu::STATUSES)
    }

    pub(super) fn retry_after(&mut self) -> Result<Option<RetryAfter>, ParseError> {
        let seconds = self.optional("retry_after");
        let date = self.optional("retry_after_date");
        match (seconds, date) {
            (None, None) => Ok(None),
            (Some(word), None) if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                let odd = OddRetryAfter::ALL.into_iter().find(|odd| odd.name() == word);
                let unknown =
                    || self.reader.unknown(word, "odd Retry-After", OddRetryAfter::ALL.map(OddRetryAfter::name));
                odd.map(|odd| Some(RetryAfter::Odd(odd))).ok_or_else(unknown)
            }
            (Some(seconds), None) => {
                let read = self.reader.number(seconds, "`retry_after` (in seconds)", 0..=u32::MAX);
                let read = read.map_err(|error| match odd_like(seconds) {
                    None => error,
                    Some(odd) => {
                        let hint = format!("; write `retry_after={}` for `{}`", odd.name(), odd.text());
                        ParseError { message: error.message + &hint, ..error }
                    }
                });
                read.map(|seconds| Some(RetryAfter::Seconds(seconds)))
            }
            (None, Some(date)) => {
                let seconds = self.reader.number(date, "`retry_after_date` (in seconds)", 0..=u32::MAX)?;
                Ok(Some(RetryAfter::Date(seconds)))
            }
            (Some(_), Some(_)) => {
                let message = "a reply has one Retry-After: `retry_after` or `retry_after_date`";
                Err(self.reader.error(self.whole, message))
            }
        }
    }

    /// Takes the body that something in between answers; JSON where none is named.
    pub(super) fn body(&mut self) -> Result<ForeignBody, ParseError> {
        let Some(word) = self.optional("body") else { return Ok(ForeignBody::Json) };
        let found = ForeignBody::ALL.into_iter().find(|body| body.name() == word);
        found.ok_or_else(|| self.reader.unknown(word, "body", ForeignBody::ALL.map(ForeignBody::name)))
    }

    /// Takes this word, where it stands.
    pub(super) fn flag(&mut self, word: &'static str) -> bool {
        let found = self.arguments.iter().position(|argument| *argument == (None, word));
        found.map(|index| self.arguments.remove(index)).is_some()
    }

    /// Takes the value of a name that can have this one only; whether it is given.
    pub(super) fn only(&mut self, name: &'static str, value: &'static str) -> Result<bool, ParseError> {
        match self.optional(name) {
            None => Ok(false),
            Some(given) if given == value => Ok(true),
            Some(given) => Err(self.reader.error(given, format!("`{name}` can only be `{value}`, not `{given}`"))),
        }
    }

    fn lacks(&self, example: &str) -> ParseError {
        let message = format!("`{}` needs more: write it like `{example}`", self.name);
        self.reader.error(self.whole, message)
    }

    /// An error about the first argument that was not taken.
    fn leftover(&self) -> Option<ParseError> {
        let (name, value) = self.arguments.first()?;
        Some(match name {
            Some(name) if self.known.contains(name) => self.reader.error(name, format!("`{name}` stands twice")),
            Some(name) => {
                let what = format!("parameter of `{}`", self.name);
                self.reader.unknown(name, &what, self.known.iter().copied())
            }
            None => {
                let message = format!("`{}` takes no `{value}`", self.name);
                self.reader.error(value, message)
            }
        })
    }

    /// Nothing may be left over.
    pub(super) fn finish(&self) -> Result<(), ParseError> {
        self.leftover().map_or(Ok(()), Err)
    }
}

/// The odd Retry-After that is written like a value that no whole number is, if there is one.
fn odd_like(value: &str) -> Option<OddRetryAfter> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    match whole.strip_prefix('-') {
        Some(whole) if digits(whole) && digits(fraction) => Some(OddRetryAfter::Negative),
        None if value.contains('.') && digits(whole) && digits(fraction) => Some(OddRetryAfter::Fraction),
        None if digits(value) && value.parse::<u64>().is_err() => Some(OddRetryAfter::Beyond),
        None | Some(_) => None,
    }
}
