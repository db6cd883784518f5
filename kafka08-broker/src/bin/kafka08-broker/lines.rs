//! One line for each thing that happens.

use std::net::SocketAddr;

use kafka08_broker::{ConnectionId, Outcome, Seen};
use kafka08_proto::ids::NodeId;

use crate::codes;

/// A connection was made.
pub(crate) fn opened(id: ConnectionId, node: NodeId, peer: Option<SocketAddr>) -> String {
    format!("connection {id}: opened to broker {node}{}", from(peer))
}

/// A connection has ended.
pub(crate) fn closed(id: ConnectionId, peer: Option<SocketAddr>) -> String {
    format!("connection {id}: closed{}", from(peer))
}

fn from(peer: Option<SocketAddr>) -> String {
    peer.map(|peer| format!(" from {peer}")).unwrap_or_default()
}

/// A request has ended: where, which API, who, what about, how, and after what time.
pub(crate) fn request(seen: &Seen) -> String {
    let mut line = format!("connection {}: {}", seen.connection, seen.api());
    if let Some(client) = &seen.header.client_id {
        line.push_str(&format!(" of {client:?}"));
    }
    // The brokers accept more than the decoders of a client do, such as null names. Then nothing is named.
    if let Some(subject) = seen.request().ok().and_then(|request| codes::subject(&request)) {
        line.push_str(&format!(" for {subject}"));
    }
    line.push_str(": ");
    line.push_str(&outcome(seen));
    if !seen.faults.is_empty() {
        let rules: Vec<String> = seen.faults.iter().map(ToString::to_string).collect();
        line.push_str(&format!(", by fault {}", rules.join(" and ")));
    }
    line
}

fn outcome(seen: &Seen) -> String {
    match (seen.outcome, &seen.response) {
        (Outcome::NoAnswer, _) => "no answer, as its acks are 0".to_owned(),
        (_, Some(responded)) => {
            let after = responded.at.saturating_duration_since(seen.at).as_secs_f64() * 1000.0;
            // A long answer is not kept, so that its codes are not known.
            let code = seen.response().map_or_else(|_| "answered".to_owned(), |response| codes::first_error(&response));
            format!("{code}, {} bytes after {after:.1} ms", responded.len)
        }
        (_, None) => "closed without an answer".to_owned(),
    }
}
