//! The server that is a task of a tokio runtime.

mod scenarios;

use std::{
    io,
    net::TcpStream,
    ops::Deref,
    process::Command,
    time::{Duration, Instant},
};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Cluster, Control, NotInTime, Now, tokio_server};
use kafka08_proto::{ClientConfig, api::MetadataRequest};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// The server in a runtime of its own, for scenarios that do not know of tokio.
#[derive(Debug)]
struct Server {
    // Dropped before its runtime.
    server: tokio_server::Server,
    runtime: Runtime,
}

impl Server {
    fn start(config: BrokerConfig) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let server = runtime.block_on(tokio_server::Server::start(config))?;
        Ok(Self { server, runtime })
    }

    fn stop(self) {
        self.runtime.block_on(self.server.stop());
    }

    fn wait_until(&self, limit: Duration, holds: impl FnMut(&Cluster) -> bool) -> Result<(), NotInTime> {
        self.runtime.block_on(self.server.wait_until(limit, holds))
    }

    fn with<T>(&self, command: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        self.server.with(command)
    }
}

impl Deref for Server {
    type Target = tokio_server::Server;

    fn deref(&self) -> &tokio_server::Server {
        &self.server
    }
}

/// Asks a server on a thread of its own.
async fn ask(host_port: String) {
    let asked = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&host_port, ClientConfig::default()).expect("the server listens");
        client.call(&MetadataRequest::all()).expect("an answer");
    });
    asked.await.expect("it does not panic");
}

#[tokio::test]
async fn it_shares_the_thread_of_its_runtime_with_other_tasks() {
    let server = tokio_server::Server::start(BrokerConfig::default()).await.expect("a free port");
    ask(server.host_port()).await;
    server.create_topic("t", 1).expect("a topic");
    server.wait_until(Duration::from_secs(10), |cluster| cluster.leader("t", 0).is_some()).await.expect("a leader");
    let limit = Duration::from_millis(50);
    let started = Instant::now();
    server.wait_until(limit, |cluster| cluster.leader("u", 0).is_some()).await.expect_err("there is no such topic");
    assert!(started.elapsed() >= limit);
    server.stop().await;
}

#[tokio::test]
async fn a_command_of_another_thread_ends_a_wait() {
    let server = tokio_server::Server::start(BrokerConfig::default()).await.expect("a free port");
    let control: Control = server.control().clone();
    let commanded = tokio::task::spawn_blocking(move || control.create_topic("t", 1));
    server.wait_until(Duration::from_secs(10), |cluster| cluster.leader("t", 0).is_some()).await.expect("a leader");
    commanded.await.expect("it does not panic").expect("a topic");
}

/// A broker at an address of its own. A port of 127.0.0.1 that is free again may be the next one of another test.
fn at(ip: [u8; 4]) -> BrokerConfig {
    BrokerConfig::default().with_listen((ip, 0).into())
}

#[tokio::test]
async fn a_server_that_is_dropped_frees_its_port_soon() {
    let server = tokio_server::Server::start(at([127, 0, 0, 3])).await.expect("a free port");
    let address = server.address();
    ask(server.host_port()).await;
    let control = server.control().clone();
    drop(server);
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < end, "the port is still open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The brokers' state outlives the sockets, for whoever still holds a handle.
    assert_eq!(control.with(|cluster, _| cluster.config().brokers()), 1);
}

#[test]
fn a_runtime_that_ends_takes_the_server_along() {
    let server = Server::start(at([127, 0, 0, 4])).expect("a free port");
    let address = server.address();
    let Server { server, runtime } = server;
    drop(runtime);
    assert!(TcpStream::connect(address).is_err());
    drop(server);
}

/// Says in the environment of a child that it is one: the limit of descriptors is one of a whole process.
const CHILD: &str = "KAFKA08_FEW_DESCRIPTORS";

#[test]
fn without_descriptors_it_waits_and_goes_on_when_there_are_some() {
    if std::env::var_os(CHILD).is_some() {
        use_up_descriptors();
        return;
    }
    let binary = std::env::current_exe().expect("the test runs from a file");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(binary)
        .args(["--exact", "without_descriptors_it_waits_and_goes_on_when_there_are_some", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn use_up_descriptors() {
    let server = Server::start(BrokerConfig::default()).expect("a free port");
    // The last of them wait in the system's queue, because the server has no descriptor for them.
    let sockets: Vec<TcpStream> = (0..100).map_while(|_| TcpStream::connect(server.address()).ok()).collect();
    assert!((10..100).contains(&sockets.len()), "{}", sockets.len());
    let processor = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("it is below a second"))
    };
    let before = processor();
    std::thread::sleep(Duration::from_secs(1));
    let busy = processor() - before;
    assert!(busy < Duration::from_millis(200), "{busy:?}");
    drop(sockets);
    let mut client = Client::connect(&server.host_port(), ClientConfig::default()).expect("the server listens");
    client.call(&MetadataRequest::all()).expect("an answer");
}
