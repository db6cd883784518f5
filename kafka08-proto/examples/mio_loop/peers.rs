//! The brokers that a loop talks to if none is named: good ones and bad ones, in threads of this process.

use std::{
    env,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::Buf as _;
use kafka08_proto::{
    Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
    api::{Broker, MetadataResponse},
    ids::{ConnectionId, NodeId},
};

/// The brokers to talk to.
pub(crate) struct Peers {
    pub(crate) targets: Vec<String>,
    /// How many of them answer.
    pub(crate) sound: usize,
    /// Its connections are made by the system, and nobody reads what they say.
    _silent: Option<TcpListener>,
}

impl Peers {
    /// The brokers of the command line. If it names none, starts two slow brokers and one that never answers. Another one
    /// is not there, and the name of the last does not exist.
    pub(crate) fn of_arguments() -> io::Result<Self> {
        let named: Vec<String> = env::args().skip(1).collect();
        if !named.is_empty() {
            return Ok(Self { sound: named.len(), targets: named, _silent: None });
        }
        let mut targets = Vec::new();
        let mut listen = || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            targets.push(listener.local_addr()?.to_string());
            io::Result::Ok(listener)
        };
        for pause in [2, 4] {
            let listener = listen()?;
            thread::spawn(move || serve(&listener.accept()?.0, Duration::from_millis(pause)));
        }
        let silent = listen()?;
        // The port is the system's. One that was free a moment ago may be another program's by now.
        targets.push("127.0.0.1:1".to_owned());
        targets.push("no-such-host.invalid:9092".to_owned());
        Ok(Self { targets, sound: 2, _silent: Some(silent) })
    }
}

/// Answers the requests of a client, each after a pause. This is the other end of a connection, on a socket that blocks.
fn serve(mut socket: &TcpStream, pause: Duration) -> io::Result<()> {
    let mut connection = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let broker = Broker { node: NodeId(0), host: "localhost".into(), raw_port: 9092 };
    let response = MetadataResponse::new(vec![broker], Vec::new());
    while !connection.is_over() {
        let (space, _) = connection.buffers();
        match socket.read(space)? {
            0 => connection.handle_disconnect(Disconnect::Eof),
            n => connection.handle_read(Instant::now(), n),
        }
        while let Some(event) = connection.poll_event() {
            if let ServerEvent::Request(request) = event {
                thread::sleep(pause);
                connection.respond(request.call, &response).map_err(io::Error::other)?;
            }
            let (_, queue) = connection.buffers();
            socket.write_all(&queue.copy_to_bytes(queue.remaining()))?;
        }
    }
    Ok(())
}
