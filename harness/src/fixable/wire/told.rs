//! The results of both transports, as one: what is wrong over either is wrong, and mended is what was mended over both.

use super::Transport;
use crate::fixable::judge::{Judged, Mending};

/// Joins what a frame came to over each transport.
pub(super) fn joined(over: &[(Transport, Judged)]) -> Judged {
    let each = |of: fn(&Judged) -> Option<String>| {
        over.iter().map(|(transport, judged)| (*transport, of(judged))).collect::<Vec<_>>()
    };
    let answered = each(|judged| Some(judged.answered.clone()));
    let same = answered.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let mendings: Vec<&Mending> = over.iter().filter_map(|(_, judged)| judged.mended.as_ref()).collect();
    let mended = (!mendings.is_empty()).then(|| Mending {
        turns: mendings
            .iter()
            .map(|mending| mending.turns)
            .collect::<Option<Vec<_>>>()
            .and_then(|all| all.into_iter().max()),
        kept: mendings.iter().all(|mending| mending.kept),
        lacks: said(&each(|judged| judged.mended.as_ref()?.lacks.clone())),
    });
    Judged {
        answered: if same { over[0].1.answered.clone() } else { said(&answered).unwrap_or_default() },
        wrong: said(&each(|judged| judged.wrong.clone())),
        mended,
        beyond: over.iter().find_map(|(_, judged)| judged.beyond),
    }
}

/// What is said of each transport, with its name; once where it is the same of both.
fn said(each: &[(Transport, Option<String>)]) -> Option<String> {
    let some: Vec<(Transport, &String)> =
        each.iter().filter_map(|(transport, what)| Some((*transport, what.as_ref()?))).collect();
    let (_, first) = some.first()?;
    if some.len() == each.len() && some.iter().all(|(_, what)| what == first) {
        return Some((*first).clone());
    }
    let named: Vec<String> =
        some.iter().map(|(transport, what)| format!("over {}: {what}", transport.name())).collect();
    Some(named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(wrong: Option<&str>, turns: Option<u32>, kept: bool) -> Judged {
        Judged {
            answered: String::from("-32700: no"),
            wrong: wrong.map(str::to_owned),
            mended: Some(Mending { turns, kept, lacks: None }),
            beyond: None,
        }
    }

    fn both(stdio: Judged, http: Judged) -> Judged {
        joined(&[(Transport::Stdio, stdio), (Transport::Http, http)])
    }

    #[test]
    fn what_one_transport_gets_wrong_is_told_with_its_name() {
        let whole = both(judged(None, Some(1), true), judged(None, Some(1), true));
        assert_eq!((whole.wrong, whole.answered.as_str()), (None, "-32700: no"));
        let one = both(judged(Some("no answer came"), Some(1), true), judged(None, Some(1), true));
        assert_eq!(one.wrong.as_deref(), Some("over stdio: no answer came"));
        let same = both(judged(Some("no answer came"), None, false), judged(Some("no answer came"), None, false));
        assert_eq!(same.wrong.as_deref(), Some("no answer came"));
    }

    #[test]
    fn mended_is_what_was_mended_over_both() {
        let mended = |stdio, http| both(stdio, http).mended.expect("one of them");
        assert_eq!(mended(judged(None, Some(1), true), judged(None, Some(2), true)).turns, Some(2));
        assert_eq!(mended(judged(None, Some(1), true), judged(None, None, false)).turns, None);
        assert!(!mended(judged(None, Some(1), true), judged(None, Some(1), false)).kept);
    }
}
