//! The other end of a client's stream.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Instant,
};

use kafka08_async::{
    bytes::{Buf as _, Bytes},
    futures_io::{AsyncRead, AsyncWrite},
    proto::{
        Connection as _, Disconnect, ServerConfig, ServerConnection, ServerEvent,
        api::{Body as _, MetadataRequest, MetadataResponse, ProduceRequest, TopicMetadata, Topics},
        connection::{RequestFrame, ServerCloseReason},
        error_code::ErrorCode,
        ids::{Acks, ApiKey, ConnectionId, Millis},
        message::MessageSet,
    },
};

/// How a server's connection has ended.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) reason: ServerCloseReason,
    /// How many requests have arrived whole.
    pub(crate) requests: usize,
}

/// Serves a client until its stream ends, as a broker of 0.8.2 would: each topic that a Metadata request names is in its
/// answer, and each produce request has acks = 0.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Served {
    let mut server = ServerConnection::new(ServerConfig::default(), ConnectionId(0));
    let mut requests = 0;
    loop {
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Closed(reason) => return Served { reason, requests },
                ServerEvent::Request(request) => {
                    requests += 1;
                    answer(&mut server, &request);
                }
            }
        }
        poll_fn(|cx| {
            let mut has_moved = false;
            let wants_read = server.wants_read();
            let (space, queue) = server.buffers();
            if queue.has_remaining()
                && let Poll::Ready(written) = Pin::new(&mut stream).poll_write(cx, queue.chunk())
            {
                has_moved = true;
                match written {
                    Ok(n) => queue.advance(n),
                    Err(error) => {
                        server.handle_disconnect(Disconnect::Error(error.kind()));
                        return Poll::Ready(());
                    }
                }
            }
            if wants_read && let Poll::Ready(read) = Pin::new(&mut stream).poll_read(cx, space) {
                has_moved = true;
                match read {
                    Ok(0) => server.handle_disconnect(Disconnect::Eof),
                    Ok(n) => server.handle_read(Instant::now(), n),
                    Err(error) => server.handle_disconnect(Disconnect::Error(error.kind())),
                }
            }
            if has_moved { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

fn answer(server: &mut ServerConnection, request: &RequestFrame) {
    let call = request.call;
    let given = match request.header.api.key {
        ApiKey::METADATA => server.respond(call, &echo(&request.body)),
        // Of no partitions.
        ApiKey::LIST_OFFSETS => server.respond_raw(call, Bytes::from_static(&[0; 4])),
        // 0.8.2 does not know this request, and says so with the code -1.
        ApiKey::HEARTBEAT => server.respond_raw(call, Bytes::from_static(&[0xff; 2])),
        _ => {
            server.finish(call);
            Ok(())
        }
    };
    given.expect("the call is open");
}

/// An answer that names the topics of the request.
fn echo(body: &Bytes) -> MetadataResponse {
    let Topics::Named(names) = MetadataRequest::decode(body).expect("a sound request").topics else {
        return MetadataResponse::default();
    };
    let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topics = names.into_iter().map(|name| TopicMetadata { error, name, partitions: Vec::new() });
    MetadataResponse::new(Vec::new(), topics.collect())
}

/// A produce request of this many bytes of value.
pub(crate) fn produce(acks: Acks, value: usize) -> ProduceRequest {
    // A broker may wait for replicas as long as the request says. This is not waited for.
    ProduceRequest::new(acks, Millis(0)).with("t", 0, MessageSet::of_value(&vec![7; value]))
}

/// The length of a request of [`produce`] whose value has one byte: the header with the client id "kafka08", acks and
/// timeout, one topic, one partition, and one message.
pub(crate) const PRODUCE: usize =
    (4 + 2 + 2 + 4 + 2 + 7) + (2 + 4) + (4 + 2 + 1) + (4 + 4 + 4) + (8 + 4 + 4 + 1 + 1 + 4 + 4 + 1);

/// Reads exactly as many bytes as there is space for.
pub(crate) async fn read_exact(stream: &mut (impl AsyncRead + Unpin), space: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = space.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, rest)).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(())
}

/// Reads one whole frame, and gives its correlation id.
pub(crate) async fn read_id(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<i32> {
    let mut len = [0; 4];
    read_exact(stream, &mut len).await?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("small")];
    read_exact(stream, &mut frame).await?;
    // Key and version, two bytes each, are in front of it.
    Ok(i32::from_be_bytes(*frame.split_off(4).first_chunk().expect("an id")))
}

/// An answer that is empty: no brokers and no topics for Metadata, no topics for Produce.
pub(crate) fn empty(id: i32) -> Vec<u8> {
    [&[0, 0, 0, 12][..], &id.to_be_bytes(), &[0; 8]].concat()
}

pub(crate) async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await?;
        bytes = bytes.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// Reads a request and answers it.
pub(crate) async fn serve_one(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<i32> {
    let id = read_id(stream).await?;
    write_all(stream, &empty(id)).await?;
    Ok(id)
}

/// Polls a future until it is ready, at most so many times. `None` if that was not enough; the future is dropped.
pub(crate) async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The last poll ends the wait at once.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
