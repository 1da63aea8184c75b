//! How a host misbehaves at a call that it is about to make: the model, its platform or the person, as a closed list.
//!
//! The host (`host/misbehaving.rs`) realises them, in both worlds alike: they are calls that are made, left out, or made
//! otherwise. What a script says of a step's manner is made in earnest; these are the same and more, as entries of a menu,
//! so that they are planned, explored and shrunk like every other fault.

/// One way to misbehave at a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum HostFault {
    /// The identical call again after its answer: a model that calls twice, a turn that is regenerated with the same state.
    Repeat,
    /// The identical call twice at once.
    Concurrent,
    /// Again after the answer, with a fresh key: Regenerate in a chat.
    Regenerate,
    /// Twice at once, each with a key of its own.
    DoubleClick,
    /// A final error is not believed: the identical call twice more.
    Stubborn,
    /// Six times in a row, each with a fresh key where the call carries one.
    Loop,
    /// The call after this one is made before it, with made-up ids where it was told none, and again in its turn.
    WrongOrder,
    /// While the call is on its way the person goes back to choosing a gift, and afterwards to the checkout again.
    GoBack,
    /// The chat is closed before the call, and opened again a day later.
    Resume,
    /// Before the call the person names another budget, moving back for it where they have to.
    ChangeMind,
    /// The call is never made.
    Skip,
    /// A tool that does not exist is called first.
    Hallucinate,
    /// Another user makes the call first, with this user's ids.
    Foreign,
}

impl HostFault {
    /// Every one, in the order in which they are shown.
    pub const ALL: [Self; 13] = [
        Self::Repeat,
        Self::Concurrent,
        Self::Regenerate,
        Self::DoubleClick,
        Self::Stubborn,
        Self::Loop,
        Self::WrongOrder,
        Self::GoBack,
        Self::Resume,
        Self::ChangeMind,
        Self::Skip,
        Self::Hallucinate,
        Self::Foreign,
    ];

    /// The word in a plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Concurrent => "concurrent",
            Self::Regenerate => "regenerate",
            Self::DoubleClick => "double_click",
            Self::Stubborn => "stubborn",
            Self::Loop => "loop",
            Self::WrongOrder => "wrong_order",
            Self::GoBack => "go_back",
            Self::Resume => "resume",
            Self::ChangeMind => "change_mind",
            Self::Skip => "skip",
            Self::Hallucinate => "hallucinate",
            Self::Foreign => "foreign",
        }
    }

    /// The one of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}
