//! Parity: did two runs of one scenario under one plan come to the same, though one was simulated and one was real?
//!
//! Compared is what both worlds promise, in [`channels`]: each provider request with its site, the fault that was chosen,
//! how often it was applied, what took effect and what the system saw; each line of the system's log; each tool call
//! with the whole answer; the verdict with every oracle's; and how everything stands at rest. Identifiers are renamed by
//! first appearance.
//!
//! Not compared is what a world cannot promise. *Times*: a simulated request takes 10 ms, a real one what it takes;
//! rules about time are the oracles', which judge both worlds and state their tolerance. *Order between channels*: on
//! the wire the log, the tool calls and the provider requests come over three connections, and no clock is common to
//! them. *Order between what is independent*: see [`order`].

pub mod channels;
mod diff;
pub mod order;
#[cfg(test)]
mod tests;

use std::fmt;

use channels::{Channel, channels};

use crate::outcome::Outcome;

/// What two runs differ in: the channels that are not the same, each with its lines side by side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where each of the two ran, as in `sim` and `wire`.
    worlds: [&'static str; 2],
    channels: Vec<(&'static str, String)>,
}

/// Compares two runs of one scenario under one plan; `None` if their results are the same.
pub fn difference(one: &Outcome, other: &Outcome) -> Option<Difference> {
    let worlds = [one.world.name(), other.world.name()];
    let channels: Vec<_> = channels(one)
        .into_iter()
        .zip(channels(other))
        .filter(|(one, other)| one.lines != other.lines)
        .map(|(Channel { name, lines }, other)| (name, diff::text(&lines, &other.lines)))
        .collect();
    (!channels.is_empty()).then_some(Difference { worlds, channels })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.worlds;
        for (index, (name, text)) in self.channels.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{name}: - {one}, + {other}\n{text}")?;
        }
        Ok(())
    }
}
