//! Which mutants are judged: all that match, or so many of them, drawn by a seed.

use crate::equivalent::Equivalent;
use crate::key::{Key, hash};
use crate::rewrite::Mutant;

/// What a wrong sale would come from; all else is beside it.
pub(crate) const CORE: [&str; 5] = ["checkout", "error", "journal", "providers", "retry"];

/// Whether `only` is a mutant's module, `core` or `elsewhere` as the report groups modules, or a part of the key.
fn matches(key: &Key, only: &str) -> bool {
    match only {
        "core" => CORE.contains(&key.module()),
        "elsewhere" => !CORE.contains(&key.module()),
        _ => key.module() == only || key.0.contains(only),
    }
}

/// The mutants that `only` names.
pub(crate) fn narrowed<'a>(mutants: &'a [Mutant], only: Option<&str>) -> Vec<&'a Mutant> {
    mutants.iter().filter(|mutant| only.is_none_or(|only| matches(&mutant.key, only))).collect()
}

/// `count` of the mutants that `only` names, in an order that the seed decides. It goes by key, so that a mutant that
/// comes or goes changes the sample by one. One that is known to make no difference is not drawn: it does not count.
pub(crate) fn draw<'a>(
    mutants: &'a [Mutant],
    equivalent: &[Equivalent],
    only: Option<&str>,
    count: Option<usize>,
    seed: u64,
) -> Vec<&'a Mutant> {
    let mut drawn = narrowed(mutants, only);
    if let Some(count) = count {
        drawn.retain(|mutant| !equivalent.iter().any(|entry| entry.key == mutant.key));
        drawn.sort_by_key(|mutant| (hash(format!("{seed} {}", mutant.key).as_bytes()), &mutant.key));
        drawn.truncate(count);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equivalent::Class;

    fn mutants(count: u32) -> Vec<Mutant> {
        let key = |id| Key(format!("{}::f | {id} | plus 1", if id % 2 == 0 { "retry" } else { "money" }));
        (1..=count).map(|id| Mutant { id, key: key(id), file: "retry.rs".to_owned() }).collect()
    }

    fn ids(drawn: &[&Mutant]) -> Vec<u32> {
        let mut ids: Vec<_> = drawn.iter().map(|mutant| mutant.id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn a_seed_draws_the_same_and_another_draws_others() {
        let mutants = mutants(100);
        let of = |seed| ids(&draw(&mutants, &[], None, Some(10), seed));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).len(), 10);
    }

    #[test]
    fn one_mutant_less_changes_the_sample_by_one_at_most() {
        let all = mutants(100);
        let before = ids(&draw(&all, &[], None, Some(10), 1));
        let after = ids(&draw(&all[1..], &[], None, Some(10), 1));
        assert!(after.iter().filter(|id| !before.contains(id)).count() <= 1);
    }

    #[test]
    fn what_makes_no_difference_is_not_drawn() {
        let mutants = mutants(20);
        let entry = |mutant: &Mutant| Equivalent {
            key: mutant.key.clone(),
            class: Class::Equivalent,
            reason: "the bound is never reached".to_owned(),
        };
        let equivalent: Vec<_> = mutants[..5].iter().map(entry).collect();
        assert_eq!(ids(&draw(&mutants, &equivalent, None, Some(20), 1)), (6..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_module_or_a_part_of_a_key_narrows_it() {
        let mutants = mutants(10);
        assert_eq!(ids(&narrowed(&mutants, Some("retry"))), [2, 4, 6, 8, 10]);
        assert_eq!(ids(&narrowed(&mutants, Some("f | 3 |"))), [3]);
        assert_eq!(ids(&narrowed(&mutants, Some("core"))), [2, 4, 6, 8, 10]);
        assert_eq!(ids(&narrowed(&mutants, Some("elsewhere"))), [1, 3, 5, 7, 9]);
    }
}
