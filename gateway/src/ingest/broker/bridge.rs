//! What protects a connection to a broker: TLS on the outside, rumqttc within.
//!
//! rumqttc 0.25 can speak TLS itself, but through rustls-webpki 0.102, of which four
//! advisories are open (RUSTSEC-2026-0049, -0098, -0099, -0104), and no release with
//! another one is to be had. It can, however, connect to a Unix socket. So we reach the
//! broker and shake hands, with the rustls that mail and pages use, and only when the
//! broker is known to be the right one the client gets a socket, at whose other end a task
//! passes bytes on both ways. That costs a copy of each byte within the kernel; and it
//! tells us in the words of rustls what was wrong with a certificate, which the client
//! would only know as a closed connection.
//!
//! The socket has a name that lives as long as the listener (an abstract one: no file is
//! left behind by a kill), that nobody can guess, and takes one connection: from ourselves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Lost;
use crate::config::BrokerTls;
use crate::tls::{self, Fault, TlsError};

/// How long the broker may take to answer, and then to shake hands.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that are passed on at a time: some hundred messages.
const BUFFER_BYTES: usize = 32 * 1_024;

/// Why a connection cannot be protected.
#[derive(Debug, thiserror::Error)]
pub(in crate::ingest) enum BridgeError {
    /// Our files are of no use.
    #[error("the certificates that the configuration names cannot be used")]
    Files(#[from] TlsError),
    #[error("`{host}` is neither a host name nor an address")]
    Host { host: String },
    #[error("cannot reach the broker")]
    Unreachable(#[source] io::Error),
    #[error("the broker does not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It may be somebody else.
    #[error("the broker's certificate cannot be trusted")]
    Untrusted(#[source] io::Error),
    /// It does not know us.
    #[error("the broker refuses our certificate, or wants one")]
    Refused(#[source] io::Error),
    #[error("cannot agree with the broker on TLS; is that port one for TLS?")]
    Handshake(#[source] io::Error),
    #[error("cannot make a socket within the gateway")]
    Socket(#[source] io::Error),
}

/// A protected connection that waits for the client, or serves it.
pub(in crate::ingest) struct Bridge {
    path: String,
    task: JoinHandle<io::Result<()>>,
}

impl Bridge {
    /// Reaches the broker and shakes hands; the client may then connect to [`Bridge::path`].
    ///
    /// # Errors
    ///
    /// [`BridgeError`], by what someone would do about it.
    pub(in crate::ingest) async fn open(
        host: &str,
        port: u16,
        tls: &BrokerTls,
    ) -> Result<Self, BridgeError> {
        // Read anew each time, so that renewed certificates need no restart.
        let config = tls::client_config(tls)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| BridgeError::Host { host: host.to_owned() })?;
        let reach = async {
            let stream =
                TcpStream::connect((host, port)).await.map_err(BridgeError::Unreachable)?;
            // An acknowledgement of four bytes must not wait for company.
            stream.set_nodelay(true).map_err(BridgeError::Unreachable)?;
            TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.map_err(blame)
        };
        let outside =
            tokio::time::timeout(PATIENCE, reach).await.map_err(|_| BridgeError::Silent)??;
        let path = unguessable().map_err(BridgeError::Socket)?;
        let listener = UnixListener::bind(&path).map_err(BridgeError::Socket)?;
        let task = tokio::spawn(pass_on(listener, outside));
        Ok(Self { path, task })
    }

    /// Returns where the client connects.
    pub(in crate::ingest) fn path(&self) -> &str {
        &self.path
    }

    /// Returns why the connection ended, if that was the protection's doing. A broker that
    /// does not like our certificate may say so only after the handshake (TLS 1.3).
    pub(super) async fn reason(mut self) -> Option<Lost> {
        // It has ended when the client has; a moment is enough.
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut self.task).await.ok()?;
        match ended.ok()? {
            Ok(()) => None,
            Err(error) => match tls::fault(&error) {
                Fault::Neither => None,
                Fault::Theirs | Fault::Ours => Some(Lost::Bridge(blame(error))),
            },
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn blame(error: io::Error) -> BridgeError {
    match tls::fault(&error) {
        Fault::Theirs => BridgeError::Untrusted(error),
        Fault::Ours => BridgeError::Refused(error),
        Fault::Neither => BridgeError::Handshake(error),
    }
}

/// A name in the abstract space (unix(7)): it begins with a zero byte.
fn unguessable() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("\0gengfu-{}", HEXLOWER.encode(&random)))
}

async fn pass_on(listener: UnixListener, mut outside: TlsStream<TcpStream>) -> io::Result<()> {
    let mut inside = loop {
        let (stream, _) = listener.accept().await?;
        if is_ours(&stream) {
            break stream;
        }
    };
    drop(listener);
    tokio::io::copy_bidirectional_with_sizes(&mut inside, &mut outside, BUFFER_BYTES, BUFFER_BYTES)
        .await
        .map(drop)
}

fn is_ours(stream: &UnixStream) -> bool {
    let ours = i32::try_from(std::process::id()).ok();
    stream.peer_cred().is_ok_and(|peer| peer.pid() == ours)
}
