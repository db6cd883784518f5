//! The server that is a thread.

mod scenarios;

use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::ids::NodeId;

#[test]
fn a_port_is_closed_when_kill_returns_and_open_when_start_returns() {
    let server = Server::start(BrokerConfig::default().with_brokers(2)).expect("free ports");
    for _ in 0..3 {
        let address = server.address_of(NodeId(2)).expect("it is there");
        server.kill(NodeId(2));
        assert!(std::net::TcpStream::connect(address).is_err(), "it is closed");
        server.start_again(NodeId(2));
        assert!(std::net::TcpStream::connect(address).is_ok(), "it is open");
    }
}
