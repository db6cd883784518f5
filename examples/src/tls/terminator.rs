//! A proxy that takes TLS connections and passes their bytes on, as stunnel does: for tests and demonstrations.

use std::{error::Error, fmt, net::SocketAddr, sync::Arc, thread};

use rcgen::CertifiedKey;
use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

/// A proxy on a thread of its own. Dropping it stops it, and closes its connections.
pub struct Terminator {
    address: SocketAddr,
    certificate: String,
    /// Dropping this sender stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Terminator {
    /// Starts a proxy on a free port of 127.0.0.1, in front of `broker`. Its certificate is made anew, is valid for `name`, and
    /// is signed by itself.
    ///
    /// # Errors
    /// The system has no port or thread left, or the name cannot stand in a certificate.
    pub fn start(name: &str, broker: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        // The caller may be a task of another runtime, where no runtime can be entered. So the thread enters this one.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("terminator".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, acceptor, broker) => {}
                    // The sender was dropped.
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, certificate: cert.pem(), stop: Some(stop), thread: Some(thread) })
    }

    /// The address at which the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate in PEM, for [`trust`](super::trust).
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        self.certificate.as_bytes()
    }
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, broker: SocketAddr) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        // A connection that fails ends alone. Dropping both sockets tells both ends.
        tokio::spawn(async move {
            let mut client = acceptor.accept(client).await?;
            let mut broker = TcpStream::connect(broker).await?;
            copy_bidirectional(&mut client, &mut broker).await
        });
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has printed its message, and `drop` must not panic as well.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminator").field("address", &self.address).finish_non_exhaustive()
    }
}
