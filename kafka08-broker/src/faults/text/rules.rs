//! The text form of rules: which requests, how often, a colon, and the effects.

use std::fmt;

use kafka08_proto::ids::{ApiKey, ConnectionId, NodeId, PartitionId, Text};

use super::{
    lies::parse_lie,
    words::{Hex, ParseRuleError, Phrase, Time, Words, write_value},
};
use crate::faults::{
    Rule,
    effect::{Effect, Ending},
    when::When,
};

/// The names of the APIs in rules.
const APIS: [(ApiKey, &str); 13] = [
    (ApiKey::PRODUCE, "produce"),
    (ApiKey::FETCH, "fetch"),
    (ApiKey::LIST_OFFSETS, "list-offsets"),
    (ApiKey::METADATA, "metadata"),
    (ApiKey::LEADER_AND_ISR, "leader-and-isr"),
    (ApiKey::STOP_REPLICA, "stop-replica"),
    (ApiKey::UPDATE_METADATA, "update-metadata"),
    (ApiKey::CONTROLLED_SHUTDOWN, "controlled-shutdown"),
    (ApiKey::OFFSET_COMMIT, "offset-commit"),
    (ApiKey::OFFSET_FETCH, "offset-fetch"),
    (ApiKey::CONSUMER_METADATA, "consumer-metadata"),
    (ApiKey::JOIN_GROUP, "join-group"),
    (ApiKey::HEARTBEAT, "heartbeat"),
];

pub(in crate::faults) fn write_rule(rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match rule.api.map(|api| (api, APIS.iter().find(|(key, _)| *key == api))) {
        None => f.write_str("any")?,
        Some((_, Some((_, name)))) => f.write_str(name)?,
        Some((api, None)) => write!(f, "api key={}", api.0)?,
    }
    write_text(f, "topic", rule.target.topic.as_deref())?;
    if let Some(partition) = rule.target.partition {
        write!(f, " partition={partition}")?;
    }
    if let Some(node) = rule.node {
        write!(f, " node={node}")?;
    }
    if let Some(connection) = rule.connection {
        write!(f, " connection={connection}")?;
    }
    write_text(f, "client", rule.client_id.as_deref())?;
    write_text(f, "matching", rule.predicate.as_ref().map(|predicate| predicate.name.as_str()))?;
    match rule.when {
        When::Always => {}
        When::First(1) => f.write_str(" once")?,
        When::First(count) => write!(f, " first={count}")?,
        When::Nth(nth) => write!(f, " nth={nth}")?,
        When::Every(period) => write!(f, " every={period}")?,
        When::Chance { numerator, denominator } => write!(f, " chance={numerator}/{denominator}")?,
    }
    f.write_str(":")?;
    for (number, effect) in rule.effects.iter().enumerate() {
        f.write_str(if number == 0 { " " } else { ", " })?;
        write_effect(effect, f)?;
    }
    Ok(())
}

fn write_text(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&str>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    write!(f, " {key}=")?;
    write_value(f, value)
}

fn write_effect(effect: &Effect, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match effect {
        Effect::Refuse(code) => write!(f, "refuse code={}", code.0),
        Effect::Answer(code) => write!(f, "answer code={}", code.0),
        Effect::Skip(Ending::Close) => f.write_str("close-before"),
        Effect::Skip(Ending::Reset) => f.write_str("reset-before"),
        Effect::Skip(Ending::Hang) => f.write_str("ignore"),
        // A cut in front of the first byte has a name of its own, because it is the usual one.
        Effect::Cut { after: 0, then: Ending::Close } => f.write_str("close-after"),
        Effect::Cut { after: 0, then: Ending::Reset } => f.write_str("reset-after"),
        Effect::Cut { after: 0, then: Ending::Hang } => f.write_str("never-answer"),
        Effect::Cut { after, then: Ending::Close } => write!(f, "cut after={after}"),
        Effect::Cut { after, then: Ending::Reset } => write!(f, "cut after={after} then=reset"),
        Effect::Cut { after, then: Ending::Hang } => write!(f, "cut after={after} then=hang"),
        Effect::Delay(by) => write!(f, "delay by={}", Time(*by)),
        Effect::Trickle { bytes, every } => write!(f, "trickle bytes={bytes} every={}", Time(*every)),
        Effect::Corrupt { at, xor } => write!(f, "corrupt at={at} xor={xor}"),
        Effect::OutOfOrder => f.write_str("out-of-order"),
        Effect::Twice => f.write_str("twice"),
        Effect::WrongId(id) => write!(f, "wrong-id id={id}"),
        Effect::ShiftId(by) => write!(f, "shift-id by={by}"),
        Effect::Raw(bytes) => write!(f, "answer-raw hex={}", Hex(bytes)),
        Effect::StopReading => f.write_str("stop-reading"),
        Effect::AnswerAcks0 => f.write_str("answer-acks-0"),
        Effect::KeepOpenOnAcks0 => f.write_str("keep-open-on-acks-0"),
        Effect::Lie(lie) => write!(f, "lie {lie}"),
        Effect::Hostile { seed } => write!(f, "hostile seed={seed}"),
    }
}

pub(in crate::faults) fn parse_rule(text: &str) -> Result<Rule, ParseRuleError> {
    let mut words = Words::new(text);
    let (mut head, mut end) = words.phrase()?;
    if end != Some(':') {
        return Err(ParseRuleError::new("a rule needs a colon between what it selects and what it does", text));
    }
    let mut rule = parse_head(&mut head)?;
    head.finish()?;
    loop {
        let (mut phrase, separator) = words.phrase()?;
        // A rule without effects only counts.
        if phrase.name.is_empty() && separator.is_none() && end == Some(':') {
            phrase.finish()?;
            return Ok(rule);
        }
        rule.effects.push(parse_effect(&mut phrase)?);
        phrase.finish()?;
        end = separator;
        match separator {
            None => return Ok(rule),
            Some(',') => {}
            Some(_) => return Err(ParseRuleError::new("a rule has only one colon", text)),
        }
    }
}

fn parse_head(head: &mut Phrase) -> Result<Rule, ParseRuleError> {
    let mut rule = match head.name.as_str() {
        "any" => Rule::on_any(),
        "api" => Rule::on(ApiKey(head.need_as("key")?)),
        name => match APIS.iter().find(|(_, known)| *known == name) {
            Some((api, _)) => Rule::on(*api),
            None => return Err(ParseRuleError::new("no API has this name", name)),
        },
    };
    rule.target.topic = head.take("topic").map(Text::from);
    rule.target.partition = head.take_as("partition")?.map(PartitionId);
    rule.node = head.take_as("node")?.map(NodeId);
    rule.connection = head.take_as("connection")?.map(ConnectionId);
    rule.client_id = head.take("client").map(Text::from);
    // Without this, the text of a rule would be read as one that selects more.
    if let Some(name) = head.take("matching") {
        return Err(ParseRuleError::new("a function cannot be written as text", &name));
    }
    rule.when = parse_when(head)?;
    Ok(rule)
}

fn parse_when(head: &mut Phrase) -> Result<When, ParseRuleError> {
    // Of two words that say how often, the second is left over, and refused as unknown.
    if head.take_flag("once").is_some() {
        return Ok(When::First(1));
    }
    if let Some(count) = head.take_as("first")? {
        return Ok(When::First(count));
    }
    if let Some(nth) = head.take_as("nth")? {
        return Ok(When::Nth(nth));
    }
    if let Some(period) = head.take_as("every")? {
        return Ok(When::Every(period));
    }
    let Some(chance) = head.take("chance") else { return Ok(When::Always) };
    let parts = chance.split_once('/').and_then(|(numerator, denominator)| {
        Some(When::Chance { numerator: numerator.parse().ok()?, denominator: denominator.parse().ok()? })
    });
    parts.ok_or_else(|| ParseRuleError::new("this is not a chance such as 1/3", &chance))
}

fn parse_effect(phrase: &mut Phrase) -> Result<Effect, ParseRuleError> {
    Ok(match phrase.name.as_str() {
        "refuse" => Effect::Refuse(phrase.need_code()?),
        "answer" => Effect::Answer(phrase.need_code()?),
        "close-before" => Effect::Skip(Ending::Close),
        "reset-before" => Effect::Skip(Ending::Reset),
        "ignore" => Effect::Skip(Ending::Hang),
        "close-after" => Effect::Cut { after: 0, then: Ending::Close },
        "reset-after" => Effect::Cut { after: 0, then: Ending::Reset },
        "never-answer" => Effect::Cut { after: 0, then: Ending::Hang },
        "cut" => Effect::Cut { after: phrase.need_as("after")?, then: parse_ending(phrase)? },
        "delay" => Effect::Delay(phrase.need_duration("by")?),
        "trickle" => Effect::Trickle { bytes: phrase.need_as("bytes")?, every: phrase.need_duration("every")? },
        "corrupt" => Effect::Corrupt { at: phrase.need_as("at")?, xor: phrase.need_as("xor")? },
        "out-of-order" => Effect::OutOfOrder,
        "twice" => Effect::Twice,
        "wrong-id" => Effect::WrongId(phrase.need_as("id")?),
        "shift-id" => Effect::ShiftId(phrase.need_as("by")?),
        "answer-raw" => Effect::Raw(phrase.need_bytes("hex")?),
        "stop-reading" => Effect::StopReading,
        "answer-acks-0" => Effect::AnswerAcks0,
        "keep-open-on-acks-0" => Effect::KeepOpenOnAcks0,
        "hostile" => Effect::Hostile { seed: phrase.need_as("seed")? },
        "lie" => {
            // The name of the lie is an argument of the effect, and its parameters are arguments too.
            phrase.name = phrase.take_name().ok_or_else(|| ParseRuleError::new("a lie needs a name", "lie"))?;
            Effect::Lie(parse_lie(phrase)?)
        }
        other => return Err(ParseRuleError::new("no effect has this name", other)),
    })
}

fn parse_ending(phrase: &mut Phrase) -> Result<Ending, ParseRuleError> {
    match phrase.take("then").as_deref() {
        None | Some("close") => Ok(Ending::Close),
        Some("reset") => Ok(Ending::Reset),
        Some("hang") => Ok(Ending::Hang),
        Some(other) => Err(ParseRuleError::new("a connection ends with close, reset or hang", other)),
    }
}
