//! Which requests a rule is applied to, and how often.

use kafka08_proto::{api::AnyRequest, ids::ApiKey};

use super::*;
use crate::faults::Lie;

/// Of ten equal requests, the numbers of those that the rule is applied to.
fn fired(seed: u64, rule: Rule) -> Vec<u32> {
    let mut faults = Faults::new(seed);
    faults.add(rule);
    let asked = Asked::new(PRODUCE);
    (1..=10).filter(|_| !faults.decide(&asked.incoming()).is_empty()).collect()
}

#[test]
fn a_rule_is_applied_as_often_as_it_says() {
    let rule = || Rule::on(ApiKey::PRODUCE).twice();
    assert_eq!(fired(1, rule().always()).len(), 10);
    assert_eq!(fired(1, rule().once()), [1]);
    assert_eq!(fired(1, rule().first(3)), [1, 2, 3]);
    assert_eq!(fired(1, rule().nth(3)), [3]);
    assert_eq!(fired(1, rule().every(4)), [4, 8]);
    assert_eq!(fired(1, rule().every(0)), []);
    assert_eq!(fired(1, rule().with_chance(1, 1)).len(), 10);
    assert_eq!(fired(1, rule().with_chance(1, 0)), []);
}

#[test]
fn chances_depend_on_the_seed_only() {
    let rule = Rule::on_any().with_chance(1, 2).twice();
    let of_seeds: Vec<_> = (0..8).map(|seed| fired(seed, rule.clone())).collect();
    assert_eq!(of_seeds, (0..8).map(|seed| fired(seed, rule.clone())).collect::<Vec<_>>());
    assert!(of_seeds.iter().any(|fired| fired != &of_seeds[0]));
}

#[test]
fn a_rule_that_is_added_does_not_change_the_chances_of_others() {
    let rule = || Rule::on_any().with_chance(1, 2).twice();
    let (mut alone, mut beside) = (Faults::new(5), Faults::new(5));
    let (first, same) = (alone.add(rule()), beside.add(rule()));
    beside.add(rule());
    let asked = Asked::new(PRODUCE);
    for _ in 0..20 {
        let rules = beside.decide(&asked.incoming()).rules;
        assert_eq!(alone.decide(&asked.incoming()).rules.contains(&first), rules.contains(&same));
    }
}

#[test]
fn a_filter_selects_only_what_it_names() {
    let selects = |rule: Rule| !plan(rule.twice(), PRODUCE).is_empty();
    let any = Rule::on_any;
    assert!(selects(any().topic("t").partition(0).node(1).connection(ConnectionId(7)).client_id("c")));
    assert!(!selects(Rule::on(ApiKey::FETCH)));
    assert!(!selects(any().topic("u")));
    assert!(!selects(any().partition(1)));
    assert!(!selects(any().node(2)));
    assert!(!selects(any().connection(ConnectionId(8))));
    assert!(!selects(any().client_id("d")));
    // A request without topics is not about a topic.
    assert!(plan(any().topic("t").twice(), HEARTBEAT).is_empty());
}

#[test]
fn a_function_sees_the_request_and_its_body() {
    let rule = |wanted: i16| {
        Rule::on(ApiKey::PRODUCE).twice().matching("acks", move |view| match view.request() {
            Ok(AnyRequest::Produce(produce)) => produce.acks.0 == wanted,
            _ => false,
        })
    };
    assert!(!plan(rule(1), PRODUCE).is_empty());
    assert!(plan(rule(-1), PRODUCE).is_empty());
    assert_eq!(rule(1).to_string(), "produce matching=acks: twice");
    assert!("produce matching=acks: twice".parse::<Rule>().is_err());
}

#[test]
fn rules_are_counted_listed_and_removed() {
    let mut faults = Faults::new(1);
    let first = faults.add(Rule::on(ApiKey::PRODUCE).twice());
    let second = faults.add(Rule::on(ApiKey::FETCH).twice());
    let asked = Asked::new(PRODUCE);
    faults.decide(&asked.incoming());
    let plan = faults.decide(&asked.incoming());
    assert_eq!(plan.rules, [first]);
    assert_eq!((faults.fired(first), faults.fired(second)), (2, 0));
    let report = faults.report();
    assert_eq!(report[0], (first, Rule::on(ApiKey::PRODUCE).twice(), 2));
    assert_eq!(faults.remove(first), Some(Rule::on(ApiKey::PRODUCE).twice()));
    assert_eq!(faults.remove(first), None);
    assert!(faults.decide(&asked.incoming()).is_empty());
    faults.clear();
    assert!(faults.report().is_empty());
    assert_ne!(faults.add(Rule::on_any()), first, "an id is not used again");
}

#[test]
fn effects_of_all_rules_add_up_in_their_order() {
    let mut faults = Faults::new(1);
    faults.add(Rule::on_any().answer_with(ErrorCode(7)));
    faults.add(Rule::on_any().lie(Lie::OffsetMissing).duplicate());
    let mut answer = truth(PRODUCE);
    apply(&faults.decide(&Asked::new(PRODUCE).incoming()), &mut answer);
    let entry = "00000000 0000 ffffffffffffffff";
    assert_body(&answer, &format!("00000001 000174 00000002 {entry} {entry}"));
}

#[test]
fn no_memory_is_needed_when_no_rule_is_applied() {
    let plan = plan(Rule::on(ApiKey::FETCH).twice(), PRODUCE);
    assert_eq!(plan, Plan::default());
    assert_eq!((plan.rules.capacity(), plan.edits.capacity(), plan.frame.capacity()), (0, 0, 0));
}

#[test]
fn a_hostile_rule_lies_in_each_answer_and_equal_seeds_lie_equally() {
    let plans = |seed| {
        let mut faults = Faults::new(1);
        faults.add(Rule::hostile(seed));
        let frames =
            [METADATA, PRODUCE, FETCH, LIST_OFFSETS, OFFSET_COMMIT, OFFSET_FETCH, CONSUMER_METADATA, HEARTBEAT];
        let asked = frames.iter().cycle().take(80).map(|frame| Asked::new(frame));
        asked.map(|asked| faults.decide(&asked.incoming())).collect::<Vec<_>>()
    };
    let of_3 = plans(3);
    assert!(of_3.iter().all(|plan| !plan.edits.is_empty() || !plan.frame.is_empty()));
    assert_eq!(of_3, plans(3));
    assert_ne!(of_3, plans(4));
}

#[test]
fn a_hostile_rule_leaves_a_produce_without_an_answer_alone() {
    let plan = plan(Rule::hostile(1), PRODUCE_ACKS_0);
    assert_eq!(crate::faults::deliver_nothing(&plan, id(1)), []);
}

#[test]
fn each_lie_changes_an_answer_of_each_api_that_it_concerns() {
    for (frame, api) in [
        (METADATA, ApiKey::METADATA),
        (PRODUCE, ApiKey::PRODUCE),
        (FETCH, ApiKey::FETCH),
        (LIST_OFFSETS, ApiKey::LIST_OFFSETS),
        (OFFSET_COMMIT, ApiKey::OFFSET_COMMIT),
        (OFFSET_FETCH, ApiKey::OFFSET_FETCH),
        (CONSUMER_METADATA, ApiKey::CONSUMER_METADATA),
    ] {
        for lie in Lie::ALL {
            // Large lies are tested on their own.
            if matches!(lie, Lie::ManyPartitions { .. } | Lie::GzipBomb { .. }) {
                continue;
            }
            let plan = plan(Rule::on_any().lie(lie.clone()), frame);
            let mut answer = truth(frame);
            apply(&plan, &mut answer);
            let changed = answer != truth(frame) || !plan.frame.is_empty();
            assert_eq!(changed, lie.concerns(api), "{lie} in {api}");
        }
    }
}
