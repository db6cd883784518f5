//! The checks of this crate, as texts.

use std::collections::BTreeSet;

use kafka08_conformance::{Action, Check, Variables, checks, parse_checks};
use kafka08_proto::profile::Profile;

fn ids(holds: impl Fn(&Check) -> bool) -> Vec<&'static str> {
    checks().iter().filter(|check| holds(check)).map(Check::id).collect()
}

#[test]
fn ids_are_unique_and_have_a_group() {
    let all = ids(|_| true);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for id in all {
        let (group, rest) = id.split_once('.').unwrap_or_default();
        let is_plain = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        assert!(is_plain(group) && is_plain(rest), "{id}");
    }
}

#[test]
fn every_rule_is_a_sentence_with_a_source() {
    for check in checks() {
        let (rule, source) = (check.rule(), check.source());
        let ends = rule.ends_with('.') && rule.chars().next().is_some_and(|first| first.is_uppercase());
        assert!(ends && !rule.contains("  "), "{}: {rule}", check.id());
        assert!(source.contains("seen on 0.8."), "{}: {source}", check.id());
    }
}

#[test]
fn a_rule_was_seen_on_each_release_for_which_it_holds() {
    for check in checks() {
        for (release, name) in [(Profile::V0_8_0, "0.8.0"), (Profile::V0_8_1, "0.8.1.1"), (Profile::V0_8_2, "0.8.2.2")]
        {
            let seen = check.source().rsplit_once("seen on").is_some_and(|(_, seen)| seen.contains(name));
            assert_eq!(check.releases().contains(release), seen, "{}: {name}", check.id());
        }
    }
}

#[test]
fn every_check_expects_something_on_each_of_its_releases() {
    for check in checks() {
        for release in [Profile::V0_8_0, Profile::V0_8_1, Profile::V0_8_2] {
            let expects = |action: &Action| {
                matches!(action, Action::Expect { .. } | Action::Until { .. } | Action::Close | Action::Silence(_))
            };
            let mut steps = check.steps().iter().filter(|step| step.releases.contains(release));
            assert!(!check.releases().contains(release) || steps.any(|step| expects(&step.action)), "{}", check.id());
        }
    }
}

#[test]
fn everything_that_is_sent_has_exact_bytes() {
    let mut variables = Variables::default();
    for name in ["topic", "other", "missing", "group", "client", "strict_topic"] {
        variables.set_text(name, b"name");
    }
    for name in ["id", "now", "message_max", "request_max", "metadata_max", "metadata_half", "partitions"] {
        variables.set_number(name, 1000);
    }
    for check in checks() {
        for step in check.steps() {
            if let Action::Send(pattern) = &step.action {
                pattern.encode(&variables).unwrap_or_else(|error| panic!("{}: {error}", check.id()));
            }
        }
    }
}

#[test]
fn there_are_checks_enough_for_every_release() {
    assert!(ids(|check| check.releases().contains(Profile::V0_8_2)).len() >= 500);
    assert!(ids(|check| check.releases().contains(Profile::V0_8_1)).len() >= 400);
    assert!(ids(|check| check.releases().contains(Profile::V0_8_0)).len() >= 380);
}

#[test]
fn own_checks_use_the_same_definitions() {
    let text = "own.ping\n  rule    The broker answers.\n  source  own\n  releases 0.8.2\n  send    @ping()\n  expect  @pong()\n";
    let own = parse_checks(text).expect("it can be read");
    let [check] = own.as_slice() else { panic!("{own:?}") };
    assert_eq!((check.id(), check.rule(), check.steps().len()), ("own.ping", "The broker answers.", 2));
    assert!(check.releases().contains(Profile::V0_8_2) && !check.releases().contains(Profile::V0_8_0));
}

#[test]
fn a_text_that_cannot_be_read_names_its_line() {
    for (text, line) in [
        ("a.b\n  sing", 2),
        ("  rule x", 1),
        ("a.b\n\n  send @nothing()", 3),
        ("a.b\n  send i32:x", 2),
        ("a.b\n  releases 0.9.0", 2),
        ("a.b\n  silence soon", 2),
        ("a.b\n  needs partitions", 2),
        ("a.b\n  send @ping(", 2),
        ("define ping() i8:1", 1),
        ("define loop() @loop()\na.b\n  send @loop()", 3),
    ] {
        let error = parse_checks(text).expect_err(text).to_string();
        assert!(error.starts_with(&format!("line {line}:")), "{text}: {error}");
    }
}
