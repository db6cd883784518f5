//! A process that has no descriptors left. It is a child of the test, because the limit is one of the whole process.

use std::{
    env,
    io::ErrorKind,
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use kafka08_broker::Server;

use crate::{alone, config, honest, process::BrokerClock};

/// Says in the environment of the child that it is one.
const CHILD: &str = "KAFKA08_FEW_DESCRIPTORS";
const NAME: &str = "descriptors::without_descriptors_the_server_waits_and_goes_on_when_there_are_some";

#[test]
fn without_descriptors_the_server_waits_and_goes_on_when_there_are_some() {
    if env::var_os(CHILD).is_some() {
        run_short();
        return;
    }
    let _alone = alone();
    let binary = env::current_exe().expect("the test runs from a file");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(binary)
        .args(["--exact", NAME, "--nocapture", "--test-threads", "1"])
        .env(CHILD, "1")
        .output()
        .expect("there is a shell");
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    assert!(output.status.success() && printed.contains("1 passed"), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Opens connections until the process has no descriptor left, so that the last ones wait in the system's queue.
fn use_up(server: &Server) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    loop {
        match TcpStream::connect(server.address()) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::ConnectionRefused);
                return sockets;
            }
        }
        assert!(sockets.len() < 1000, "the limit does not hold");
    }
}

fn run_short() {
    let server = Server::start(config()).expect("a free port");
    honest::measure(&server);
    let mut clock = BrokerClock::new();
    let sockets = use_up(&server);
    let span = Duration::from_secs(2);
    let before = clock.read();
    let started = Instant::now();
    thread::sleep(span);
    let busy = clock.read() - before;
    println!("{} connections, none left: {busy:.2?} of processor time in {:.2?}", sockets.len(), started.elapsed());
    assert!(busy < span / 5, "{busy:?}");
    drop(sockets);
    let started = Instant::now();
    let figures = honest::measure(&server);
    println!("afterwards, in {:.2?}: {figures}", started.elapsed());
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_secs(1));
}
