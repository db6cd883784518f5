//! The peer: a TLS server that keeps every frame it decrypts, and answers produce requests.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};

/// Name and certificate of the peer, made anew for each run.
pub(crate) const NAME: &str = "localhost";
static KEY: LazyLock<CertifiedKey<KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate"));

pub(crate) fn certificate() -> CertificateDer<'static> {
    KEY.cert.der().clone()
}

/// A server in a thread of its own, for one connection.
pub(crate) struct Peer {
    speaks: Arc<AtomicBool>,
    thread: JoinHandle<Report>,
}

/// What has come from the client until the connection ended.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Whole frames, without their length.
    pub(crate) frames: Vec<Vec<u8>>,
    /// What followed the last whole frame.
    pub(crate) rest: Vec<u8>,
    /// Why the bytes were not TLS, or could not be decrypted.
    pub(crate) fault: Option<String>,
}

/// When the peer answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// When there are as many; they leave in one TLS record.
    Together(usize),
    /// Not before [`Peer::speak`]. The peer reads nothing while it waits for that.
    WhenTold,
}

impl Peer {
    pub(crate) fn start(socket: UnixStream, answers: Answers) -> Self {
        let speaks = Arc::new(AtomicBool::new(matches!(answers, Answers::Together(_))));
        let together = if let Answers::Together(answers) = answers { answers } else { 1 };
        let of_thread = Arc::clone(&speaks);
        Self { speaks, thread: thread::spawn(move || serve(socket, together, &of_thread)) }
    }

    /// Lets the answers leave.
    pub(crate) fn speak(&self) {
        self.speaks.store(true, Ordering::Relaxed);
    }

    /// Waits until the connection has ended.
    pub(crate) fn report(self) -> Report {
        self.speak();
        self.thread.join().expect("the peer does not panic")
    }
}

fn serve(socket: UnixStream, together: usize, speaks: &AtomicBool) -> Report {
    let key = PrivatePkcs8KeyDer::from(KEY.signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate()], key.into());
    let session = ServerConnection::new(Arc::new(config.expect("a sound certificate"))).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    let mut report = Report::default();
    let mut waiting = Vec::new();
    let mut space = vec![0; 64 << 10];
    loop {
        match stream.read(&mut space) {
            Ok(0) => return report,
            Ok(n) => report.rest.extend(space.iter().take(n)),
            // A client need not say goodbye.
            Err(error) if is_end(error.kind()) => return report,
            Err(error) => {
                report.fault = Some(error.to_string());
                return report;
            }
        }
        while let Some(frame) = cut(&mut report.rest) {
            waiting.extend(answer(&frame));
            report.frames.push(frame);
        }
        if waiting.len() >= together {
            while !speaks.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            // A client that has gone does not want its answers.
            let _ = stream.write_all(&waiting.concat());
            waiting.clear();
        }
    }
}

/// Whether the connection has ended, rather than lost its meaning. A read also writes what is still to be written.
fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// Takes the first frame from `bytes`, if it is whole.
fn cut(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = u32::from_be_bytes(bytes.first_chunk().copied()?);
    let end = 4 + usize::try_from(len).ok()?;
    if bytes.len() < end {
        return None;
    }
    let rest = bytes.split_off(end);
    Some(std::mem::replace(bytes, rest).split_off(4))
}

/// The answer to a produce request with acks other than 0, made by hand: topic "t", partition 0, no error, offset 0.
fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    let (key, id) = (frame.get(..2)?, frame.get(4..8)?);
    // The client id has 7 bytes ("kafka08") behind its length, so that acks stand at 17.
    let acks = frame.get(17..19)?;
    (key == [0, 0] && acks != [0, 0]).then(|| {
        let mut answer = vec![0, 0, 0, 0x1d];
        answer.extend(id);
        answer.extend(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        answer
    })
}
