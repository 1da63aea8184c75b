//! The measurement itself: the bars hold for GiftGenius, and would not hold for worse messages.

use super::*;
use crate::report::document::Word;

#[test]
fn every_error_of_giftgenius_can_be_repaired_from() {
    let errors = measure(&Measuring::default()).expect("it runs");
    assert!(errors.sent > 1_000, "only {} were sent", errors.sent);
    assert_eq!(errors.verdict, Word::Ok, "{}", terminal::write(&errors, "misrule"));
}

#[test]
fn what_is_measured_is_the_same_each_time() {
    let once = || {
        let tools = vec![String::from("create_checkout_session")];
        let errors = measure(&Measuring { tools, ..Measuring::default() }).expect("it runs");
        Errors { measured: document::Measured { elapsed_us: 0 }, ..errors }
    };
    assert_eq!(once(), once());
}
