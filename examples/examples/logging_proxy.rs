//! Runs a proxy in front of one broker, which prints a line for each request and response.
//!
//! ```sh
//! cargo run -p kafka08-examples --example logging_proxy -- 127.0.0.1:19092 broker1:9092
//! ```
//!
//! The proxy uses one thread for each client. Metadata responses name the address of the broker itself, so clients
//! bypass the proxy when they connect to leaders. To prevent this, a proxy must rewrite the addresses in Metadata
//! responses.

use std::{
    env,
    error::Error,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::Instant,
};

use kafka08_blocking::Driver;
use kafka08_examples::Proxy;
use kafka08_proto::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("logging_proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [listen, broker] = arguments.as_slice() else { return Err("usage: logging_proxy LISTEN BROKER".into()) };
    let listener = TcpListener::bind(listen).map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    println!("listening at {}, forwarding to {broker}", listener.local_addr()?);
    loop {
        let (front, client) = listener.accept()?;
        let broker = broker.clone();
        thread::spawn(move || {
            let served = TcpStream::connect(&broker)
                .map_err(|error| io::Error::new(error.kind(), format!("cannot connect to {broker}: {error}")))
                .and_then(|back| serve(client, front, back));
            if let Err(error) = served {
                eprintln!("{client}: {error}");
            }
        });
    }
}

fn serve(client: SocketAddr, front: TcpStream, back: TcpStream) -> io::Result<()> {
    for stream in [&front, &back] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    let (mut front, mut back) = (Driver::of_socket(front), Driver::of_socket(back));
    let mut proxy = Proxy::default();
    let mut log = |line| println!("{client}: {line}");
    while !proxy.is_over() {
        let now = Instant::now();
        let moved = [front.pump(now, &mut proxy.front), back.pump(now, &mut proxy.back)];
        proxy.front.handle_timeout(now);
        proxy.back.handle_timeout(now);
        proxy.turn(now, &mut log);
        // The next round writes the bytes that the turn has staged.
        if moved == [false; 2] && !proxy.front.wants_write() && !proxy.back.wants_write() {
            wait(&front, &back, &proxy)?;
        }
    }
    Ok(())
}

/// Waits until one of the sockets is ready for what its connection wants, or a deadline has passed.
fn wait(front: &Driver<TcpStream>, back: &Driver<TcpStream>, proxy: &Proxy) -> io::Result<()> {
    let flags = |reads, writes| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reads);
        flags.set(PollFlags::OUT, writes);
        flags
    };
    let deadline = [proxy.front.poll_timeout(), proxy.back.poll_timeout()].into_iter().flatten().min();
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.and_then(|left| Timespec::try_from(left).ok());
    let mut sockets = [
        PollFd::new(front.stream(), flags(proxy.front.wants_read(), front.wants_write(&proxy.front))),
        PollFd::new(back.stream(), flags(proxy.back.wants_read(), back.wants_write(&proxy.back))),
    ];
    poll(&mut sockets, timeout.as_ref())?;
    Ok(())
}
