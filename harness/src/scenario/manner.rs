//! Reads how a call is made: once by default, and in at most one manner.

use std::time::Duration;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::mistake::Mistakes;
use super::model::Manner;
use super::script::WAIT_MS_MAX;
use super::template::{Piece, TemplateKind, pieces};

/// How a call is made: at most one of these.
pub(super) const MANNERS: [&str; 6] =
    ["repeat", "concurrent", "double_click", "regenerate", "retry", "cancel_after_ms"];
/// The most calls that one step may make.
pub(super) const CALLS_MAX: u32 = 100;

/// Reads the manner of a call.
pub(super) fn read(
    what: &str,
    fields: &Fields<'_>,
    arguments: &Map<String, Value>,
    mistakes: &mut Mistakes,
) -> Option<Manner> {
    let given: Vec<_> = fields.iter().filter(|field| MANNERS.contains(&field.key)).collect();
    let field = match given.as_slice() {
        [] => return Some(Manner::Once),
        [field] => *field,
        [first, second, ..] => {
            mistakes.suggest(
                &second.key_span,
                format!("{what} has both `{}` and `{}`", first.key, second.key),
                Some("a call is made in one manner; make two steps".to_owned()),
            );
            return None;
        }
    };
    let mut fresh_keys = |manner: Manner| {
        let key = arguments.get("idempotency_key").and_then(Value::as_str);
        let made =
            key.is_some_and(|key| pieces(key).any(|piece| matches!(piece, Piece::Template(TemplateKind::Key, _))));
        if !made {
            mistakes.suggest(
                &field.key_span,
                format!("`{}` makes a fresh key each time, and {what} carries none", field.key),
                Some("add `idempotency_key = \"{key:pay}\"` to its args".to_owned()),
            );
        }
        made.then_some(manner)
    };
    match field.key {
        "double_click" => fresh_keys(Manner::DoubleClick).and_then(|manner| {
            field.set(mistakes)?;
            Some(manner)
        }),
        "regenerate" => fresh_keys(Manner::Regenerate).and_then(|manner| {
            field.set(mistakes)?;
            Some(manner)
        }),
        "repeat" => field.number(2..=CALLS_MAX, mistakes).map(Manner::Repeat),
        "concurrent" => field.number(2..=CALLS_MAX, mistakes).map(Manner::Concurrent),
        "retry" => field.number(2..=CALLS_MAX, mistakes).map(Manner::Retry),
        "cancel_after_ms" => {
            field.integer(0..=WAIT_MS_MAX, mistakes).map(|ms| Manner::CancelAfter(Duration::from_millis(ms)))
        }
        other => unreachable!("`{other}` is no manner"),
    }
}
