//! A ZooKeeper for brokers that need one.

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
