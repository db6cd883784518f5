//! Every error, as it prints: what happened, to what, and what to do next. A chain of causes says no sentence twice.
//!
//! The tables, one file for each layer, have a row for each variant of each error, and `complete` compares them with the
//! sources.

use std::{collections::BTreeSet, error::Error, io, time::Duration};

mod adapters;
#[path = "../common/mod.rs"]
mod common;
mod complete;
mod connections;
mod frames;
mod messages;
mod plain;
mod probing;
mod requests;

use bytes::Bytes;
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _, HostPort,
    api::{Body as _, MetadataRequest},
    connection::{Closed, Disconnect},
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
    wire::{DecodeError, EncodeError, Encoder},
};

const METADATA: Api = Api::v0(ApiKey::METADATA);
const ID: CorrelationId = CorrelationId(7);
const AFTER: Duration = Duration::from_secs(3);

/// One error with its text, word for word.
struct Row {
    /// The name of the type, and the name of the variant behind it.
    name: String,
    error: Box<dyn Error>,
    /// The part of the text that names what it happened to, or that tells what happened to it.
    names: &'static str,
    next: Next,
    text: String,
}

/// What a text says of the next step.
#[derive(Clone, Copy)]
enum Next {
    /// This part of it says what to do, or which cause to look at.
    Says(&'static str),
    /// Nothing, because these errors wrap it and say it: their names.
    Wrapped(&'static [&'static str]),
    /// Nothing, because the next step is the caller's choice, for this reason.
    Open(&'static str),
}

use Next::{Open, Says, Wrapped};

fn row<E: Error + 'static>(error: E, names: &'static str, next: Next, text: impl Into<String>) -> Row {
    let kind = std::any::type_name::<E>().rsplit("::").next().unwrap_or_default();
    let debug = format!("{error:?}");
    let variant = words(&debug).next().unwrap_or_default();
    let name = if variant == kind { kind.to_owned() } else { format!("{kind}::{variant}") };
    Row { name, error: Box::new(error), names, next, text: text.into() }
}

/// Every table.
fn rows() -> Vec<Row> {
    let of_bodies = [plain::rows(), messages::rows(), requests::rows()];
    let of_connections = [frames::rows(), connections::rows(), adapters::rows(), probing::rows()];
    of_bodies.into_iter().chain(of_connections).flatten().collect()
}

/// The words of a text: what is between characters that are not in names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// What a printer of whole chains prints, line by line.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        lines.push(error.to_string());
        next = error.source();
    }
    lines
}

/// What stands between the punctuation of a text, of at least three words: a shorter part may be a name.
fn clauses(text: &str) -> Vec<String> {
    let marks = [": ", "; ", ", ", ". ", " (", ") ", ")"];
    let parts = marks.iter().fold(text.to_owned(), |text, mark| text.replace(mark, "\n"));
    parts.lines().filter(|part| words(part).count() >= 3).map(str::to_lowercase).collect()
}

/// What a chain says twice: a line that an earlier one contains, or a clause that stands anywhere before.
fn repeated(lines: &[String]) -> Option<String> {
    let contained =
        lines.iter().enumerate().find(|(n, line)| lines.iter().take(*n).any(|before| before.contains(*line)));
    let mut seen = BTreeSet::new();
    let again = || lines.iter().flat_map(|line| clauses(line)).find(|clause| !seen.insert(clause.clone()));
    contained.map(|(_, line)| line.clone()).or_else(again)
}

fn malformed() -> DecodeError {
    MetadataRequest::decode(&Bytes::from_static(&[0xff; 4])).expect_err("a negative count")
}

const MALFORMED: &str = "malformed Metadata request: topics at byte 0 is -1, which is neither a length nor null";

fn too_long() -> EncodeError {
    Encoder::new().text("topic", "x".repeat(40_000)).expect_err("too long")
}

/// How the connection of a client that had asked for nothing ends, if the system reports this error.
fn closed_by(peer: Option<HostPort>, kind: io::ErrorKind) -> Closed {
    let config = peer.map_or_else(ClientConfig::default, |peer| ClientConfig::default().with_peer(peer));
    let mut connection = ClientConnection::new(config, ConnectionId(0));
    connection.handle_disconnect(Disconnect::Error(kind));
    match connection.poll_event() {
        Some(ClientEvent::Closed(closed)) => closed,
        other => panic!("the end was expected: {other:?}"),
    }
}

/// The end of a connection that was cut.
fn lost() -> Closed {
    closed_by(Some(HostPort::new("broker1", 9092)), io::ErrorKind::ConnectionReset)
}

const LOST: &str = "connection to broker1:9092: the peer reset the connection while nothing was asked: brokers of 0.8.2 do so \
                    after ten idle minutes, and all when they stop; connect again";

#[test]
fn every_error_has_the_text_of_its_row() {
    for Row { name, error, text, .. } in rows() {
        assert_eq!(error.to_string(), text, "{name}");
    }
}

#[test]
fn no_chain_of_causes_says_a_sentence_twice() {
    for Row { name, error, .. } in rows() {
        let lines = chain(error.as_ref());
        assert_eq!(repeated(&lines), None, "{name}: {lines:?}");
    }
}

#[test]
fn every_text_names_what_it_is_about_and_what_to_do() {
    let rows = rows();
    for Row { name, names, next, text, .. } in &rows {
        assert!(text.contains(names), "{name} does not name {names:?}: {text}");
        match next {
            Says(part) => assert!(text.contains(part) && names != part, "{name} does not say {part:?}: {text}"),
            Wrapped(wrappers) => {
                for wrapper in *wrappers {
                    let wraps = |row: &&Row| row.name == *wrapper && row.text.contains(text.as_str());
                    let row = rows.iter().find(wraps);
                    assert!(row.is_some_and(|row| matches!(row.next, Says(_))), "{wrapper} does not complete {text:?}");
                }
            }
            Open(reason) => assert!(!reason.is_empty(), "{name}"),
        }
    }
}

#[test]
fn these_checks_find_what_they_look_for() {
    let lines = |lines: &[&str]| lines.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(repeated(&lines(&["it failed: the host is down", "another cause"])), None);
    assert_eq!(repeated(&lines(&["it failed: the host is down", "it failed"])).as_deref(), Some("it failed"));
    let twice = "The host is down; check it (the host is down)";
    assert_eq!(repeated(&lines(&[twice])).as_deref(), Some("the host is down"));
    assert_eq!(row(DecodeError::clone(&malformed()), "", Open("none"), "").name, "DecodeError");
    assert_eq!(row(io::Error::from(io::ErrorKind::Other), "", Open("none"), "").name, "Error::Kind");
}
