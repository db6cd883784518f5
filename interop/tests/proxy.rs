//! The proxy itself, in front of a server that sends back what it reads.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use interop::{ByteLimits, Proxy, Seed};

const LIMITS: ByteLimits = ByteLimits { to_broker: 3000, to_client: 3000 };

/// Starts an echo server that ends with this process. Returns its address.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                let mut reader = stream.try_clone().expect("a second handle");
                // Ends with the connection, whatever way that ends.
                let _ = std::io::copy(&mut reader, &mut stream);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("the proxy listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Sends until the connection ends. Returns what came back, and how it ended.
fn exhaust(mut stream: TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut writer = stream.try_clone().expect("a second handle");
    let writing = thread::spawn(move || {
        // More than a connection carries; it fails when the connection has ended.
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let _ = writer.write_all(&bytes);
    });
    let mut came = Vec::new();
    let end = stream.read_to_end(&mut came).err().map(|error| error.kind());
    writing.join().expect("no panic");
    (came, end)
}

#[test]
fn what_passes_is_unchanged_and_each_connection_ends_within_its_limit() {
    let proxy = Proxy::start(&echo(), Seed::new(1), LIMITS).expect("a proxy");
    let mut lengths = Vec::new();
    for _ in 0..60 {
        let (came, end) = exhaust(connect(&proxy));
        let is_prefix = came.iter().zip(0_u32..).all(|(byte, n)| *byte == n.to_le_bytes()[0]);
        assert!(is_prefix && came.len() <= 3000, "{} bytes came", came.len());
        assert!(matches!(end, None | Some(ErrorKind::ConnectionReset)), "{end:?}");
        lengths.push(came.len());
    }
    let stats = proxy.stop();
    assert_eq!((stats.connections, stats.resets + stats.closes), (60, 60), "{stats:?}");
    assert!(stats.resets > 10 && stats.closes > 5, "{stats:?}");
    assert!(lengths.iter().any(|len| *len < 100) && lengths.iter().any(|len| *len > 1000), "{lengths:?}");
}

#[test]
fn a_proxy_that_is_stopped_ends_its_connections() {
    let most = ByteLimits { to_broker: u64::MAX, to_client: u64::MAX };
    let proxy = Proxy::start(&echo(), Seed::new(1), most).expect("a proxy");
    let address = proxy.address();
    // Some connections may end after a few bytes even so: one of these goes on.
    let mut streams: Vec<TcpStream> = (0..8).map(|_| connect(&proxy)).collect();
    let mut echoed = 0;
    for stream in &mut streams {
        stream.write_all(b"x").expect("a new connection takes a byte");
        echoed += usize::from(stream.read_exact(&mut [0]).is_ok());
    }
    assert!(echoed > 0, "no connection carries a byte");
    proxy.stop();
    for stream in &mut streams {
        assert!(!matches!(stream.read(&mut [0]), Ok(1)), "a connection goes on");
    }
    assert!(TcpStream::connect(address).is_err(), "the proxy still listens");
}
