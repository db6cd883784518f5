//! Polls each function that connects a number of times, and drops it. Its sockets move one byte at a time.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use kafka08_async::{
    Client, HostPort, Runtime as _, probe,
    proto::{
        ClientConfig,
        connection::{Heard, ServerCloseReason},
        probe::Release,
        profile::Profile,
    },
};

use super::functions::metadata;
use crate::{
    one_byte::OneByte,
    peers::{Served, poll_at_most, serve},
    runtimes::On,
};

/// A function that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connecting {
    Connect,
    ConnectTo,
    ConnectAddresses,
    Probe,
}

impl Connecting {
    pub(super) const ALL: [Self; 4] = [Self::Connect, Self::ConnectTo, Self::ConnectAddresses, Self::Probe];

    /// The name in the sources, behind that of the module.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "client::connect",
            Self::ConnectTo => "client::connect_to",
            Self::ConnectAddresses => "client::connect_addresses",
            Self::Probe => "probe::probe",
        }
    }
}

/// More polls than any of the functions needs.
const POLLS: usize = 1000;

/// A server that accepts any number of connections.
struct Listening<H: On> {
    address: SocketAddr,
    task: H::Task<()>,
    served: Arc<Mutex<Vec<H::Task<Served>>>>,
}

impl<H: On> Listening<H> {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let listener = H::listener(listener);
        let served = Arc::new(Mutex::new(Vec::new()));
        let task = H::spawn({
            let served = Arc::clone(&served);
            async move {
                loop {
                    let stream = OneByte::<H>::accept(&listener).await.expect("it listens");
                    served.lock().expect("no panic").push(H::spawn(serve(stream)));
                }
            }
        });
        Self { address, task, served }
    }

    /// Stops, and returns how the connections have ended.
    async fn stop(self) -> Vec<Served> {
        H::abort(self.task).await;
        let mut ends = Vec::new();
        let served = std::mem::take(&mut *self.served.lock().expect("no panic"));
        for served in served {
            ends.push(served.await);
        }
        ends
    }
}

/// Runs a function to its end, which must be success.
async fn perform<H: On>(function: Connecting, address: SocketAddr) {
    let (target, config) = (HostPort::from(address), ClientConfig::default());
    match function {
        Connecting::Connect => {
            drop(Client::<OneByte<H>>::connect(&target.to_string(), config).await.expect("it listens"));
        }
        Connecting::ConnectTo => drop(Client::<OneByte<H>>::connect_to(target, config).await.expect("it listens")),
        Connecting::ConnectAddresses => {
            drop(Client::<OneByte<H>>::connect_addresses(target, &[address], config).await.expect("it listens"));
        }
        Connecting::Probe => {
            let release = probe::<OneByte<H>>(&target.to_string(), &config).await.expect("it listens");
            assert_eq!(release, Release::Known(Profile::V0_8_2));
        }
    }
}

async fn every_function_that_connects_may_be_dropped_after_any_number_of_polls<H: On>() {
    for function in Connecting::ALL {
        let server = Listening::<H>::start();
        let mut polls = 0;
        while poll_at_most(polls, perform::<H>(function, server.address)).await.is_none() {
            polls += 1;
            assert!(polls < POLLS, "{function:?} does not end");
        }
        let target = HostPort::from(server.address);
        let client = Client::<OneByte<H>>::connect_to(target, ClientConfig::default()).await.expect("it listens");
        for _ in 0..3 {
            client.call(&metadata()).await.expect("it is answered");
        }
        drop(client);
        for served in server.stop().await {
            let ServerCloseReason::Disconnected { heard, .. } = served.reason else { panic!("{served:?}") };
            // A probe owns its connection, which ends with it.
            let is_torn = matches!(heard, Heard::PartOfFrame { .. });
            assert!(!is_torn || function == Connecting::Probe, "{function:?}: {served:?}");
        }
    }
}

on_each_runtime! { every_function_that_connects_may_be_dropped_after_any_number_of_polls }
