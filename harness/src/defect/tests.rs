use std::collections::BTreeSet;

use super::*;
use crate::oracle;

#[test]
fn every_defect_has_a_name_of_its_own_a_line_and_a_rule_that_exists() {
    let mut names = BTreeSet::new();
    for defect in ALL {
        assert!(names.insert(defect.id), "{} stands twice", defect.id);
        assert!(
            defect.id.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_')
        );
        assert!(by_id(defect.id).is_some_and(|found| std::ptr::eq(found, *defect)));
        assert!(oracle::by_id(defect.caught_by).is_some(), "{}: there is no `{}`", defect.id, defect.caught_by);
        assert!(!defect.about.is_empty() && !defect.about.ends_with('.'), "{}", defect.id);
        assert!(!defect.hunted_on.is_empty(), "{}", defect.id);
    }
    assert!(names.len() >= 45, "{} defects", names.len());
}
