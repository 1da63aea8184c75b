//! What comes out of the system's processes on the wire, as it comes.

/// A text that came out of a process of the system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Where it came out.
    pub channel: Channel,
    /// How many events there were.
    pub at: usize,
    /// The text; what is no UTF-8 is replaced.
    pub text: String,
}

/// Where texts come out of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// A whole answer to an MCP request, its content blocks included.
    Answer,
    /// The headers of an answer.
    Headers,
    /// A health page.
    Health,
    /// A line of stderr: the log, and whatever else is written there.
    Stderr,
    /// A file of the journal, once the run is over.
    Journal,
}

impl Channel {
    /// Where that is, in a sentence.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Answer => "an answer as it was sent",
            Self::Headers => "the headers of an answer",
            Self::Health => "the health page",
            Self::Stderr => "a line of stderr",
            Self::Journal => "a file of the journal",
        }
    }
}
