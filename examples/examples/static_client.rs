//! One client in a `static`, which every task of a program finds without being given it.
//!
//! ```sh
//! cargo run -p kafka08-examples --example static_client                     # an embedded broker, restarted halfway
//! cargo run -p kafka08-examples --example static_client -- broker1:9092
//! ```
//!
//! The first task that needs the client connects it. All of them use it at the same time, and each gets its own responses, by
//! correlation id. The client does not reconnect by itself, so [`locate_client`] replaces one whose connection has ended.
//!
//! The task of a connection belongs to the tokio runtime in which it was made, and ends with it. A static outlives runtimes:
//! in a program with several of them, such as a test binary in which each `#[tokio::test]` has its own, a client of an earlier
//! runtime has ended with [`CloseReason::Abandoned`](kafka08_tokio::proto::connection::CloseReason::Abandoned), and is replaced
//! like any other. Do not share the static between runtimes that live at the same time: the end of one would end the requests
//! of the other.

use std::{env, error::Error, process::ExitCode, sync::OnceLock};

use kafka08_broker::{BrokerConfig, Server};
use kafka08_tokio::{
    Client, ConnectError,
    proto::{ClientConfig, Fate, api::MetadataRequest},
};
use tokio::{sync::Mutex, task::JoinSet};

/// The broker, as `host:port`. Set once, before the first task needs the client.
static TARGET: OnceLock<String> = OnceLock::new();

/// The client, once a task has needed it.
static CLIENT: Mutex<Option<Client>> = Mutex::const_new(None);

/// How many tasks ask at the same time, and how often each of them tries.
const TASKS: usize = 8;
const ATTEMPTS: usize = 3;

/// Returns the client of this program. Connects if no task has done so, or if the connection has ended.
///
/// # Errors
/// There is no connection to the broker. The next call tries again.
async fn locate_client() -> Result<Client, ConnectError> {
    // The lock is held while connecting, so that tasks that come meanwhile wait for this connection and make no other.
    let mut client = CLIENT.lock().await;
    if let Some(client) = client.as_ref().filter(|client| client.closed().is_none()) {
        return Ok(client.clone());
    }
    let target = TARGET.get().map_or("localhost:9092", String::as_str);
    let connected = Client::connect(target, ClientConfig::default()).await?;
    println!("connected to {target}");
    *client = Some(connected.clone());
    Ok(connected)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("static_client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            let server = Server::start(BrokerConfig::default())?;
            let address = server.address();
            TARGET.set(address.to_string())?;
            ask_from_many_tasks().await?;
            println!("the broker restarts");
            server.stop();
            let _server = Server::start(BrokerConfig::default().with_listen(address))?;
            ask_from_many_tasks().await?;
        }
        [target] => {
            TARGET.set(target.clone())?;
            ask_from_many_tasks().await?;
        }
        _ => return Err("usage: static_client [HOST:PORT]".into()),
    }
    // A static is never dropped, so its client is closed by hand.
    if let Some(client) = CLIENT.lock().await.take() {
        client.close().await;
    }
    Ok(())
}

async fn ask_from_many_tasks() -> Result<(), Box<dyn Error>> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(async move { ask(task).await.map_err(|error| format!("task {task}: {error}")) });
    }
    while let Some(result) = tasks.join_next().await {
        println!("{}", result??);
    }
    Ok(())
}

/// What a task does that knows nothing but [`locate_client`].
async fn ask(task: usize) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut attempt = 1;
    loop {
        let client = locate_client().await?;
        let result = async {
            let pending = client.send(&MetadataRequest::of(["access-log"])).await?;
            Ok((pending.id(), pending.await?))
        };
        let error: kafka08_tokio::CallError = match result.await {
            Ok((id, metadata)) => {
                return Ok(format!("task {task}: the response to {id} has {} topic", metadata.topics().len()));
            }
            Err(error) => error,
        };
        // The connection may end at any time, also between finding it and using it. Only what the broker has not acted on
        // is sent again.
        if client.closed().is_none() || error.fate() != Fate::NotApplied || attempt == ATTEMPTS {
            return Err(error.into());
        }
        attempt += 1;
    }
}
