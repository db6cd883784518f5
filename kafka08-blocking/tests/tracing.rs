//! What `tracing` is told of both clients and of the server. A subscriber of the test keeps spans and events as lines.

use std::{
    fmt::{Debug, Write as _},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use kafka08_blocking::{
    Call, Client, ServeConfig, Server, SharedClient,
    proto::{
        ClientConfig,
        api::{MetadataRequest, MetadataResponse, ProduceRequest},
        ids::{Acks, Millis},
        message::MessageSet,
    },
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Keeps `span{fields}: event fields`.
#[derive(Clone, Default)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
    next: Arc<AtomicU64>,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = if field.name() == "message" { "" } else { field.name() };
        write!(self.0, " {name}={value:?}").expect("a string takes everything");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.spans.lock().expect("no panic").push(fields.0);
        Id::from_u64(self.next.fetch_add(1, Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let spans = self.spans.lock().expect("no panic");
        let span = event.parent().and_then(|id| spans.get(usize::try_from(id.into_u64() - 1).expect("few spans")));
        let line = format!("[{}]{}", span.map_or("", String::as_str), fields.0);
        self.lines.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Lines {
    /// Waits until a line has all these parts. Threads of clients and servers tell theirs a moment later.
    fn wait_for(&self, parts: &[&str]) -> String {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let lines = self.lines.lock().expect("no panic").clone();
            if let Some(line) = lines.iter().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.clone();
            }
            assert!(Instant::now() < until, "no line has {parts:?}:\n{}", lines.join("\n"));
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Answers Metadata, and closes the connection at anything else.
fn handle(call: Call) {
    if call.decode::<MetadataRequest>().is_ok() && call.api().to_string() == "Metadata v0" {
        call.respond(&MetadataResponse::default()).expect("the client waits");
    }
}

#[test]
fn connections_requests_responses_and_failures_are_told_with_ids_names_sizes_and_durations() {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone()).expect("the only subscriber");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let server = Server::serve(listener, ServeConfig::default(), handle).expect("it serves");
    let produce = ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(b"a secret payload"));

    let mut client = Client::connect(&target, ClientConfig::default()).expect("it listens");
    lines.wait_for(&[&format!("[connect target={target}]"), "=connected", &format!("address={target}"), "elapsed="]);
    client.call(&MetadataRequest::all()).expect("it is answered");
    // 4 bytes of length, 8 of key, version and id, 9 of client id, 4 of topics.
    let request = lines.wait_for(&["connection peer=", &target, "=request", "api=Metadata v0", "bytes=25"]);
    let id = request.split("id=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id").to_owned();
    lines.wait_for(&["connection peer=", "=response", &format!("id={id}"), "api=Metadata v0", "bytes=8", "elapsed="]);
    client.call(&produce).expect_err("it is refused");
    lines.wait_for(&["=request failed", "api=Produce v0", "elapsed=", "error="]);
    lines.wait_for(&["=connection ended", "reason="]);

    let shared = SharedClient::connect(&target, ClientConfig::default()).expect("it listens");
    shared.call(&MetadataRequest::of(["shared"])).expect("it is answered");
    lines.wait_for(&["=request", "bytes=33"]);
    shared.call(&produce).expect_err("it is refused");
    lines.wait_for(&["=request received", "api=Metadata v0"]);
    lines.wait_for(&["=response staged", "api=Metadata v0"]);
    lines.wait_for(&["=client's connection ended", "reason="]);
    assert_eq!(server.stop().connections, 2);

    SharedClient::connect(&target, ClientConfig::default()).expect_err("nobody listens");
    lines.wait_for(&["[connect", "=connecting failed", "error=", "refused"]);
    let all = lines.lines.lock().expect("no panic").join("\n");
    assert!(!all.contains("secret"), "{all}");
    assert_eq!(all.matches("=request failed").count(), 2, "{all}");
}
