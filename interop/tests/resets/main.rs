//! Produces through connections that are reset anywhere, on a real broker: whatever the clients told about each request is
//! compared with the log afterwards.
//!
//! `KAFKA08_RECORDS` is the number of records, of both adapters together (default: 6000). `KAFKA08_SEED` chooses where the
//! connections end (default: 1).

mod account;
#[path = "../link/mod.rs"]
#[expect(dead_code, reason = "the tests that share the interface use different parts of it")]
mod link;
mod log;

use std::{env, net::TcpStream, thread, time::Duration};

use account::{Account, Session};
use interop::{ByteLimits, Cluster, Proxy, Release, Seed};
use kafka08_proto::{ClientConfig, adapter::ConnectError, ids::Acks};
use link::{Blocking, Link, Tokio};

/// Most requests with acks = 1 or -1 that wait for an answer at once; those with acks = 0 come on top.
const IN_FLIGHT: usize = 32;
/// What about 80 requests and answers have: most connections end with all that may be in flight under way.
const LIMITS: ByteLimits = ByteLimits { to_broker: 32 << 10, to_client: 3 << 10 };

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

#[test]
fn every_produce_through_resets_is_decided_once_and_the_log_agrees() {
    let records = number("KAFKA08_RECORDS", 6000);
    let seed = Seed::new(number("KAFKA08_SEED", 1));
    let cluster = Cluster::start(Release::V0_8_2_2).unwrap_or_else(|error| panic!("{error}"));
    log::create(&cluster.broker(), &["blocking", "tokio"]);

    let (blocking, tokio) = thread::scope(|scope| {
        let blocking = scope.spawn(|| produce_all("blocking", blocking, &cluster, seed.part(1), records.div_ceil(2)));
        let tokio = scope.spawn(|| produce_all("tokio", tokio, &cluster, seed.part(2), records / 2));
        (blocking.join().expect("no panic"), tokio.join().expect("no panic"))
    });

    let mut faults = Vec::new();
    for account in [blocking, tokio] {
        let log = log::read(&cluster.broker(), account.topic());
        faults.extend(account.compare(&log));
    }
    let shown: Vec<&str> = faults.iter().take(20).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} faults, the first are:\n{}", faults.len(), shown.join("\n"));
}

fn config() -> ClientConfig {
    ClientConfig::default().with_request_timeout(Duration::from_secs(20))
}

async fn blocking(address: String) -> Result<Blocking<TcpStream>, ConnectError> {
    kafka08_blocking::Client::connect(&address, config()).map(Blocking)
}

async fn tokio(address: String) -> Result<Tokio, ConnectError> {
    kafka08_tokio::Client::connect(&address, config()).await.map(Tokio)
}

fn produce_all<L: Link>(
    name: &'static str,
    connect: impl AsyncFn(String) -> Result<L, ConnectError>,
    cluster: &Cluster,
    seed: Seed,
    records: u64,
) -> Account {
    let proxy = Proxy::start(&cluster.broker(), seed.part(1), LIMITS).expect("a proxy");
    let mut account = Account::new(name, seed.part(2), records);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        while account.has_more() {
            let link = connect(proxy.address()).await.expect("the proxy listens");
            produce_until_the_end(link, &mut account).await;
        }
    });
    let stats = proxy.stop();
    println!("{name}: {stats:?}");
    assert!(stats.resets + stats.closes > 0, "no connection was ended: {stats:?}");
    account
}

/// Sends on one connection until it ends or no record is left, and accounts for every request that was accepted.
async fn produce_until_the_end<L: Link>(mut link: L, account: &mut Account) {
    let mut session = Session::default();
    let mut claims = std::collections::VecDeque::new();
    while let Some((record, request)) = account.next() {
        let sent = if request.acks == Acks::NONE {
            link.send_and_forget(&request).await.map(|id| session.accept_silent(record, id))
        } else {
            if claims.len() == IN_FLIGHT
                && let Some((record, claim)) = claims.pop_front()
            {
                session.answer(account, record, L::id(&claim), link.wait(claim).await);
            }
            link.send(&request).await.map(|claim| {
                session.accept(record, L::id(&claim));
                claims.push_back((record, claim));
            })
        };
        if let Err(error) = sent {
            account.refuse(record, &error);
            break;
        }
    }
    for (record, claim) in claims {
        session.answer(account, record, L::id(&claim), link.wait(claim).await);
    }
    session.finish(account, &link.end().await);
}
