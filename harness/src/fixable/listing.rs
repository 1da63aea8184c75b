//! What would be sent: every malformed call of a tool, as `misrule malform` shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::judge::short;
use super::measure::{Measuring, prepared_cases};
use crate::malform::{Case, Class, Expected, Remedy, Sent, When};

/// The malformed calls of a tool.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// The tool.
    pub tool: String,
    /// The valid call that they are made of.
    pub valid: Value,
    /// The malformed ones, in their order.
    pub cases: Vec<Listed>,
}

/// A malformed call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    /// What it is called.
    pub label: String,
    /// When it is made: `ready`, `first` (before anything is there) or `after` (the valid call was accepted).
    pub when: String,
    /// What is sent: the arguments, or in words what stands in their place.
    pub sent: Value,
    /// The answer that is owed, in words.
    pub expected: String,
    /// What an error can tell, in words.
    pub remedy: String,
}

/// The malformed calls of every tool that is named, of all if none is. The error is a sentence.
pub fn listings(tools: &[String]) -> Result<Vec<Listing>, String> {
    let measuring = Measuring { tools: tools.to_vec(), ..Measuring::default() };
    let all = prepared_cases(&measuring)?;
    let listing = |(tool, valid, cases): (&str, Value, Vec<Case>)| Listing {
        tool: tool.to_owned(),
        valid,
        cases: cases.iter().map(Listed::of).collect(),
    };
    Ok(all.into_iter().map(listing).collect())
}

impl Listing {
    /// How many cases there are of a class.
    pub fn count(&self, class: Class) -> usize {
        let begins = format!("{}:", class.name());
        self.cases.iter().filter(|case| case.label.starts_with(&begins)).count()
    }
}

impl Listed {
    fn of(case: &Case) -> Self {
        let when = match case.when {
            When::Ready => "ready",
            When::First => "first",
            When::After(_) => "after",
        };
        let sent = match &case.sent {
            Sent::Arguments(arguments) => arguments.clone(),
            Sent::ToTool(name) => Value::from(format!("to the tool `{name}`")),
            Sent::Frame(frame) => Value::from(frame.about()),
            Sent::Nothing => Value::Null,
        };
        Self {
            label: case.label.to_string(),
            when: when.to_owned(),
            sent,
            expected: owed(&case.expected),
            remedy: remedy(&case.remedy),
        }
    }

    /// What is sent, in a few words.
    pub fn sent_short(&self) -> String {
        match &self.sent {
            Value::String(words) => words.clone(),
            Value::Null => String::from("not sent"),
            arguments => short(arguments),
        }
    }
}

fn owed(expected: &Expected) -> String {
    match expected {
        Expected::Refused(places) => {
            let places: Vec<&str> =
                places.iter().map(|place| if place.is_empty() { "the arguments" } else { place.as_str() }).collect();
            format!("refused, naming {}", places.join(", "))
        }
        Expected::Failed => String::from("a tool error: it is not there"),
        Expected::Accepted(why) => format!("accepted: {why}"),
        Expected::Open(_) => String::from("accepted, or refused by a rule of its own"),
        Expected::Protocol(error) => format!("protocol error {}: {}", error.code(), error.name()),
        Expected::EachAnswered => String::from("each is answered, and one at least accepted"),
        Expected::None(_) => String::from("none is owed"),
    }
}

fn remedy(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Restored => String::from("what was meant"),
        Remedy::Replaced(places) => format!("what would be right at {}", places.join(", ")),
        Remedy::Beyond(why) => format!("nothing: {why}"),
        Remedy::Needless => String::from("nothing to mend"),
    }
}
