//! What comes back in the field and in no contract: bodies of intermediaries, odd `Retry-After` values, unrequested
//! encodings, listings that cannot be true. Each is a closed list of words, as plans name them.

use std::time::Duration;

/// A closed list of words for a parameter of a fault.
macro_rules! words {
    ($(#[$about:meta])* $kind:ident { $($(#[$says:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $kind { $($(#[$says])* $variant,)* }

        impl $kind {
            /// Every one, in the order in which they are shown.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word in a plan.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// The body under a status that something in between answers.
    ForeignBody {
        /// JSON of another shape than the contract's.
        Json = "json",
        /// A proxy's page.
        Html = "html",
        /// A line of plain text.
        Text = "text",
        /// None.
        Empty = "empty",
    }
}

words! {
    /// A `Retry-After` that RFC 9110 does not know.
    OddRetryAfter {
        /// `1.5`: seconds with a fraction.
        Fraction = "fraction",
        /// `-1`.
        Negative = "negative",
        /// `1, 5`: two header lines, as intermediaries join them.
        Doubled = "doubled",
        /// `18446744073709551616`: a number beyond 64 bits.
        Beyond = "beyond",
        /// `soon`.
        Word = "word",
    }
}

impl OddRetryAfter {
    /// The header's value.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fraction => "1.5",
            Self::Negative => "-1",
            Self::Doubled => "1, 5",
            Self::Beyond => "18446744073709551616",
            Self::Word => "soon",
        }
    }

    /// What a careful client makes of it: a fraction is rounded up, of two values the longer counts, what is beyond 64
    /// bits is for ever, and what cannot be read is as good as absent.
    pub const fn read(self) -> Option<Duration> {
        match self {
            Self::Fraction => Some(Duration::from_secs(2)),
            Self::Doubled => Some(Duration::from_secs(5)),
            Self::Beyond => Some(Duration::from_secs(u64::MAX)),
            Self::Negative | Self::Word => None,
        }
    }
}

words! {
    /// How a reply is encoded that was to be plain JSON.
    Encoding {
        /// A byte order mark in front (RFC 8259 §8.1 forbids it).
        Bom = "bom",
        /// `content-encoding: gzip`, without a request for it.
        Gzip = "gzip",
    }
}

words! {
    /// How a reply contradicts itself or its request: whole, of the right shape, and impossible.
    Contradiction {
        /// Less than nothing was given back.
        BelowNothing = "below_nothing",
        /// More was given back than was taken.
        Beyond = "beyond",
        /// It is refunded, and nothing was given back.
        NothingBack = "nothing_back",
        /// Sums that no 64 bits hold.
        Overflow = "overflow",
        /// Its money is in another currency than was asked for.
        Currency = "currency",
        /// More is held than was asked for.
        MoreHeld = "more_held",
    }
}
