//! Rules as text, and back.

use std::time::Duration;

use kafka08_proto::ids::ApiKey;
use proptest::prelude::*;

use super::*;
use crate::faults::Lie;

#[test]
fn a_rule_reads_as_a_sentence() {
    let rule = Rule::on(ApiKey::PRODUCE).topic("t").partition(0).nth(3).answer_with(ErrorCode(6));
    assert_eq!(rule.to_string(), "produce topic=t partition=0 nth=3: answer code=6");
    let rule = Rule::on_any().client_id("my app").delay(Duration::from_millis(250)).cut_and_hang(10);
    assert_eq!(rule.to_string(), "any client=\"my app\": delay by=250ms, cut after=10 then=hang");
    let rule = Rule::on(ApiKey(18)).once().lie(Lie::Port { port: 65_536 });
    assert_eq!(rule.to_string(), "api key=18 once: lie port port=65536");
    assert_eq!(Rule::hostile(42).to_string(), "any: hostile seed=42");
    assert_eq!(Rule::on(ApiKey::FETCH).to_string(), "fetch:");
}

#[test]
fn a_code_may_be_written_as_its_name() {
    let rule: Rule = "fetch: refuse code=NotLeaderForPartition".parse().unwrap();
    assert_eq!(rule, Rule::on(ApiKey::FETCH).refuse_with(ErrorCode(6)));
}

#[test]
fn spaces_and_quotes_may_be_more_than_needed() {
    let rule: Rule = "  fetch  topic=\"t\"  once :  twice ,cut after=1 then=close  ".parse().unwrap();
    assert_eq!(rule, Rule::on(ApiKey::FETCH).topic("t").once().twice().cut(1));
}

#[test]
fn a_wrong_text_is_refused_and_the_wrong_part_named() {
    for (text, message) in [
        ("produce twice", "a rule needs a colon between what it selects and what it does: \"produce twice\""),
        ("publish: twice", "no API has this name: \"publish\""),
        ("produce: explode", "no effect has this name: \"explode\""),
        ("produce: lie little", "no lie has this name: \"little\""),
        ("produce: lie", "a lie needs a name: \"lie\""),
        ("produce color=red: twice", "this argument is not known here: \"color\""),
        ("produce: twice times=3", "this argument is not known here: \"times\""),
        ("produce nth=x: twice", "this is not such a number: \"x\""),
        ("produce nth=1 once: twice", "this argument is not known here: \"nth\""),
        ("produce chance=3: twice", "this is not a chance such as 1/3: \"3\""),
        ("produce: answer", "an argument is missing: \"answer code=\""),
        ("produce: answer code=Nothing", "no error has this code: \"Nothing\""),
        ("produce: delay by=3", "this is not a time such as 250ms or 3s: \"3\""),
        ("produce: answer-raw hex=abc", "these are not hexadecimal digits: \"abc\""),
        ("produce: cut after=1 then=stop", "a connection ends with close, reset or hang: \"stop\""),
        ("produce topic=\"t: twice", "a quoted value does not end, or has an unknown escape: \"t: twice\""),
        ("produce: twice,", "no effect has this name: \"\""),
        ("produce: twice: twice", "a rule has only one colon: \"produce: twice: twice\""),
    ] {
        assert_eq!(text.parse::<Rule>().unwrap_err().to_string(), message);
    }
}

#[test]
fn each_lie_has_a_text_of_its_own_that_is_read_back() {
    let mut texts: Vec<String> = Lie::ALL.iter().map(Lie::to_string).collect();
    for (text, lie) in texts.iter().zip(Lie::ALL) {
        assert_eq!(text.parse::<Lie>(), Ok(lie));
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), Lie::ALL.len());
    assert!("empty, echo".parse::<Lie>().is_err());
}

const MANUAL: &str = include_str!("../../../docs/faults.md");

/// The texts in the first column of the tables below a heading.
fn rows(heading: &str) -> Vec<&'static str> {
    let (_, part) = MANUAL.split_once(heading).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let cells = part.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn each_text_of_the_manual_is_a_rule() {
    let examples = MANUAL.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let effects = rows("\n## What goes wrong\n");
    assert_eq!((examples.lines().count(), effects.len()), (3, 24));
    let rules = effects.iter().map(|effect| format!("any: {effect}"));
    for rule in examples.lines().map(str::to_owned).chain(rules) {
        assert_eq!(rule.parse::<Rule>().map(|rule| rule.to_string()), Ok(rule));
    }
}

#[test]
fn each_lie_is_in_the_manual() {
    let name = |lie: &Lie| lie.to_string().split(' ').next().unwrap().to_owned();
    let told: Vec<_> = rows("\n## Lies\n").into_iter().map(|row| name(&row.parse().unwrap())).collect();
    let mut all: Vec<_> = Lie::ALL.iter().map(name).collect();
    all.dedup();
    assert_eq!(told, all);
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        (0..Lie::ALL.len()).prop_map(|at| Lie::ALL[at].clone()),
        any::<String>().prop_map(|host| Lie::Host { host: host.into() }),
        any::<i32>().prop_map(|port| Lie::Port { port }),
        any::<i8>().prop_map(|magic| Lie::Magic { magic }),
        any::<u32>().prop_map(|inflated| Lie::GzipBomb { inflated }),
    ]
}

fn with_effect(rule: Rule) -> impl Strategy<Value = Rule> {
    let codes = || any::<i16>().prop_map(ErrorCode);
    let times = || (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
    let of = move |change: fn(Rule) -> Rule| Just(change(rule.clone()));
    let plain = prop_oneof![
        of(Rule::close_before),
        of(Rule::reset_before),
        of(Rule::ignore),
        of(Rule::close_after),
        of(Rule::reset_after),
        of(Rule::never_answer),
        of(Rule::out_of_order),
        of(Rule::twice),
        of(Rule::stop_reading),
        of(Rule::answer_acks_0),
        of(Rule::keep_open_on_acks_0),
    ];
    let first = of(|rule| rule);
    let values = (codes(), times(), any::<usize>(), any::<u8>(), any::<i32>(), any::<Vec<u8>>(), lies(), 0..11);
    let chosen = (first, values).prop_map(|(rule, (code, time, len, byte, number, bytes, lie, which))| match which {
        0 => rule.refuse_with(code),
        1 => rule.answer_with(code),
        2 => rule.delay(time),
        3 => rule.cut(len),
        4 => rule.cut_and_reset(len),
        5 => rule.cut_and_hang(len),
        6 => rule.trickle(len, time),
        7 => rule.corrupt(len, byte),
        8 => rule.wrong_id(number).shift_id(number),
        9 => rule.answer_raw(bytes),
        _ => rule.lie(lie),
    });
    prop_oneof![plain, chosen]
}

fn filtered() -> impl Strategy<Value = Rule> {
    let api = prop_oneof![Just(None), any::<i16>().prop_map(Some), (0..13_i16).prop_map(Some)];
    let name = || prop_oneof![Just(None), any::<String>().prop_map(Some), "[a-z]{1,5}".prop_map(Some)];
    let number = any::<Option<i32>>;
    let filters = (api, name(), number(), number(), any::<Option<u64>>(), name());
    (filters, 0..6, any::<u64>(), any::<u64>()).prop_map(|(filters, when, n, m)| {
        let (api, topic, partition, node, connection, client_id) = filters;
        let mut rule = api.map_or_else(Rule::on_any, |key| Rule::on(ApiKey(key)));
        rule = topic.into_iter().fold(rule, Rule::topic);
        rule = partition.into_iter().fold(rule, Rule::partition);
        rule = node.into_iter().fold(rule, Rule::node);
        rule = connection.map(ConnectionId).into_iter().fold(rule, Rule::connection);
        rule = client_id.into_iter().fold(rule, Rule::client_id);
        match when {
            0 => rule.once(),
            1 => rule.first(n),
            2 => rule.nth(n),
            3 => rule.every(n),
            4 => rule.with_chance(n, m),
            _ => rule.always(),
        }
    })
}

proptest! {
    #[test]
    fn a_rule_is_read_back_from_its_text(
        rule in filtered().prop_flat_map(with_effect).prop_flat_map(with_effect)
    ) {
        let text = rule.to_string();
        prop_assert!(!text.chars().any(char::is_control), "{text}");
        prop_assert_eq!(text.parse::<Rule>(), Ok(rule));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z0-9=:, \"\\\\{}]{0,40}") {
        let _ = text.parse::<Rule>();
        let _ = text.parse::<Lie>();
    }
}
