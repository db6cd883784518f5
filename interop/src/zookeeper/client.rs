//! Reads nodes of a ZooKeeper: the few requests that a test of brokers needs.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// The code of `NoNode` in ZooKeeper's answers.
const NO_NODE: i32 = -101;
/// The most bytes of an answer. The nodes of brokers have some hundred bytes.
const MOST: usize = 1 << 20;

/// Reads the data of a node over a connection of its own. Returns `None` if there is no such node.
pub(super) fn read(address: SocketAddr, path: &str) -> io::Result<Option<Vec<u8>>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // Protocol version, last transaction seen, session timeout in milliseconds, session id, password.
    let mut hello =
        [&0_i32.to_be_bytes()[..], &0_i64.to_be_bytes(), &5000_i32.to_be_bytes(), &0_i64.to_be_bytes()].concat();
    hello.extend(16_i32.to_be_bytes());
    hello.extend([0; 16]);
    send(&mut socket, &hello)?;
    receive(&mut socket)?;
    // The request's number, `getData`, the path, and no watch.
    let length = i32::try_from(path.len()).map_err(io::Error::other)?;
    let get = [&1_i32.to_be_bytes()[..], &4_i32.to_be_bytes(), &length.to_be_bytes(), path.as_bytes(), &[0]].concat();
    send(&mut socket, &get)?;
    let answer = receive(&mut socket)?;
    // The end of the session, so that the server does not keep it until it times out.
    send(&mut socket, &[&2_i32.to_be_bytes()[..], &(-11_i32).to_be_bytes()].concat())?;
    data(&answer)
}

fn send(socket: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let length = i32::try_from(body.len()).map_err(io::Error::other)?;
    socket.write_all(&[&length.to_be_bytes()[..], body].concat())
}

fn receive(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length <= MOST);
    let mut body = vec![0; length.ok_or_else(|| malformed("the length"))?];
    socket.read_exact(&mut body)?;
    Ok(body)
}

/// The data in an answer to `getData`: number, transaction, code, then the data and the node's status.
fn data(answer: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let int = |at: usize| {
        let bytes = answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(i32::from_be_bytes).ok_or_else(|| malformed("an integer"))
    };
    match int(12)? {
        0 => {}
        NO_NODE => return Ok(None),
        code => return Err(io::Error::other(format!("ZooKeeper answers with code {code}"))),
    }
    let length = usize::try_from(int(16)?).map_err(|_| malformed("the data's length"))?;
    answer
        .get(20..)
        .and_then(|rest| rest.get(..length))
        .map(|data| Some(data.to_vec()))
        .ok_or_else(|| malformed("the data"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{what} of ZooKeeper's answer is malformed"))
}
