//! The other side: this program again, as a process of its own, so that its CPU time is not the client's.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{self, Child, Command, Stdio},
    thread,
};

use crate::{
    measure::{Core, Result, pin},
    wire,
};

/// The argument that makes this program the peer.
pub(crate) const ARGUMENT: &str = "peer";

/// What the peer does with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Answers Produce, Fetch and ListOffsets as fast as they are asked, from memory. A fetch gets 1 MiB of messages.
    Broker,
    /// Sends a fetch's answer as many times as the first eight bytes say, and looks at nothing else.
    Stream,
    /// Sends back what comes.
    Echo,
}

/// A peer that runs until it is dropped, or this process ends.
pub(crate) struct Peer {
    process: Child,
    address: String,
}

impl Peer {
    /// Starts a peer whose messages have values of `value` bytes.
    pub(crate) fn start(kind: Kind, value: usize) -> Result<Self> {
        let kind = match kind {
            Kind::Broker => "broker",
            Kind::Stream => "stream",
            Kind::Echo => "echo",
        };
        let mut process = Command::new(env::current_exe()?)
            .args([ARGUMENT, kind, &value.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("the peer has no output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self { process, address: address.trim_end().to_owned() })
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The peer's main: serves one connection after the other.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let kind = arguments.next().ok_or("the peer needs a kind")?;
    let value: usize = arguments.next().ok_or("the peer needs a size")?.parse()?;
    // One that outlives its client would stay for ever.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    pin(Core::OfPeer)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let served = match kind.as_str() {
            "broker" => answer(stream, value),
            "stream" => flood(stream, value),
            "echo" => echo(stream),
            _ => return Err("no such kind of peer".into()),
        };
        // A client that has measured enough leaves without reading the rest.
        drop(served);
    }
    Ok(())
}

fn answer(mut stream: TcpStream, value: usize) -> Result<()> {
    let mut fetched = wire::fetch_answer(value);
    let (mut produced, mut listed) = (wire::produce_answer(), wire::list_offsets_answer());
    let (mut input, mut filled) = (vec![0; 1 << 20], 0);
    let mut output = Vec::new();
    loop {
        let read = stream.read(input.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let mut rest = input.get(..filled).unwrap_or_default();
        while let Some((request, behind)) = wire::split_frame(rest) {
            let (key, id) = wire::request_head(request).ok_or("a short request")?;
            let small = match key {
                wire::PRODUCE => &mut produced,
                wire::LIST_OFFSETS => &mut listed,
                wire::FETCH => {
                    wire::set_id(&mut fetched, id);
                    stream.write_all(&fetched)?;
                    rest = behind;
                    continue;
                }
                _ => return Err("a request that nobody here sends".into()),
            };
            wire::set_id(small, id);
            output.extend_from_slice(small);
            rest = behind;
        }
        stream.write_all(&output)?;
        output.clear();
        let left = rest.len();
        input.copy_within(filled - left..filled, 0);
        filled = left;
    }
}

fn flood(mut stream: TcpStream, value: usize) -> Result<()> {
    let answer = wire::fetch_answer(value);
    let mut times = [0; 8];
    stream.read_exact(&mut times)?;
    for _ in 0..u64::from_be_bytes(times) {
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn echo(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(buffer.get(..read).unwrap_or_default())?;
    }
}
