//! How long something is believed that is no longer listed.

use super::*;

/// The last second at which what was confirmed at 0 is believed: three times the maximum age.
const LAST: u64 = 900;

#[test]
fn a_partition_that_is_not_listed_is_dropped_after_three_maximum_ages() {
    let mut view = seen("1=a:1 2=b:2 | t: 0@1 1@2 2@-!5");
    for seconds in [1, LAST / 2, LAST] {
        merge(&mut view, seconds, "t", "1=a:1 2=b:2 | t: 0@1");
        assert_eq!(show(&view), "1=a:1 2=b:2 | t~: 0@1 1@2 2@-!5", "{seconds} s");
    }
    let changes = merge(&mut view, LAST + 1, "t", "1=a:1 2=b:2 | t: 0@1");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 2=b:2 | t: 0@1", "t/1 t"));
}

#[test]
fn each_partition_has_its_own_age() {
    let mut view = seen("1=a:1 | t: 0@1 1@1 2@1");
    merge(&mut view, 500, "t", "1=a:1 | t: 1@1");
    let confirmed = |view: &View, id| view.topic("t").and_then(|t| t.partition(PartitionId(id))).map(|p| p.confirmed);
    assert_eq!((confirmed(&view, 0), confirmed(&view, 1)), (Some(at(0)), Some(at(500))));
    merge(&mut view, LAST + 1, "t", "1=a:1 | t: 0@1");
    assert_eq!(show(&view), "1=a:1 | t: 0@1 1@1");
    merge(&mut view, 500 + LAST, "t", "1=a:1 | t: 0@1");
    assert_eq!(show(&view), "1=a:1 | t: 0@1 1@1");
    merge(&mut view, 500 + LAST + 1, "t", "1=a:1 | t: 0@1");
    assert_eq!(show(&view), "1=a:1 | t: 0@1");
}

#[test]
fn a_topic_that_does_not_exist_any_more_loses_its_partitions_after_three_maximum_ages() {
    let mut view = seen("1=a:1 | t: 0@1 1@1");
    merge(&mut view, LAST, "t", "1=a:1 | t!3:");
    assert_eq!(show(&view), "1=a:1 | t~!3: 0@1 1@1");
    let changes = merge(&mut view, LAST + 1, "t", "1=a:1 | t!3:");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 | t~!3:", "t/0 t/1 t"));
    assert_eq!(view.topic("t").map(|topic| topic.confirmed()), Some(at(LAST + 1)));
}

#[test]
fn a_topic_that_all_topics_lack_is_dropped_after_three_maximum_ages() {
    let mut view = seen("1=a:1 | t: 0@1 1@- | u: 0@1");
    merge(&mut view, LAST, "*", "1=a:1 | u: 0@1");
    assert_eq!(show(&view), "1=a:1 | t~: 0@1 1@-!0 | u: 0@1");
    let changes = merge(&mut view, LAST + 1, "*", "1=a:1 | u: 0@1");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 | u: 0@1", "t/0 t"));
}

#[test]
fn a_topic_that_was_asked_for_and_is_not_answered_is_dropped_after_three_maximum_ages() {
    let mut view = seen("1=a:1 | t: 0@1 | u: 0@1");
    for seconds in [LAST / 2, LAST] {
        merge(&mut view, seconds, "t", "1=a:1 | u: 0@1");
        assert_eq!(show(&view), "1=a:1 | t: 0@1 | u: 0@1");
    }
    let changes = merge(&mut view, LAST + 1, "t", "1=a:1");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 | u: 0@1", "t/0 t"));
}

#[test]
fn an_answer_for_named_topics_drops_no_other_topic_however_old() {
    let mut view = seen("1=a:1 | t: 0@1 | u: 0@1");
    assert_eq!(merge(&mut view, 10 * LAST, "u", "1=a:1 | u: 0@1"), Changes::default());
    assert_eq!(show(&view), "1=a:1 | t: 0@1 | u: 0@1");
}

#[test]
fn a_broker_that_leads_nothing_is_dropped_after_three_maximum_ages() {
    let mut view = seen("1=a:1 2=b:2 | t: 0@1");
    merge(&mut view, LAST, "t", "1=a:1 | t: 0@1");
    assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@1");
    merge(&mut view, LAST + 1, "t", "| t: 0@1");
    assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@1", "an answer without brokers drops none");
    let changes = merge(&mut view, LAST + 1, "t", "1=a:1 | t: 0@1");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 | t: 0@1", "2"));
}

#[test]
fn a_broker_is_kept_while_it_leads_and_dropped_after_that() {
    let mut view = seen("1=a:1 2=b:2 | t: 0@2 | u: 0@1");
    merge(&mut view, LAST + 1, "u", "1=a:1 | u: 0@1");
    assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@2 | u: 0@1");
    merge(&mut view, LAST + 2, "t", "1=a:1 | t: 0@1");
    assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@1 | u: 0@1");
    let changes = merge(&mut view, 2 * LAST + 2, "t", "1=a:1 | t: 0@1");
    assert_eq!((show(&view).as_str(), show_changes(&changes).as_str()), ("1=a:1 | t: 0@1 | u: 0@1", "2"));
}

#[test]
fn a_topic_that_is_forgotten_leaves_nothing() {
    let mut view = seen("1=a:1 | t: 0@7 1@1 | u: 0@1");
    view.forget("t");
    view.forget("never");
    assert_sound(&view);
    assert_eq!(show(&view), "1=a:1 | u: 0@1");
    let changes = merge(&mut view, 1, "t", "1=a:1 | t: 0@1");
    assert_eq!(show_changes(&changes), "t/0 t");
}

#[test]
fn the_oldest_topic_is_the_one_for_which_no_answer_came_the_longest() {
    let mut view = View::default();
    assert_eq!(view.oldest(), None);
    merge(&mut view, 1, "t", "1=a:1 | t: 0@1");
    merge(&mut view, 2, "u v", "1=a:1 | u: 0@1 | v!5:");
    assert_eq!(view.oldest(), Some(at(1)));
    merge(&mut view, 3, "t", "1=a:1 | t: 0@1");
    assert_eq!(view.oldest(), Some(at(2)));
    let older = |view: &View, seconds| view.older_than(at(seconds)).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(older(&view, 3), ["u", "v"]);
    assert_eq!(older(&view, 4), ["u", "v", "t"]);
    merge(&mut view, 5, "*", "1=a:1 | u: 0@1");
    assert_eq!(view.oldest(), Some(at(5)), "also the topics count that it should have listed");
    assert_eq!((older(&view, 5).len(), older(&view, 6).len()), (0, 3));
    merge(&mut view, 6, "t v", "");
    assert_eq!(view.oldest(), Some(at(5)));
    view.forget("u");
    assert_eq!(view.oldest(), Some(at(6)));
}

#[test]
fn nothing_that_is_listed_is_dropped_without_a_maximum_age() {
    let mut view = View::default();
    let listed = answer("1=a:1 2=b:2 | t: 0@1 1@1");
    for seconds in [0, 0, 1] {
        view.merge(at(seconds), Duration::ZERO, &Topics::All, &listed, &|_, to| Some(to));
        assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@1 1@1");
    }
    view.merge(at(2), Duration::MAX, &Topics::All, &answer(""), &|_, to| Some(to));
    assert_eq!(show(&view), "1=a:1 2=b:2 | t: 0@1 1@1");
}
