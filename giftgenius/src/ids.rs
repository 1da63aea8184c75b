//! Identifiers as types of their own, so that an order is never looked up by a session's id.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<SmolStr>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

id! {
    /// Who is calling, as the connection says (never an argument).
    UserId
}
id! {
    /// A quote that was frozen and can be paid once: `cs_…`.
    SessionId
}
id! {
    /// One attempt to sell a session's items, and the merchant reference at the providers: `ord_…`.
    OrderId
}
id! {
    /// A purchase conversation: `wf_…`.
    WorkflowId
}
id! {
    /// What ties a tool call to the provider requests and log lines it caused.
    CorrelationId
}
id! {
    /// One thing that the payment provider tells of: its own id, the same on every delivery.
    EventId
}
