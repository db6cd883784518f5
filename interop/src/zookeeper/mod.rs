//! A ZooKeeper for brokers that need one, and what it says about them.

mod client;

use std::{fs, path::Path};

use crate::{
    Error, folder,
    process::{Process, free_port, java, loopback},
};

/// Starts a ZooKeeper with its data in `folder`. Returns it, ready, and its port.
pub(crate) fn start(jars: &Path, folder: &Path) -> Result<(Process, u16), Error> {
    let data = folder.join("zookeeper");
    fs::create_dir_all(&data).map_err(Error::io(format!("creating {}", data.display())))?;
    let port = free_port()?;
    let settings = folder.join("zookeeper.properties");
    folder::write(
        &settings,
        &format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\nmaxClientCnxns=0\n",
            data.display()
        ),
    )?;
    let mut command = java(jars, "-Xmx128m");
    command.arg(folder::log4j(folder));
    command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(settings);
    let mut zookeeper = Process::start("ZooKeeper".to_owned(), command, folder.join("zookeeper.log"))?;
    zookeeper.wait_until_ready(None, loopback(port))?;
    Ok((zookeeper, port))
}

/// What the controller has written about a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The id of the leader. `None` while there is none.
    pub leader: Option<u16>,
    /// How often the leader was changed.
    pub leader_epoch: u32,
    /// The ids of the brokers whose replicas are in sync.
    pub in_sync: Vec<u16>,
}

/// Reads the state of a partition. Returns `None` while the partition does not exist.
pub(crate) fn partition_state(port: u16, topic: &str, partition: u16) -> Result<Option<PartitionState>, Error> {
    let path = format!("/brokers/topics/{topic}/partitions/{partition}/state");
    let data = client::read(loopback(port), &path).map_err(Error::io("asking ZooKeeper for a partition"))?;
    Ok(data.and_then(|data| parse(&String::from_utf8_lossy(&data))))
}

/// Whether a broker is registered. A broker that was killed is, until its session has timed out.
pub(crate) fn is_registered(port: u16, broker: u16) -> Result<bool, Error> {
    let data = client::read(loopback(port), &format!("/brokers/ids/{broker}"));
    Ok(data.map_err(Error::io("asking ZooKeeper for a broker"))?.is_some())
}

/// Reads what brokers write, for example `{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":3,"isr":[2,3]}`. The
/// order of the fields differs between releases.
fn parse(json: &str) -> Option<PartitionState> {
    let field = |name: &str| json.split_once(&format!("\"{name}\":")).map(|(_, rest)| rest.trim_start());
    let number = |text: &str| text.split([',', '}']).next().and_then(|digits| digits.trim().parse::<i64>().ok());
    let in_sync = field("isr")?.strip_prefix('[')?.split_once(']')?.0;
    let in_sync = in_sync.split(',').filter(|id| !id.trim().is_empty()).map(|id| id.trim().parse().ok());
    Some(PartitionState {
        leader: u16::try_from(number(field("leader")?)?).ok(),
        leader_epoch: u32::try_from(number(field("leader_epoch")?)?).ok()?,
        in_sync: in_sync.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_partition_is_read_in_any_order_of_fields() {
        let state = PartitionState { leader: Some(2), leader_epoch: 3, in_sync: vec![2, 3] };
        for json in [
            r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":3,"isr":[2,3]}"#,
            r#"{ "controller_epoch":1, "isr":[ 2, 3 ], "leader":2, "leader_epoch":3, "version":1 }"#,
        ] {
            assert_eq!(parse(json).as_ref(), Some(&state), "{json}");
        }
        let none = parse(r#"{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":4,"isr":[]}"#);
        assert_eq!(none, Some(PartitionState { leader: None, leader_epoch: 4, in_sync: Vec::new() }));
        assert_eq!(parse("{}"), None);
    }
}
