//! The broker: this program again, as a process of its own. For producers it acknowledges everything and keeps nothing, so that it
//! costs no contestant more than the bytes that it reads. For consumers it is the embedded broker.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{self, Child, Command, Stdio},
    thread,
};

use crate::{
    log,
    measure::{Core, Result, pin},
};

/// The argument that makes this program the broker.
pub(crate) const ARGUMENT: &str = "peer";
/// The topic that the broker has, with one partition.
pub(crate) const TOPIC: &str = "access-log";

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
/// The size of a read. It fits the second level of a processor's cache, because nothing but heads is looked at.
const READ: usize = 128 << 10;

/// What the peer does.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Answers Metadata and Produce.
    Broker,
    /// Has a log to read, of values of one size.
    Log,
}

/// A broker that runs until it is dropped, or this process ends.
pub(crate) struct Peer {
    process: Child,
    address: String,
}

impl Peer {
    /// Starts a broker. `value` is the size of the values in its log.
    pub(crate) fn start(kind: Kind, value: usize) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(ARGUMENT);
        if matches!(kind, Kind::Log) {
            command.args([log::ARGUMENT, &value.to_string()]);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or("the broker has no output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self { process, address: address.trim_end().to_owned() })
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The CPU time of the broker's threads in nanoseconds.
    fn cpu(&self) -> Option<u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).ok()?;
        let of = |path: std::path::PathBuf| {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(tasks.filter_map(|task| of(task.ok()?.path())).sum())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if env::var_os("RATIOS_BROKER").is_some() {
            eprintln!("the broker has used {} ms of CPU", self.cpu().unwrap_or(0) / 1_000_000);
        }
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The broker's main. Without a log, it serves each connection in a thread.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    // One that outlives its client would stay for ever.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    pin(Core::OfPeer)?;
    if arguments.next().as_deref() == Some(log::ARGUMENT) {
        return log::serve(arguments.next().ok_or("no size of a value")?.parse()?);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    println!("{address}");
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        thread::spawn(move || {
            if let Err(error) = answer(&stream, address.port())
                && !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
            {
                eprintln!("broker: {error}");
            }
        });
    }
    Ok(())
}

/// A request of which a part is not read yet.
struct Request<'a> {
    from: BufReader<&'a TcpStream>,
    left: usize,
}

impl Request<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.left = self.left.checked_sub(N).ok_or(io::ErrorKind::InvalidData)?;
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn length(&mut self) -> io::Result<usize> {
        size(i32::from_be_bytes(self.take()?))
    }

    fn text(&mut self) -> io::Result<Vec<u8>> {
        let length = size(i32::from(self.i16()?).max(0))?;
        let mut text = vec![0; length];
        self.left = self.left.checked_sub(length).ok_or(io::ErrorKind::InvalidData)?;
        self.from.read_exact(&mut text)?;
        Ok(text)
    }

    /// Reads bytes and throws them away.
    fn skip(&mut self, mut bytes: usize) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(io::ErrorKind::InvalidData)?;
        while bytes > 0 {
            let here = self.from.fill_buf()?.len().min(bytes);
            if here == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.from.consume(here);
            bytes -= here;
        }
        Ok(())
    }
}

fn size(length: i32) -> io::Result<usize> {
    usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn answer(stream: &TcpStream, port: u16) -> io::Result<()> {
    let mut request = Request { from: BufReader::with_capacity(READ, stream), left: 4 };
    let mut offset = 0i64;
    let mut answer = Vec::new();
    loop {
        request.left = 4;
        request.left = request.length()?;
        let key = request.i16()?;
        let _version = request.i16()?;
        let id: [u8; 4] = request.take()?;
        let _client = request.text()?;
        answer.clear();
        answer.extend_from_slice(&[0; 4]);
        answer.extend_from_slice(&id);
        match key {
            PRODUCE => produce(&mut request, &mut answer, &mut offset)?,
            METADATA => metadata(&mut answer, port),
            _ => return Err(io::Error::other(format!("no contestant sends requests of key {key}"))),
        }
        let left = request.left;
        request.skip(left)?;
        let length = u32::try_from(answer.len() - 4).map_err(io::Error::other)?;
        if let Some(place) = answer.first_chunk_mut() {
            *place = length.to_be_bytes();
        }
        (&*stream).write_all(&answer)?;
    }
}

fn produce(request: &mut Request<'_>, answer: &mut Vec<u8>, offset: &mut i64) -> io::Result<()> {
    let _acks = request.i16()?;
    let _timeout: [u8; 4] = request.take()?;
    let topics: [u8; 4] = request.take()?;
    answer.extend_from_slice(&topics);
    for _ in 0..i32::from_be_bytes(topics) {
        put_text(answer, &request.text()?);
        let partitions: [u8; 4] = request.take()?;
        answer.extend_from_slice(&partitions);
        for _ in 0..i32::from_be_bytes(partitions) {
            let partition: [u8; 4] = request.take()?;
            let set = request.length()?;
            request.skip(set)?;
            answer.extend_from_slice(&partition);
            answer.extend_from_slice(&0i16.to_be_bytes()); // error_code
            answer.extend_from_slice(&offset.to_be_bytes());
            *offset += 1_000_000;
        }
    }
    Ok(())
}

/// One broker, and one topic whose only partition it leads.
fn metadata(answer: &mut Vec<u8>, port: u16) {
    let put = |answer: &mut Vec<u8>, number: i32| answer.extend_from_slice(&number.to_be_bytes());
    put(answer, 1); // brokers
    put(answer, 0); // node
    put_text(answer, b"127.0.0.1");
    put(answer, port.into());
    put(answer, 1); // topics
    answer.extend_from_slice(&0i16.to_be_bytes()); // error_code
    put_text(answer, TOPIC.as_bytes());
    put(answer, 1); // partitions
    answer.extend_from_slice(&0i16.to_be_bytes()); // error_code
    for number in [0, 0, 1, 0, 1, 0] {
        put(answer, number); // partition, leader, replicas, in-sync replicas
    }
}

fn put_text(to: &mut Vec<u8>, text: &[u8]) {
    to.extend_from_slice(&i16::try_from(text.len()).expect("a short text").to_be_bytes());
    to.extend_from_slice(text);
}
