/// Starts three brokers. The topic "t" has one partition with a replica on each.
fn three(config: BrokerConfig) -> io::Result<Server> {
    Server::start(config.with_brokers(3).with_topic("t", 1))
}

/// The leader of partition 0 of "t", and the two followers.
fn roles(server: &Server) -> (NodeId, [NodeId; 2]) {
    let leader = server.with(|cluster, _| cluster.leader("t", 0)).expect("it has a leader");
    let others: Vec<NodeId> = [1, 2, 3].map(NodeId).into_iter().filter(|node| *node != leader).collect();
    (leader, [others[0], others[1]])
}

/// Connects to one broker of the cluster.
fn client_of(server: &Server, node: NodeId) -> Result<Client, Box<dyn Error>> {
    let address = server.address_of(node).expect("it is one of the three");
    Ok(Client::connect(&address.to_string(), ClientConfig::default().with_request_timeout(LIMIT))?)
}

/// Connects to a broker that was just started. Its port may take a moment to open.
fn reconnect(server: &Server, node: NodeId) -> Result<Client, Box<dyn Error>> {
    for _ in 0..LIMIT.as_millis() {
        if let Ok(client) = client_of(server, node) {
            return Ok(client);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    client_of(server, node)
}

/// Asks a broker which broker leads partition 0 of "t".
fn leader_by(client: &mut Client) -> Result<NodeId, Box<dyn Error>> {
    Ok(client.call(&MetadataRequest::of(["t"]))?.leader_of("t", 0)?.node)
}

/// A produce of one message that all replicas in sync must confirm, within a time in milliseconds.
fn produce_to_all(value: &str, within: i32) -> ProduceRequest {
    ProduceRequest::new(Acks::ALL, Millis(within)).with("t", 0, MessageSet::of_value(value.as_bytes()))
}
