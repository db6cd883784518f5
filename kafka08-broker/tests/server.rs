//! The server that is a thread.

mod scenarios;

use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
};

use kafka08_blocking::Client;
use kafka08_broker::{BrokerConfig, Server};
use kafka08_proto::{ClientConfig, api::MetadataRequest, ids::NodeId};

#[test]
fn a_port_is_closed_when_kill_returns_and_open_when_start_returns() {
    let server = Server::start(BrokerConfig::default().with_brokers(2)).expect("free ports");
    for _ in 0..3 {
        let address = server.address_of(NodeId(2)).expect("it is there");
        server.kill(NodeId(2));
        assert!(TcpStream::connect(address).is_err(), "it is closed");
        server.start_again(NodeId(2));
        assert!(TcpStream::connect(address).is_ok(), "it is open");
    }
}

#[test]
fn the_port_of_a_broker_that_is_down_is_given_to_nobody_else() {
    // At an address of its own: a port of 127.0.0.1 that is free again may be the next one of another test.
    let config = BrokerConfig::default().with_listen(([127, 0, 0, 3], 0).into()).with_brokers(2);
    let server = Server::start(config).expect("free ports");
    let address = server.address_of(NodeId(2)).expect("it is there");
    let connect = || {
        let mut client = Client::connect(&address.to_string(), ClientConfig::default()).expect("it listens");
        client.call(&MetadataRequest::all()).expect("an answer");
        client
    };
    for _ in 0..3 {
        // Connections of a listener that is gone keep its port, and do not stand in the way.
        let clients = [connect(), connect()];
        server.kill(NodeId(2));
        let error = TcpListener::bind(address).expect_err("it is kept");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        server.start_again(NodeId(2));
        connect();
        drop(clients);
    }
    server.kill(NodeId(2));
    server.stop();
    TcpListener::bind(address).expect("it is free again");
}
