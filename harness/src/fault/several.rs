//! What goes wrong at one site: nothing, one fault, or several that can happen together.

use std::fmt;

use super::Fault;

/// The faults of one site, in the order of the plan. Which ones can stand together is [`super::menu::combine`]'s rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Whether nothing goes wrong.
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anything goes wrong.
    pub const fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// Whether this fault is among them.
    pub fn has(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }

    /// Whether any of them is of a kind.
    pub fn any(&self, is_meant: impl FnMut(&Fault) -> bool) -> bool {
        self.0.iter().any(is_meant)
    }

    /// One more.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Takes out those of a kind.
    pub fn remove(&mut self, mut is_meant: impl FnMut(&Fault) -> bool) {
        self.0.retain(|fault| !is_meant(fault));
    }

    /// The fault of a site that never has more than one: every place but requests and events.
    pub fn one(self) -> Option<Fault> {
        debug_assert!(self.0.len() <= 1, "only requests and events have several faults");
        self.0.into_iter().next()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<T: IntoIterator<Item = Fault>>(faults: T) -> Self {
        Self(faults.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As in a plan: `processing + lost_reply`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" + ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
