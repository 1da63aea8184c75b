//! Reads what a call is expected to be answered.

use giftgenius::error::Code;

use super::fields::Field;
use super::mistake::Mistakes;
use super::model::Answer;
use crate::suggest;

/// The answers that are not error codes.
pub(super) const ANSWERS: [&str; 6] = ["success", "failed", "pending", "cancelled", "interrupted", "protocol_error"];

/// An answer: a word, or an error's code.
pub(super) fn read(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Answer> {
    let word = field.text(mistakes)?;
    match word {
        "success" => Some(Answer::Success),
        "failed" => Some(Answer::Failed),
        "pending" => Some(Answer::Pending),
        "cancelled" => Some(Answer::Cancelled),
        "interrupted" => Some(Answer::Interrupted),
        "protocol_error" => Some(Answer::ProtocolError),
        code if Code::ALL.iter().any(|known| known.as_str() == code) => Some(Answer::Code(code.to_owned())),
        _ => {
            let known: Vec<_> = ANSWERS.into_iter().chain(Code::ALL.iter().map(|code| code.as_str())).collect();
            mistakes.suggest(
                &field.span,
                format!("`{word}` is neither an answer nor an error code"),
                suggest::hint(word, &known).or_else(|| Some(format!("{}, or an error code", suggest::list(ANSWERS)))),
            );
            None
        }
    }
}

/// The word for an answer.
pub(super) fn name(answer: &Answer) -> &str {
    match answer {
        Answer::Success => "success",
        Answer::Failed => "failed",
        Answer::Pending => "pending",
        Answer::Cancelled => "cancelled",
        Answer::Interrupted => "interrupted",
        Answer::ProtocolError => "protocol_error",
        Answer::Code(code) => code,
    }
}
