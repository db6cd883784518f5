//! Services that do not speak Kafka's protocol.

use bytes::Bytes;

/// What answers at a port where a broker was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongService {
    /// A web server, which says that it did not understand, and closes.
    Http,
    /// A TLS server, which sends an alert, and closes.
    Tls,
    /// An SSH server, which speaks first.
    Ssh,
    /// A service that sends back what it receives.
    Echo,
    /// A service that reads everything and says nothing.
    Mute,
}

impl WrongService {
    /// The service with this number in plans.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        match number % 5 {
            0 => Self::Http,
            1 => Self::Tls,
            2 => Self::Ssh,
            3 => Self::Echo,
            _ => Self::Mute,
        }
    }

    /// What it says when a client has connected.
    #[must_use]
    pub fn greeting(self) -> Option<Bytes> {
        (self == Self::Ssh).then(|| Bytes::from_static(b"SSH-2.0-OpenSSH_6.0p1\r\n"))
    }

    /// What it says to bytes of the client.
    #[must_use]
    pub fn answer(self, bytes: &Bytes) -> Option<Bytes> {
        match self {
            Self::Http => Some(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
            Self::Tls => Some(Bytes::from_static(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])),
            Self::Echo => Some(bytes.clone()),
            Self::Ssh | Self::Mute => None,
        }
    }

    /// Whether it closes after its first answer.
    #[must_use]
    pub fn closes(self) -> bool {
        matches!(self, Self::Http | Self::Tls)
    }
}
