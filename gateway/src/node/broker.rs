//! The way to the gateway or a broker: over TCP, protected by TLS 1.3 unless it is told not to be.
//!
//! The files are read again for each connection, so that a renewed certificate needs no
//! restart. Why there is no connection is told once, in words, until another reason comes or
//! the other side has said something. Our own certificate is looked at first: not every gateway
//! says what it has against it, our own listener for one only hangs up.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_io_adapters::tokio_1::FromTokio;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::host::LinkError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::Name;

use super::NodeTls;
use crate::events;
use crate::tls;

/// Where the broker is.
pub(super) struct Broker {
    node: Name,
    address: SocketAddr,
    tls: Option<NodeTls>,
    said: Said,
}

/// What was told last.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Option<&'static str>>>);

impl Said {
    /// Tells a reason, unless it was the last thing told.
    fn tell(&self, node: &Name, reason: &'static str, error: &dyn std::error::Error) {
        if self.is_new(Some(reason)) {
            events::node_kept_out(node, reason, error);
        }
    }

    /// Remembers what is the case now; returns whether that is something else.
    fn is_new(&self, now: Option<&'static str>) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *said, now) != now
    }
}

impl Broker {
    pub(super) fn new(node: Name, address: SocketAddr, tls: Option<NodeTls>) -> Self {
        Self { node, address, tls, said: Said::default() }
    }

    async fn protect(&self, stream: TcpStream, by: &NodeTls) -> Option<TlsStream<TcpStream>> {
        let config = match tls::node_config(&by.files) {
            Ok(config) => config,
            Err(error) => {
                self.said.tell(&self.node, "the certificates of this node are of no use", &error);
                return None;
            }
        };
        if let Some(reason) = tls::own_fault(&by.files) {
            self.said.tell(&self.node, reason, &io::Error::other("it is of no use"));
            return None;
        }
        let name = ServerName::try_from(by.host.clone());
        let name = name.inspect_err(|error| self.said.tell(&self.node, "no host name", error));
        match TlsConnector::from(config).connect(name.ok()?, stream).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                let reason = tls::words(&error).unwrap_or("the handshake broke off");
                self.said.tell(&self.node, reason, &error);
                None
            }
        }
    }
}

impl firmware::Dialer for Broker {
    type Connection<'a> = Connection;

    async fn dial(&mut self) -> Result<Connection, LinkError> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|_| LinkError::Unreachable)?;
        // A pack and its acknowledgement are small: waiting for more would only delay them.
        stream.set_nodelay(true).map_err(|_| LinkError::Lost)?;
        Ok(match &self.tls {
            None => Connection::Plain(FromTokio::new(stream)),
            Some(by) => {
                let protected = self.protect(stream, by).await.ok_or(LinkError::Untrusted)?;
                Connection::Protected {
                    stream: Box::new(FromTokio::new(protected)),
                    hearing: Hearing { node: self.node, said: self.said.clone(), heard: false },
                }
            }
        })
    }
}

/// One connection.
pub(super) enum Connection {
    Plain(FromTokio<TcpStream>),
    Protected { stream: Box<FromTokio<TlsStream<TcpStream>>>, hearing: Hearing },
}

/// Whether the other side has said anything yet. With TLS 1.3 a client learns only after the
/// handshake whether it was let in.
pub(super) struct Hearing {
    node: Name,
    said: Said,
    heard: bool,
}

impl Hearing {
    fn listen(&mut self, outcome: &io::Result<usize>) {
        const HUNG_UP: &str = "the gateway hung up as soon as it had seen the certificate of this \
                               node: was it enrolled there?";
        match outcome {
            Ok(1..) => {
                if !self.heard {
                    self.said.is_new(None);
                }
                self.heard = true;
            }
            Ok(0) if !self.heard => {
                self.said.tell(&self.node, HUNG_UP, &io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            Ok(0) => {}
            Err(error) => match tls::words(error) {
                Some(reason) => self.said.tell(&self.node, reason, error),
                None if !self.heard => self.said.tell(&self.node, HUNG_UP, error),
                None => {}
            },
        }
    }
}

impl ErrorType for Connection {
    type Error = io::Error;
}

impl Read for Connection {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buf).await,
            Self::Protected { stream, hearing } => {
                let outcome = stream.read(buf).await;
                hearing.listen(&outcome);
                outcome
            }
        }
    }
}

impl Write for Connection {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buf).await,
            Self::Protected { stream, hearing } => {
                let outcome = stream.write(buf).await;
                if outcome.is_err() {
                    hearing.listen(&outcome);
                }
                outcome
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush().await,
            Self::Protected { stream, .. } => stream.flush().await,
        }
    }
}
