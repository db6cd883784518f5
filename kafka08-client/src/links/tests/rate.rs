//! Attempts in a second.

use std::time::Duration;

use super::{
    super::rate::Rate,
    rig::{SECOND, origin},
};

#[test]
fn each_place_is_free_a_second_after_it_was_taken() {
    let start = origin();
    let at = |ms| start + Duration::from_millis(ms);
    let mut rate = Rate::new(3);
    assert_eq!(rate.free_at(2), None);
    for ms in [0, 100, 300] {
        assert!(rate.allows(at(ms)));
        rate.note(at(ms));
    }
    assert!(!rate.allows(at(999)) && rate.allows(at(1000)));
    let free: Vec<_> = (0..7).map(|ahead| rate.free_at(ahead)).collect();
    assert_eq!(free, [1000, 1100, 1300, 2000, 2100, 2300, 3000].map(|ms| Some(at(ms))));
    rate.note(at(1000));
    assert_eq!(rate.free_at(0), Some(at(1100)));
}

#[test]
fn places_that_were_never_taken_are_free() {
    let start = origin();
    let mut rate = Rate::new(3);
    rate.note(start);
    assert_eq!([0, 1].map(|ahead| rate.free_at(ahead)), [None, None]);
    assert_eq!(rate.free_at(2), Some(start + SECOND));
}

#[test]
fn at_least_one_attempt_is_allowed() {
    assert!(Rate::new(0).allows(origin()));
}
