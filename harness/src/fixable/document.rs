//! What is told of a measurement: figures by tool and class, what is below its bar, which messages are worst and what
//! they lack, and what no message could repair.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measure::Made;
use crate::malform::Class;
use crate::report::document::Word;

/// The version of this document's form.
pub const FORMAT: u32 = 1;

/// Whether errors can be repaired from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Errors {
    /// The version of this document's form.
    pub format: u32,
    /// The version of misrule.
    pub misrule: String,
    /// `broken` if a call was answered otherwise than is owed or a bar is missed.
    pub verdict: Word,
    /// Malformed calls that there are, those among them that are not sent included.
    pub cases: u64,
    /// Malformed calls that were made.
    pub sent: u64,
    /// Of these, frames that were sent to the real system, each on stdio and over HTTP.
    pub frames: u64,
    /// Of these, those that were answered otherwise than is owed.
    pub answered_otherwise: u64,
    /// By tool and class, worst first.
    pub rows: Vec<Row>,
    /// What the whole is held to.
    pub bars: Vec<Bar>,
    /// The worst messages.
    pub worst: Vec<Worst>,
    /// What no message can repair, by reason.
    pub beyond: Vec<Beyond>,
    /// What differs from run to run.
    pub measured: Measured,
}

/// The malformed calls of a tool in a class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The tool.
    pub tool: String,
    /// The class.
    pub class: String,
    /// How many were made.
    pub cases: u64,
    /// How many were answered otherwise than is owed.
    pub answered_otherwise: u64,
    /// How many were refused with an error that could say what would be right.
    pub mendable: u64,
    /// How many of those the agent mended.
    pub repaired: u64,
    /// How many of those in one turn.
    pub one_turn: u64,
    /// How many of those so that they say what was meant.
    pub intent_kept: u64,
    /// What the worst message lacks.
    pub lacks: Option<String>,
}

/// A share that must be reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// Of what.
    pub what: String,
    /// At least so many of a hundred.
    pub least_percent: u64,
    /// So many were reached.
    pub reached: u64,
    /// Of so many.
    pub of: u64,
}

impl Bar {
    /// Whether it is reached.
    pub const fn is_met(&self) -> bool {
        self.reached * 100 >= self.least_percent * self.of
    }
}

/// A message that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Worst {
    /// The tool.
    pub tool: String,
    /// The malformed call.
    pub label: String,
    /// What was sent, in a few words.
    pub sent: String,
    /// What was answered.
    pub answered: String,
    /// What is wrong with that, or missing.
    pub lacks: String,
    /// What would mend it.
    pub advice: String,
}

/// What no message can repair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Beyond {
    /// Why.
    pub why: String,
    /// Which: tool and label.
    pub cases: Vec<String>,
}

/// What differs from run to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Time spent in making, judging and mending the simulated calls, on one core.
    pub elapsed_us: u64,
}

impl Errors {
    /// Simulated malformed calls a second on one core, each with its repair; `None` before there was one.
    pub fn cases_per_second(&self) -> Option<u64> {
        (self.sent - self.frames).saturating_mul(1_000_000).checked_div(self.measured.elapsed_us)
    }

    /// The document as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a document has string keys only");
        text.push('\n');
        text
    }
}

/// The document's JSON Schema (2020-12), as a file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Errors)).expect("a schema is plain data");
    text.push('\n');
    text
}

/// The figures by tool and class, worst first.
pub(super) fn rows(made: &[Made]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for made in made {
        let Some(judged) = &made.judged else { continue };
        let class = made.case.label.class.name();
        let at = rows.iter().position(|row| row.tool == made.tool && row.class == class).unwrap_or_else(|| {
            rows.push(Row::new(made.tool, class));
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.cases += 1;
        if let Some(wrong) = &judged.wrong {
            row.answered_otherwise += 1;
            row.lacks.get_or_insert_with(|| wrong.clone());
        }
        if let Some(mending) = &judged.mended {
            row.mendable += 1;
            row.repaired += u64::from(mending.turns.is_some());
            row.one_turn += u64::from(mending.turns == Some(1));
            row.intent_kept += u64::from(mending.kept);
            if let Some(lacks) = &mending.lacks {
                row.lacks.get_or_insert_with(|| lacks.clone());
            }
        }
    }
    // Stable: equals stay in the order of the tools and classes.
    rows.sort_by_key(|row| std::cmp::Reverse(row.badness()));
    rows
}

impl Row {
    fn new(tool: &str, class: &str) -> Self {
        Self {
            tool: tool.to_owned(),
            class: class.to_owned(),
            cases: 0,
            answered_otherwise: 0,
            mendable: 0,
            repaired: 0,
            one_turn: 0,
            intent_kept: 0,
            lacks: None,
        }
    }

    /// How bad it is: not repaired before not kept before not at once.
    const fn badness(&self) -> (u64, u64, u64) {
        let lost = self.mendable - self.repaired;
        (lost + self.answered_otherwise, self.mendable - self.intent_kept, self.mendable - self.one_turn)
    }
}

/// What the whole is held to (F12).
pub(super) fn bars(rows: &[Row]) -> Vec<Bar> {
    let sum = |of: fn(&Row) -> u64, classes: &[Class]| {
        rows.iter().filter(|row| classes.iter().any(|class| class.name() == row.class)).map(of).sum::<u64>()
    };
    let bar = |what: &str, least_percent, of: fn(&Row) -> u64, classes: &[Class]| Bar {
        what: what.to_owned(),
        least_percent,
        reached: sum(of, classes),
        of: sum(|row| row.mendable, classes),
    };
    let mut bars = vec![
        bar("repaired", 100, |row| row.repaired, &Class::ALL),
        bar("repaired in one turn", 100, |row| row.one_turn, &Class::ALL),
    ];
    for class in [Class::Type, Class::Name, Class::Envelope] {
        let of_class = bar(&format!("intent kept, {}", class.name()), 100, |row| row.intent_kept, &[class]);
        if of_class.of > 0 {
            bars.push(of_class);
        }
    }
    bars
}

/// Messages that are told at most.
const WORST_MAX: usize = 200;

/// The messages that are not what they should be, in the order of badness.
pub(super) fn worst(made: &[Made]) -> Vec<Worst> {
    let mut found: Vec<(u8, Worst)> = Vec::new();
    for made in made {
        let Some(judged) = &made.judged else { continue };
        let mending = judged.mended.as_ref();
        let unrepaired = mending.is_some_and(|mending| mending.turns.is_none());
        let unkept = mending.is_some_and(|mending| !mending.kept);
        let (rank, lacks, advice) = match (&judged.wrong, mending.and_then(|mending| mending.lacks.as_ref())) {
            (Some(wrong), _) => (0, wrong.clone(), "answer what the published schema owes, naming the place"),
            (None, Some(lacks)) if unrepaired => (
                1,
                lacks.clone(),
                "say at the place what to send: a `suggestion`, a default, or an example in the schema",
            ),
            (None, Some(lacks)) if unkept => {
                (2, lacks.clone(), "give the value that was meant as `suggestion`: it is still in what was sent")
            }
            (None, Some(lacks)) => {
                (3, lacks.clone(), "tell every violation in the first answer, and suggest nothing that is refused")
            }
            (None, None) => continue,
        };
        let worst = Worst {
            tool: made.tool.to_owned(),
            label: made.case.label.to_string(),
            sent: made.sent(),
            answered: judged.answered.clone(),
            lacks,
            advice: advice.to_owned(),
        };
        found.push((rank, worst));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.truncate(WORST_MAX);
    found.into_iter().map(|(_, worst)| worst).collect()
}
