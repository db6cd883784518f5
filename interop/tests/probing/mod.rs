//! Runs a probe over sockets.

use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use kafka08_blocking::Driver;
use kafka08_proto::{
    ClientConfig, Connection as _,
    probe::{Probe, ProbeStep, Release},
};

/// What a probe finds out about a broker.
pub(crate) fn ask(broker: &str) -> Release {
    let mut probe = Probe::new(ClientConfig::default().with_request_timeout(Duration::from_secs(30)));
    let mut driver: Option<Driver<TcpStream>> = None;
    loop {
        let now = Instant::now();
        match probe.poll_step(now) {
            ProbeStep::Connect => match connect(broker) {
                Ok(stream) => {
                    driver = Some(Driver::new(stream));
                    probe.handle_connected(now);
                }
                Err(error) => probe.handle_connect_failed(error.kind()),
            },
            ProbeStep::Pump => {
                let driver = driver.as_mut().expect("it was connected");
                let connection = probe.connection().expect("there is something to ask");
                if !driver.pump(Instant::now(), connection) {
                    let until = connection.poll_timeout();
                    driver.wait(connection, until);
                    connection.handle_timeout(Instant::now());
                }
            }
            ProbeStep::Done(release) => return release,
        }
    }
}

fn connect(broker: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(broker)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
