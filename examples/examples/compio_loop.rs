//! The same as `mio_loop`, on compio: a runtime whose reads and writes own their memory until they complete (`io_uring`).
//!
//! ```sh
//! cargo run -p kafka08-examples --features compio --example compio_loop                     # peers of its own
//! cargo run -p kafka08-examples --features compio --example compio_loop -- broker1:9092 broker2:9092
//! ```
//!
//! Where the kernel has no `io_uring`, compio polls. The environment variable `COMPIO_POLLS` makes it do so.

#[path = "../../kafka08-proto/examples/mio_loop/asker.rs"]
mod asker;
#[path = "../../kafka08-proto/examples/mio_loop/peers.rs"]
mod peers;

use std::{
    env,
    error::Error,
    future::{pending, poll_fn},
    io,
    pin::{Pin, pin},
    process::ExitCode,
    task::Poll,
    time::Instant,
};

use asker::Asker;
use bytes::{Buf as _, Bytes};
use compio::{
    BufResult,
    driver::{DriverType, ProactorBuilder},
    io::{AsyncRead as _, AsyncWriteExt as _},
    net::{TcpStream, ToSocketAddrsAsync as _},
    runtime::{RuntimeBuilder, spawn},
    time::{sleep_until, timeout_at},
};
use kafka08_proto::{Connection as _, Disconnect, adapter::ConnectError, ids::ConnectionId};
use peers::Peers;

/// The bytes of one read.
const READ: usize = 64 << 10;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compio_loop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Talks to all brokers at once. Returns whether all that should answer have done so.
fn run() -> Result<bool, Box<dyn Error>> {
    let peers = Peers::of_arguments()?;
    let mut proactor = ProactorBuilder::new();
    if env::var_os("COMPIO_POLLS").is_some() {
        proactor.driver_type(DriverType::Poll);
    }
    let runtime = RuntimeBuilder::new().with_proactor(proactor).build()?;
    println!("compio uses {:?}", runtime.driver_type());
    let answered = runtime.block_on(async {
        let ask = |(n, target): (usize, &String)| spawn(ask(target.clone(), ConnectionId(n as u64)));
        let asked: Vec<_> = peers.targets.iter().enumerate().map(ask).collect();
        let mut answered = 0;
        for asked in asked {
            match asked.await {
                Ok(Ok(has_all_answers)) => answered += usize::from(has_all_answers),
                Ok(Err(error)) => eprintln!("{error}"),
                // The panic has printed its message.
                Err(_) => eprintln!("a task has panicked"),
            }
        }
        answered
    });
    println!("{answered} of {} brokers have answered all requests", peers.targets.len());
    Ok(answered == peers.sound)
}

/// Asks one broker. Returns whether it has answered everything.
async fn ask(target: String, id: ConnectionId) -> Result<bool, Box<dyn Error>> {
    let mut asker = Asker::new(target.parse()?, id);
    let until = Instant::now() + asker.connection.config().connect_timeout();
    let stream = connect(&asker, until).await?;
    drive(&stream, &mut asker).await?;
    Ok(asker.has_all_answers())
}

/// Connects to the first address that answers.
async fn connect(asker: &Asker, until: Instant) -> Result<TcpStream, ConnectError> {
    let target = || asker.target.clone();
    let addresses = match (asker.target.host(), asker.target.port()).to_socket_addrs_async().await {
        Ok(addresses) => addresses,
        Err(error) => return Err(ConnectError::Resolve { target: target(), error }),
    };
    let mut attempts = Vec::new();
    for address in addresses {
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(ConnectError::Setup)?;
                return Ok(stream);
            }
            Ok(Err(error)) => attempts.push((address, error)),
            Err(_) => {
                let after = asker.connection.config().connect_timeout();
                return Err(ConnectError::TimedOut { target: target(), after, attempts });
            }
        }
    }
    if attempts.is_empty() {
        Err(ConnectError::NoAddress(target()))
    } else {
        Err(ConnectError::Refused { target: target(), attempts })
    }
}

/// Moves bytes until the connection has ended.
///
/// A read and a write are under way at the same time, while deadlines pass. Neither is dropped before it completes: the kernel
/// may have filled the buffer of the read already, and those bytes would be lost.
async fn drive(stream: &TcpStream, asker: &mut Asker) -> Result<(), Box<dyn Error>> {
    let mut reading = None;
    let mut writing = None;
    let mut buffer = Vec::with_capacity(READ);
    loop {
        asker.turn(Instant::now())?;
        let connection = &mut asker.connection;
        if connection.is_over() {
            return Ok(());
        }
        if reading.is_none() && connection.wants_read() {
            reading = Some(Box::pin(read(stream, std::mem::take(&mut buffer))));
        }
        if writing.is_none() && connection.wants_write() {
            let (_, queue) = connection.buffers();
            // The kernel may send these bytes whenever it likes, so they count as sent from now on: no request among them can be
            // withdrawn. Only one chunk is taken, so that the requests behind it still can be.
            let bytes = queue.copy_to_bytes(queue.chunk().len());
            writing = Some(Box::pin(write(stream, bytes)));
        }
        match next(&mut reading, &mut writing, connection.poll_timeout()).await {
            Done::Read(BufResult(result, space)) => {
                match result {
                    Ok(0) => connection.handle_disconnect(Disconnect::Eof),
                    Ok(n) => connection.handle_bytes(Instant::now(), space.get(..n).unwrap_or_default()),
                    Err(error) => connection.handle_disconnect(Disconnect::Error(error.kind())),
                }
                buffer = space;
            }
            Done::Written(Ok(())) => {}
            // What the kernel took of these bytes is not known. Their requests count as sent, and wait for their responses.
            Done::Written(Err(error)) => connection.handle_write_failed(error.kind()),
            Done::Due => connection.handle_timeout(Instant::now()),
        }
    }
}

/// What has happened to a connection.
enum Done {
    Read(BufResult<usize, Vec<u8>>),
    Written(io::Result<()>),
    Due,
}

/// Waits for a read, for a deadline, or for a write, in this order if several have come: a response that has arrived is not
/// timed out, and a request that has timed out is not written.
async fn next<R, W>(reading: &mut Option<Pin<Box<R>>>, writing: &mut Option<Pin<Box<W>>>, due: Option<Instant>) -> Done
where
    R: Future<Output = BufResult<usize, Vec<u8>>>,
    W: Future<Output = io::Result<()>>,
{
    let mut timer = pin!(async {
        match due {
            Some(due) => sleep_until(due).await,
            None => pending().await,
        }
    });
    poll_fn(|context| {
        if let Some(Poll::Ready(result)) = reading.as_mut().map(|read| read.as_mut().poll(context)) {
            *reading = None;
            return Poll::Ready(Done::Read(result));
        }
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Done::Due);
        }
        if let Some(Poll::Ready(result)) = writing.as_mut().map(|write| write.as_mut().poll(context)) {
            *writing = None;
            return Poll::Ready(Done::Written(result));
        }
        Poll::Pending
    })
    .await
}

async fn read(mut stream: &TcpStream, mut space: Vec<u8>) -> BufResult<usize, Vec<u8>> {
    space.clear();
    stream.read(space).await
}

/// Writes all bytes, in as many writes as it takes.
async fn write(mut stream: &TcpStream, bytes: Bytes) -> io::Result<()> {
    let BufResult(result, _) = stream.write_all(bytes).await;
    result
}
