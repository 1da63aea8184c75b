//! What is wrong with a scenario file: every mistake at once, each with its place and, where there is one, a suggestion.

use std::fmt::{self, Write as _};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, NamedSource, SourceCode, SourceSpan,
    SpanContents,
};

use crate::screen::width;
use crate::visible::{visible, visible_source};

/// The longest line that is drawn, in bytes; a mistake in a longer one is told in words.
const LINE_MAX: usize = 300;

/// How many mistakes of one file are shown; further ones are counted.
const SHOWN_MAX: usize = 30;

/// What stands in front of a line, and of a suggestion beside its place.
const MARGIN: usize = 14;

/// One mistake in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Where, in bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it, shown at the place.
    pub suggestion: Option<String>,
}

/// All mistakes found so far.
#[derive(Default, Debug)]
pub(super) struct Mistakes {
    found: Vec<Mistake>,
}

impl Mistakes {
    /// Notes one mistake.
    pub(super) fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.suggest(span, message, None);
    }

    /// Notes one mistake with what to do about it.
    pub(super) fn suggest(&mut self, span: &Range<usize>, message: impl Into<String>, suggestion: Option<String>) {
        self.found.push(Mistake { span: span.clone(), message: message.into(), suggestion });
    }

    /// Whether none was found.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Every mistake in the order of the file; none if there was none.
    pub(super) fn into_sorted(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|mistake| (mistake.span.start, mistake.span.end));
        self.found
    }
}

/// Why a scenario file cannot be used.
#[derive(Debug)]
pub enum ScenarioError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is larger than any scenario.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        bytes_max: u64,
    },
    /// It is not UTF-8 text.
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is not.
        at: usize,
    },
    /// Its name has characters that act on a terminal; it is printed and typed again.
    NameActs {
        /// The file.
        path: PathBuf,
    },
    /// It has mistakes.
    Mistaken {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// In the order of the file; at least one.
        mistakes: Vec<Mistake>,
    },
}

impl ScenarioError {
    /// How many mistakes it stands for.
    pub fn count(&self) -> usize {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::NotText { .. } | Self::NameActs { .. } => 1,
            Self::Mistaken { mistakes, .. } => mistakes.len(),
        }
    }

    /// The whole error for a person: a headline, then each mistake with its line of the file.
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::NotText { .. } | Self::NameActs { .. } => {
                format!("error: {}\n", visible(&self.to_string()))
            }
            Self::Mistaken { path, text, mistakes } => {
                let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
                let handler = GraphicalReportHandler::new_themed(theme)
                    .with_width(width())
                    .with_context_lines(1)
                    .with_primary_span_start()
                    .with_links(false);
                // What a file says must not act on the terminal that its mistakes are drawn on.
                let (text, mistakes) = shown(text, mistakes);
                let text = &*text;
                let name = visible(&path.display().to_string()).into_owned();
                let source = WholeLines { text, named: NamedSource::new(name, text.to_owned()) };
                let mut out = format!("error: {}\n\n", visible(&self.to_string()));
                for mistake in &mistakes {
                    if line_length(text, mistake.span.start) > LINE_MAX {
                        out.push_str(&in_words(text, mistake));
                        continue;
                    }
                    let shown = Shown { mistake, source: &source };
                    handler.render_report(&mut out, &shown).expect("writing to a string does not fail");
                }
                let further = self.count().saturating_sub(SHOWN_MAX);
                if further > 0 {
                    writeln!(out, "  … and {further} more").expect("writing to a string does not fail");
                }
                out
            }
        }
    }
}

/// A text and the mistakes of it that are shown, with nothing in them that acts on a terminal.
fn shown(text: &str, mistakes: &[Mistake]) -> (String, Vec<Mistake>) {
    let place = |at: usize| {
        let whole = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        visible_source(&text[..whole]).len()
    };
    let mistakes = mistakes.iter().take(SHOWN_MAX).map(|mistake| Mistake {
        span: place(mistake.span.start)..place(mistake.span.end),
        message: visible(&mistake.message).into_owned(),
        suggestion: mistake.suggestion.as_deref().map(|suggestion| visible(suggestion).into_owned()),
    });
    (visible_source(text), mistakes.collect())
}

/// The byte length of the line in which a place stands.
fn line_length(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let before = text.as_bytes()[..at].iter().rev().take_while(|byte| **byte != b'\n').count();
    let after = text.as_bytes()[at..].iter().take_while(|byte| **byte != b'\n').count();
    before + after
}

/// A mistake in a line that is too long to be drawn.
fn in_words(text: &str, mistake: &Mistake) -> String {
    let at = mistake.span.start.min(text.len());
    let before = &text.as_bytes()[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    let help = mistake.suggestion.as_ref().map_or_else(String::new, |help| format!("  help: {help}\n"));
    format!("  × {}\n   in line {line}, at byte {column}; the line is too long to be shown\n{help}", mistake.message)
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => {
                write!(f, "{} cannot be read: {cause}; check that it is there and may be read", path.display())
            }
            Self::TooLarge { path, bytes, bytes_max } => {
                write!(
                    f,
                    "{} has {bytes} bytes, and a scenario at most {bytes_max}; name a scenario file",
                    path.display()
                )
            }
            Self::NotText { path, at } => {
                write!(f, "{} is not UTF-8 text (byte {at} is not); save it as UTF-8", path.display())
            }
            Self::NameActs { path } => {
                write!(f, "the name of {} has control characters or marks that reorder text; rename it", path.display())
            }
            Self::Mistaken { path, mistakes, .. } => {
                let count = mistakes.len();
                let noun = if count == 1 { "mistake" } else { "mistakes" };
                write!(f, "{count} {noun} in {}", path.display())
            }
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A source whose lines are shown whole, without the ones around them.
struct WholeLines<'a> {
    text: &'a str,
    named: NamedSource<String>,
}

impl SourceCode for WholeLines<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        if lines_before == 0 && lines_after == 0 {
            // Asked for the place itself, which stands in the headline.
            return self.named.read_span(span, 0, 0);
        }
        let bytes = self.text.as_bytes();
        let end = span.offset() + span.len();
        let is_break = |byte: &u8| *byte == b'\n';
        let from = bytes[..span.offset()].iter().rposition(is_break).map_or(0, |found| found + 1);
        let to = bytes[end..].iter().position(is_break).map_or(bytes.len(), |found| end + found);
        self.named.read_span(&(from, to - from).into(), 0, 0)
    }
}

/// One mistake as miette draws it.
struct Shown<'a> {
    mistake: &'a Mistake,
    source: &'a WholeLines<'a>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.mistake, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let beside = self.fits_beside().then(|| self.mistake.suggestion.clone()).flatten();
        let Range { start, end } = self.span();
        let label = LabeledSpan::new(Some(beside.unwrap_or_else(|| "here".to_owned())), start, end - start);
        Some(Box::new(std::iter::once(label)))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let suggestion = self.mistake.suggestion.as_ref().filter(|_| !self.fits_beside())?;
        Some(Box::new(suggestion))
    }
}

impl Shown<'_> {
    /// The place, inside the text.
    fn span(&self) -> Range<usize> {
        let length = self.source.text.len();
        self.mistake.span.start.min(length)..self.mistake.span.end.min(length)
    }

    /// Whether a suggestion can stand beside its place: there is something to point at, and the line has room.
    fn fits_beside(&self) -> bool {
        let Range { start, end } = self.span();
        let text = self.source.text;
        let line = text[..start].rfind('\n').map_or(0, |found| found + 1);
        let column = text[line..end].chars().count();
        let length = self.mistake.suggestion.as_ref().map_or(0, |suggestion| suggestion.chars().count());
        let points_at_something = !matches!(text.as_bytes().get(start), None | Some(b'\n' | b'\r'));
        points_at_something && column + length + MARGIN <= width()
    }
}
